"""Which rule makes the best mask from the probability? Needs numpy, scipy, nibabel.

    haema segment --save-probability --out FOUND data/ctich/imagesTr/...   # the patients held aside
    python3 measure.py data/ctich FOUND
"""

import sys
from pathlib import Path

import nibabel
import numpy
from scipy import ndimage


def voxels(path):
    return numpy.asarray(nibabel.load(path).dataobj)


def read(dataset, found):
    """HU as the mean of 3 x 3 pixels, truth, probability, mL of a voxel; cut to where anything is."""
    for folder in sorted(path for path in found.iterdir() if (path / "probability.nii.gz").exists()):
        case = folder.name.removesuffix("_0000")
        image = nibabel.load(dataset / "imagesTr" / f"{case}_0000.nii.gz")
        hu = ndimage.uniform_filter(numpy.asarray(image.dataobj, dtype=numpy.float32), size=(3, 3, 1))
        truth = voxels(dataset / "labelsTr" / f"{case}.nii.gz") > 0
        probability = voxels(folder / "probability.nii.gz").astype(numpy.float32)
        where = numpy.argwhere((probability > 0.08) | truth)
        cut = tuple(slice(low, high + 1) for low, high in zip(where.min(0), where.max(0)))
        voxel_ml = abs(numpy.linalg.det(image.affine[:3, :3])) / 1000
        yield case, hu[cut], truth[cut], probability[cut], voxel_ml


def grown(hu, probability, seed, to, least_hu):
    """Parts above `to` and bright enough that touch a voxel above `seed`."""
    sure = probability > seed
    # Above 100 HU is bone or chalk.
    bright = (hu > least_hu) & (hu < 100)
    parts, count = ndimage.label(sure | ((probability > to) & bright), numpy.ones((3, 3, 3)))
    keep = numpy.zeros(count + 1, bool)
    keep[numpy.unique(parts[sure])] = True
    keep[0] = False
    return keep[parts]


def row(name, cases, rule):
    dices, errors_ml, false_ml, alarms = [], [], 0.0, 0
    for _, hu, truth, probability, voxel_ml in cases:
        mask = rule(hu, probability)
        if truth.any():
            dices.append(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))
            errors_ml.append((int(mask.sum()) - int(truth.sum())) * voxel_ml)
        else:
            false_ml += mask.sum() * voxel_ml
            alarms += mask.any()
    each = " ".join(f"{dice:.2f}" for dice in dices)
    error = numpy.mean(numpy.abs(errors_ml))
    print(f"| {name} | {numpy.mean(dices):.3f} | {each} | {error:.1f} | {false_ml:.1f} | {alarms} |", flush=True)


if __name__ == "__main__":
    cases = list(read(Path(sys.argv[1]), Path(sys.argv[2])))
    print("| rule | mean Dice | each | mean abs. volume error, mL | false marks, mL | scans with false marks |")
    print("|---|---|---|---|---|---|")
    for t in (0.2, 0.3, 0.4, 0.5, 0.6):
        row(f"above {t}", cases, lambda hu, p: p > t)
    for to in (0.2, 0.3):
        for least in (-1000, 45, 55):
            name = f"above {to} and {least} HU, from above 0.5" if least > 0 else f"above {to}, from above 0.5"
            row(name, cases, lambda hu, p: grown(hu, p, 0.5, to, least))
