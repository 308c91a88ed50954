"""Scores of haema's answers on simulated pairs, as Markdown. Needs nothing but Python.

    python score.py WORK        # the folder that run.sh fills

A bleed of the truth and one of the answer are the same where their centres lie within 4 mm and their
volumes within a quarter of each other. Bleeds that touch another, or fall into many patches, have no
counterpart of their own and are counted apart.
"""

import csv
import json
import math
import pathlib
import statistics
import sys

LOBES = {"frontal_lobe", "parietal_lobe", "temporal_lobe", "occipital_lobe"}
PLACES = {
    "lobe": LOBES,
    "basal ganglia": {"basal_ganglia"},
    "thalamus": {"thalamus"},
    "brainstem": {"brainstem"},
    "cerebellum": {"cerebellum"},
    "ventricle": {"lateral_ventricle", "third_ventricle", "fourth_ventricle"},
}
SETS = ("builtin", "labelmaps")
# Two-sided 90 %, and what compare calls the smallest real change: 95 %.
Z90, Z95 = 1.6449, 1.96


def read(path):
    return json.loads(path.read_text())


def truth_of(work, name):
    with open(work / name / "truth.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    cases = {}
    for row in rows:
        cases.setdefault(row["case_id"], []).append(row)
    return cases


def same(known, lesion):
    centre = [float(known[f"centre_{way}_mm"]) for way in ("left", "back", "top")]
    ratio = lesion["volume_ml"] / max(float(known["scanned_ml"]), 1e-9)
    return math.dist(centre, lesion["centroid_lps_mm"]) < 4.0 and 0.8 < ratio < 1.25


def share(right, count):
    return f"{right} of {count} ({100 * right / count:.1f} %)" if count else "none"


class Places:
    def __init__(self):
        self.rows, self.apart, self.unknown = [], 0, 0

    def see(self, case_id, truth, lesions):
        for known in truth:
            if float(known["scanned_ml"]) < 0.98 * float(known["volume_ml"]):
                continue  # partly outside the slices
            found = [lesion for lesion in lesions if same(known, lesion)]
            if len(found) != 1:
                self.apart += 1
            elif found[0]["location"] is None:
                self.unknown += 1
            else:
                self.rows.append((case_id, known, found[0]))

    def table(self):
        of = lambda kept, is_right: share(sum(map(is_right, kept)), len(kept))
        side = lambda row: row[1]["side"] == row[2]["location"]["side"]
        place = lambda row: row[2]["location"]["place"] in PLACES[row[1]["place"]]
        compartment = lambda row: row[1]["compartment"] == row[2]["location"]["compartment"]
        sided = [row for row in self.rows if row[1]["side"] != "both" and row[1]["site"] != "brainstem"]
        placed = [row for row in self.rows if row[1]["place"] != "n/a"]
        lines = [
            ("bleeds with a counterpart", str(len(self.rows))),
            ("without one: merged, in patches, or too small", str(self.apart)),
            ("flagged: places unknown", str(self.unknown)),
            ("side right, of bleeds that have one", of(sided, side)),
            ("place right", of(placed, place)),
            *((f"- {name}", of([r for r in placed if r[1]["place"] == name], place)) for name in PLACES),
            ("compartment right", of(self.rows, compartment)),
        ]
        wrong = [
            f"{case_id}: {known['site']}, {float(known['volume_ml']):.1f} mL, {known['side']}, {known['place']}; "
            f"said {found['location']['side']}, {found['location']['place']}"
            for case_id, known, found in placed
            if not place((case_id, known, found))
        ] + [
            f"{case_id}: {known['site']}, {float(known['volume_ml']):.1f} mL is {known['side']}; "
            f"said {found['location']['side']}"
            for case_id, known, found in sided
            if not side((case_id, known, found))
        ]
        return lines, wrong


class Growth:
    def __init__(self):
        self.errors, self.covered, self.sds = [], [], []
        self.stable, self.false_grown, self.grown, self.found_grown = 0, 0, 0, 0
        self.lines, self.false_lines, self.refused = 0, 0, 0

    def see(self, changes, true_ml, found):
        growth = found["growth"]
        error = growth["change_ml"] - true_ml
        sd = growth["smallest_real_change_ml"] / Z95
        says_grown = growth["change_ml"] > growth["smallest_real_change_ml"]
        if growth["baseline"]["volume_ml"] > 0 or growth["followup"]["volume_ml"] > 0:
            self.errors.append(error)
            self.sds.append(sd)
            self.covered.append(abs(error) <= Z90 * sd)
        if not changes & {"grown", "new"}:
            self.stable += 1
            self.false_grown += says_grown
            lines = [line["fate"] for line in found["ledger"]]
            self.lines += len(lines)
            self.false_lines += lines.count("grown")
        elif true_ml >= 6.0:
            self.grown += 1
            self.found_grown += says_grown

    def table(self):
        if not self.errors:
            return [("pairs", "none")]
        ratio = [abs(error) / sd for error, sd in zip(self.errors, self.sds) if sd > 0]
        factor = sorted(ratio)[min(len(ratio) - 1, math.ceil(0.9 * (len(ratio) + 1)) - 1)] / Z90
        return [
            ("pairs with a bleed in the masks", str(len(self.errors))),
            ("refused", str(self.refused)),
            ("bias of ΔV", f"{statistics.mean(self.errors):+.2f} mL"),
            ("largest error of ΔV", f"{max(map(abs, self.errors)):.2f} mL"),
            ("90 % interval holds the truth", share(sum(self.covered), len(self.covered))),
            ("- factor that would make it 90 %", f"{factor:.2f}"),
            ("pairs without growth called grown", share(self.false_grown, self.stable)),
            ("- their ledger lines called grown", share(self.false_lines, self.lines)),
            ("pairs that grew by 6 mL or more called grown", share(self.found_grown, self.grown)),
        ]


def pairs_of(work, name):
    with open(work / name / "pairs.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for record in sorted((work / name / "cases").glob("*-t0.json")):
        pair = record.name[: -len("-t0.json")]
        own = [row for row in rows if row["case_t0"] == f"{pair}-t0"]
        scanned = [read(work / name / "cases" / f"{pair}-{visit}.json")["scanned_ml"] for visit in ("t0", "t1")]
        yield pair, {row["change"] for row in own}, scanned[1] - scanned[0]


def main():
    work = pathlib.Path(sys.argv[1])
    columns, faults = [], []
    for masks in ("true", "rater", "found"):
        for name in SETS:
            if not (work / name / "pairs.tsv").exists():
                continue
            places, growth, truth = Places(), Growth(), truth_of(work, name)
            for pair, changes, true_ml in pairs_of(work, name):
                path = work / "results" / masks / name / pair / "compare.json"
                if not path.exists():
                    growth.refused += path.with_name("refused.txt").exists()
                    continue
                found = read(path)
                growth.see(changes, true_ml, found)
                if masks == "true":
                    for visit, lesions in (("t0", "baseline_lesions"), ("t1", "followup_lesions")):
                        places.see(f"{pair}-{visit}", truth.get(f"{pair}-{visit}", []), found[lesions])
            rows, wrong = places.table() if masks == "true" else ([], [])
            columns.append((f"{name}, {masks} masks", [*growth.table(), *rows]))
            faults += [f"{name} {fault}" for fault in wrong]
    names = list(dict.fromkeys(name for _, rows in columns for name, _ in rows))
    print("| | " + " | ".join(title for title, _ in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name in names:
        print(f"| {name} | " + " | ".join(dict(rows).get(name, "") for _, rows in columns) + " |")
    if faults:
        print("\nWrong places and sides:\n")
        print("\n".join(f"- {fault}" for fault in faults))


if __name__ == "__main__":
    main()
