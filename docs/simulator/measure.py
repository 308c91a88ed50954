"""Statistics of tissue and noise in a dataset of head CT, the same way for real and simulated ones.

    python measure.py [--figure FILE.svg] DATASET [DATASET ...]        # each in nnU-Net's raw layout

Needs numpy, scipy and nibabel. HU are clipped to -18..97, the window of CT-ICH, so that both are seen
through the same glass. Prints one row of a Markdown table for each figure: median over cases, and the
10th to the 90th percentile. The figure has the same: a bar from the 10th to the 90th percentile, a mark at
the median.
"""

import argparse
import pathlib

import nibabel as nib
import numpy as np
from scipy import ndimage


def slices_of(case, dataset):
    image = nib.load(dataset / "imagesTr" / f"{case}_0000.nii.gz")
    label = dataset / "labelsTr" / f"{case}.nii.gz"
    hu = np.asanyarray(image.dataobj).astype(np.float32)
    mask = np.asanyarray(nib.load(label).dataobj) > 0 if label.exists() else np.zeros(hu.shape, bool)
    return hu, mask, abs(float(image.header.get_zooms()[0]))


def inside_skull(hu, pixel_mm):
    bone = ndimage.binary_closing(hu > 250, iterations=3)
    inside = ndimage.binary_fill_holes(bone) & ~bone
    parts, count = ndimage.label(inside)
    if count == 0:
        return inside
    sizes = ndimage.sum_labels(inside, parts, range(1, count + 1))
    return ndimage.distance_transform_edt(parts == 1 + int(np.argmax(sizes))) * pixel_mm


def two_bells(values):
    """Means of white and grey matter, by expectation and maximisation from 27 and 36 HU."""
    mean, sd, share = np.array([27.0, 36.0]), np.array([3.0, 3.0]), np.array([0.5, 0.5])
    for _ in range(60):
        bell = share * np.exp(-0.5 * ((values[:, None] - mean) / sd) ** 2) / sd
        bell /= bell.sum(1, keepdims=True) + 1e-12
        share = bell.mean(0)
        mean = (bell * values[:, None]).sum(0) / bell.sum(0)
        sd = np.sqrt((bell * (values[:, None] - mean) ** 2).sum(0) / bell.sum(0)).clip(1.0, 6.0)
    return mean, sd


def noise_of(hu, depth_mm, pixel_mm):
    """SD in flat windows of brain, and autocorrelation at 0.4, 0.8, 1.2 and 2 mm."""
    side = int(round(9 / pixel_mm))
    grid_y, grid_x = np.mgrid[0:side, 0:side]
    plane = np.stack([np.ones(side * side), grid_y.ravel(), grid_x.ravel()], 1)
    flatten = np.eye(side * side) - plane @ np.linalg.pinv(plane)
    found = []
    for y in range(0, hu.shape[0] - side, side):
        for x in range(0, hu.shape[1] - side, side):
            window = hu[y : y + side, x : x + side]
            if depth_mm[y : y + side, x : x + side].min() < 8 or window.min() <= -18 or window.max() > 60:
                continue
            flat = (flatten @ window.ravel()).reshape(side, side)
            sd = flat.std()
            if sd < 0.3:
                continue
            at = lambda mm: np.interp(mm / pixel_mm, range(side), [
                (flat[:, : side - lag] * flat[:, lag:]).mean() / sd**2 for lag in range(side)])
            found.append([sd, at(0.4), at(0.8), at(1.2), at(2.0)])
    if len(found) < 8:
        return None
    found = np.array(found)
    # The flattest fifth: those without an edge in them.
    return np.median(found[found[:, 0] <= np.quantile(found[:, 0], 0.2)], axis=0)


def case_figures(case, dataset):
    hu, mask, pixel_mm = slices_of(case, dataset)
    depth = hu.shape[2]
    tissue, fluid, noises, blood, bone = [], [], [], [], []
    for z in range(int(0.45 * depth), int(0.75 * depth), 2):
        plane = hu[:, :, z]
        depth_mm = inside_skull(plane, pixel_mm)
        if depth_mm.max() < 25:
            continue
        bone.append(plane[plane > 300])
        seen = np.clip(plane, -18, 97)
        smooth = ndimage.uniform_filter(seen, max(3, int(round(1.6 / pixel_mm))))
        healthy = ~ndimage.binary_dilation(mask[:, :, z], iterations=12)
        tissue.append(smooth[(depth_mm > 6) & healthy & (smooth > 20) & (smooth < 46)])
        fluid.append(smooth[(depth_mm > 22) & healthy & (smooth < 14)])
        noise = noise_of(seen, depth_mm, pixel_mm)
        if noise is not None:
            noises.append(noise)
    # Bleeds are few: those of all heights count.
    for z in range(int(0.2 * depth), int(0.95 * depth)):
        within = ndimage.binary_erosion(mask[:, :, z], iterations=max(1, int(1.6 / pixel_mm)))
        blood.append(np.clip(hu[:, :, z], -18, 97)[within])
    tissue, fluid, blood, bone = (np.concatenate(v or [np.zeros(0)]) for v in (tissue, fluid, blood, bone))
    figures = {}
    if tissue.size > 5000:
        mean, sd = two_bells(tissue[:: max(1, tissue.size // 60000)])
        figures |= {"white matter, mean HU": mean[0], "white matter, SD HU": sd[0],
                    "grey matter, mean HU": mean[1], "grey matter, SD HU": sd[1]}
    if fluid.size > 300:
        figures |= {"ventricles, mean HU": fluid.mean(), "ventricles, SD HU": fluid.std()}
    if blood.size > 800:
        figures |= {"blood in the mask, mean HU": blood.mean(), "blood in the mask, SD HU": blood.std()}
    if bone.size > 1000:
        figures |= {"bone above 300 HU, mean HU": bone.mean(), "bone above 300 HU, SD HU": bone.std()}
    if noises:
        noise = np.median(noises, axis=0)
        names = ["noise, SD HU"] + [f"noise, autocorrelation at {mm} mm" for mm in (0.4, 0.8, 1.2, 2.0)]
        figures |= dict(zip(names, noise))
    return figures


COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"]


def figure(names, columns):
    """An SVG: a row for each name, scaled to the ends of all its bars."""
    row_height, left, width = 18 * len(columns) + 16, 230, 420
    height = row_height * len(names) + 40
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}" '
             'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>']
    for number, (name, _) in enumerate(columns):
        parts.append(f'<text x="{left + 130 * number}" y="16" fill="{COLOURS[number]}">{name}</text>')
    for row, name in enumerate(names):
        top = 32 + row * row_height
        ends = [ends_of(rows, name) for _, rows in columns]
        low, high = min(e[0] for e in ends), max(e[2] for e in ends)
        place = lambda value: left + width * (value - low) / max(high - low, 1e-9)
        parts.append(f'<text x="{left - 10}" y="{top + 12}" text-anchor="end">{name}</text>')
        for number, (first, middle, last) in enumerate(ends):
            y = top + 18 * number
            parts.append(f'<rect x="{place(first):.1f}" y="{y + 3}" width="{place(last) - place(first):.1f}" '
                         f'height="9" fill="{COLOURS[number]}" fill-opacity="0.45"/>')
            parts.append(f'<rect x="{place(middle) - 1.5:.1f}" y="{y}" width="3" height="15" fill="{COLOURS[number]}"/>')
            parts.append(f'<text x="{left + width + 10}" y="{y + 12}">{middle:.3g}</text>')
    return "\n".join([*parts, "</svg>", ""])


def ends_of(rows, name):
    values = [row[name] for row in rows if name in row]
    return np.quantile(values, [0.1, 0.5, 0.9]) if values else np.array([np.nan] * 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=pathlib.Path)
    parser.add_argument("datasets", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    columns = []
    for path in options.datasets:
        cases = sorted(p.name[: -len("_0000.nii.gz")] for p in (path / "imagesTr").glob("*_0000.nii.gz"))
        rows = [case_figures(case, path) for case in cases]
        columns.append((path.name, rows))
    names = list(dict.fromkeys(name for _, rows in columns for row in rows for name in row))
    print("| | " + " | ".join(f"{name} ({len(rows)} scans)" for name, rows in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name in names:
        cells = []
        for _, rows in columns:
            low, middle, high = ends_of(rows, name)
            count = sum(name in row for row in rows)
            cells.append(f"{middle:.3g} ({low:.3g} to {high:.3g}; n {count})")
        print(f"| {name} | " + " | ".join(cells) + " |")
    if options.figure:
        options.figure.write_text(figure(names, columns))


if __name__ == "__main__":
    main()
