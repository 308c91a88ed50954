"""Writes masks.json: small masks, and what surface-distance, SciPy and SimpleITK say of them.

    python make_masks.py > masks.json

MANIFEST.txt has the versions used. Figures of border voxels are written out in SciPy, as MONAI and
MetricsReloaded define them.
"""

import json

import numpy as np
import SimpleITK as sitk
import surface_distance
from scipy import ndimage
from surface_distance import lookup_tables

rng = np.random.default_rng(7345)


def bits(mask):
    return "".join("01"[int(v)] for v in np.asarray(mask).ravel())


def blob(size, share):
    noise = ndimage.gaussian_filter(rng.normal(size=size), 1.3)
    return noise > np.quantile(noise, 1 - share)


def patches(a, b, spacing):
    d = surface_distance.compute_surface_distances(a, b, spacing)
    return {
        "hd": [surface_distance.compute_robust_hausdorff(d, p) for p in (100, 95, 50)],
        "nsd": [surface_distance.compute_surface_dice_at_tolerance(d, t) for t in (0.42, 1.0, 2.0)],
        "asd": list(surface_distance.compute_average_surface_distance(d)),
        "area": [float(d["surfel_areas_gt"].sum()), float(d["surfel_areas_pred"].sum())],
    }


def border(a, b, spacing):
    edges = [m & ~ndimage.binary_erosion(m, border_value=0) for m in (a, b)]
    away = [ndimage.distance_transform_edt(~e, sampling=spacing) for e in edges]
    there, back = away[1][edges[0]], away[0][edges[1]]
    both = np.concatenate([there, back])
    return {
        "hd": [max(np.percentile(there, p), np.percentile(back, p)) for p in (100, 95, 50)],
        "hd_pooled": [np.percentile(both, p) for p in (100, 95, 50)],
        "nsd": [float((both <= t).mean()) for t in (0.42, 1.0, 2.0)],
        "assd": both.mean(),
    }


def pairs():
    size = (7, 12, 11)
    first = blob(size, 0.2)
    yield first, np.roll(first, (0, 1, -1), (0, 1, 2)), (5.0, 0.45, 0.45)
    yield blob(size, 0.3), blob(size, 0.15), (1.0, 1.0, 1.0)
    yield blob(size, 0.5), blob(size, 0.5), (2.5, 0.9, 0.7)
    yield rng.random(size) < 0.3, rng.random(size) < 0.3, (3.0, 0.5, 0.5)
    one = np.zeros(size, bool)
    one[3, 5, 5] = True
    corner = np.zeros(size, bool)
    corner[0, 0, 0] = True
    yield one, corner, (5.0, 0.5, 0.5)
    yield one, one, (5.0, 0.5, 0.5)
    yield one, np.ones(size, bool), (5.0, 0.5, 0.5)
    slice_only = np.zeros((1, 9, 9), bool)
    slice_only[0, 2:6, 3:7] = True
    yield slice_only, np.roll(slice_only, 2, 2), (4.0, 0.8, 0.8)


def surfaces():
    for a, b, spacing in pairs():
        yield {"size": a.shape, "spacing": spacing, "reference": bits(a), "predicted": bits(b),
               "patches": patches(a, b, spacing), "border": border(a, b, spacing)}


def areas():
    # Our bit 4z + 2y + x of a code is bit 7 − (4z + 2y + x) of theirs.
    for spacing in ((1.0, 1.0, 1.0), (5.0, 0.45, 0.7)):
        table = lookup_tables.create_table_neighbour_code_to_surface_area(spacing)
        theirs = [int(f"{code:08b}"[::-1], 2) for code in range(256)]
        yield {"spacing": spacing, "areas": [float(table[code]) for code in theirs]}


def staples():
    size = (4, 12, 12)
    truth = blob(size, 0.15)

    def rater(miss, invent):
        return (truth & (rng.random(size) > miss)) | (~truth & (rng.random(size) < invent))

    smooth = [ndimage.binary_dilation(truth), truth, ndimage.binary_erosion(truth)]
    for masks in ([rater(0.1, 0.01), rater(0.2, 0.02), rater(0.05, 0.05)], smooth,
                  [rater(0.3, 0.05) for _ in range(5)], [truth, truth, truth],
                  [truth, truth, np.zeros(size, bool)], [rater(0.1, 0.02), rater(0.2, 0.03)]):
        images = [sitk.GetImageFromArray(m.astype(np.uint8)) for m in masks]
        staple = sitk.STAPLEImageFilter()
        staple.SetForegroundValue(1)
        probability = sitk.GetArrayFromImage(staple.Execute(images))
        votes = sitk.LabelVotingImageFilter()
        votes.SetLabelForUndecidedPixels(0)
        yield {"size": size, "masks": [bits(m) for m in masks],
               "sensitivity": list(staple.GetSensitivity()), "specificity": list(staple.GetSpecificity()),
               # The first voxel of each value.
               "probability": [[int(i), float(probability.ravel()[i])]
                               for i in np.unique(probability, return_index=True)[1]],
               "rounds": staple.GetElapsedIterations(),
               "majority": bits(sitk.GetArrayFromImage(votes.Execute(images)))}


def tidy(value):
    if isinstance(value, dict):
        return {key: tidy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [tidy(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


parts = {"surfaces": list(surfaces()), "areas": list(areas()), "staple": list(staples())}
print("{" + ",\n".join(f"{json.dumps(name)}: {json.dumps(tidy(part))}" for name, part in parts.items()) + "}")
