"""Curves and table of the ablation, as Fig. 3 and Table 4 of the paper have them. Standard library only."""

import csv
import statistics
import sys
from pathlib import Path

ARMS = {"sum": ("with deep supervision", "#1f4fa8"), "none": ("without", "#2e8b3d")}
SEEDS = (1, 2, 3)
# Arab et al. 2020, Table 4.
PAPER = {
    "sum": {"dice": (0.84, 0.06), "precision": (0.85, 0.07), "recall": (0.83, 0.07)},
    "none": {"dice": (0.79, 0.11), "precision": (0.81, 0.09), "recall": (0.77, 0.09)},
}


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def curve(out, arm, seed, column):
    return [float(row[column]) for row in rows(out / f"{arm}-{seed}" / "log.csv") if row[column]]


def figure(out):
    """Loss by epoch: colour for the arm, dashes for validation, a thin line a seed, a thick one their mean."""
    lines = []
    for arm, (_, colour) in ARMS.items():
        for column, dash in (("train_loss", ""), ("validation_loss", ' stroke-dasharray="6 4"')):
            curves = [curve(out, arm, seed, column) for seed in SEEDS]
            lines += [(values, colour, dash, 0.7, 0.35) for values in curves]
            lines.append(([statistics.mean(at) for at in zip(*curves)], colour, dash, 2.2, 1.0))
    every = [value for line in lines for value in line[0]]
    low, high = min(every), max(every)
    last = max(len(line[0]) for line in lines)

    def x(epoch):
        return 60 + 600 * (epoch - 1) / max(last - 1, 1)

    def y(loss):
        return 20 + 300 * (high - loss) / max(high - low, 1e-9)

    marks = []
    for values, colour, dash, width, opacity in lines:
        points = " ".join(f"{x(i + 1):.1f},{y(value):.1f}" for i, value in enumerate(values))
        marks.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-opacity="{opacity}"{dash}/>'
        )
    for part in range(5):
        loss = low + part * (high - low) / 4
        marks.append(
            f'<line x1="60" x2="660" y1="{y(loss):.1f}" y2="{y(loss):.1f}" stroke="#ddd"/>'
            f'<text x="54" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.2f}</text>'
        )
    for epoch in sorted({1, last // 4, last // 2, 3 * last // 4, last} - {0}):
        marks.append(f'<text x="{x(epoch):.1f}" y="340" text-anchor="middle">{epoch}</text>')
    for i, (arm, (name, colour)) in enumerate(ARMS.items()):
        marks.append(f'<text x="650" y="{40 + 18 * i}" text-anchor="end" fill="{colour}">{name}</text>')
    marks.append('<text x="650" y="76" text-anchor="end" fill="#555">dashed: validation</text>')
    marks.append('<text x="360" y="360" text-anchor="middle">epoch</text>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 370" role="img" '
        'aria-label="Loss by epoch with and without deep supervision">'
        "<style>text{font:12px system-ui,sans-serif;fill:#333}</style>"
        '<rect width="680" height="370" fill="#fff"/>' + "\n".join(marks) + "</svg>\n"
    )


def table(out):
    """Mean and standard deviation over patients with a bleed, each the mean of its seeds."""
    text = ["| | Dice | precision | recall | F1 of means | best validation loss, each seed | paper: Dice |", "|---|---|---|---|---|---|---|"]
    dice = {}
    for arm, (name, _) in ARMS.items():
        cells, means = [], {}
        for figure_name in ("dice", "precision", "recall"):
            cases = {}
            for seed in SEEDS:
                for row in rows(out / f"{arm}-{seed}" / "scores" / "cases.csv"):
                    if float(row["reference_ml"]) > 0 and row[figure_name]:
                        cases.setdefault(row["case"], []).append(float(row[figure_name]))
            values = {case: statistics.mean(found) for case, found in cases.items()}
            means[figure_name] = statistics.mean(values.values())
            spread = statistics.stdev(values.values()) if len(values) > 1 else float("nan")
            cells.append(f"{means[figure_name]:.3f} ± {spread:.3f}")
            if figure_name == "dice":
                dice[arm] = values
        total = means["precision"] + means["recall"]
        f1 = 2 * means["precision"] * means["recall"] / total if total else 0.0
        best = ", ".join(f"{min(curve(out, arm, seed, 'validation_loss')):.4f}" for seed in SEEDS)
        paper = "{:.2f} ± {:.2f}".format(*PAPER[arm]["dice"])
        text.append(f"| {name} | {' | '.join(cells)} | {f1:.3f} | {best} | {paper} |")
    differences = [dice["sum"][case] - dice["none"][case] for case in sorted(dice["sum"])]
    mean = statistics.mean(differences)
    error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else float("nan")
    text.append("")
    text.append(
        f"Dice with deep supervision less without: {mean:+.3f} over {len(differences)} patients with a bleed, "
        f"standard error {error:.3f}."
    )
    return "\n".join(text) + "\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "curves.svg").write_text(figure(folder))
    (folder / "table.md").write_text(table(folder))
    print(table(folder), end="")
