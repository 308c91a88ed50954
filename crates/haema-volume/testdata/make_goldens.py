"""Writes goldens.txt: what SciPy, OpenCV and Pillow make of small arrays.

    python make_goldens.py > goldens.txt

Needs numpy, scipy, opencv-python-headless and pillow; MANIFEST.txt has the versions used.
One array a line: name, size "z,y,x", then the values, x fastest.
"""

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

rng = np.random.default_rng(20200706)


def put(name, array):
    array = np.asarray(array)
    values = " ".join(f"{value:.8g}" for value in array.ravel())
    print(name, ",".join(map(str, array.shape)), values)


def per_plane(volume, function):
    return np.stack([function(plane) for plane in volume])


def by_first_voxel(labels):
    """Renumbers labels in the order of their first voxels."""
    found = {0: 0}
    return np.array([found.setdefault(label, len(found)) for label in labels.ravel()]).reshape(
        labels.shape
    )


# Half-pixel linear, up and down, all three axes.
volume = np.round(rng.normal(40, 30, (5, 7, 6)), 3).astype(np.float32)
put("volume", volume)
for size in [(3, 4, 9), (8, 7, 2)]:
    zoom = [o / i for o, i in zip(size, volume.shape)]
    resized = ndimage.zoom(
        volume.astype(np.float64), zoom, order=1, mode="nearest", grid_mode=True
    )
    assert resized.shape == size
    put("linear_" + "_".join(map(str, size)), resized)

# Nearest and area in the plane: Pillow and OpenCV know two dimensions. No nearest size puts a centre
# exactly between two voxels: Pillow adds up steps, so rounding decides there.
for rows, columns in [(3, 4), (5, 5), (9, 10)]:
    put(
        f"nearest_{rows}_{columns}",
        per_plane(
            volume,
            lambda p: np.asarray(Image.fromarray(p).resize((columns, rows), Image.Resampling.NEAREST)),
        ),
    )
for rows, columns in [(3, 4), (5, 5), (7, 2)]:
    put(
        f"area_{rows}_{columns}",
        per_plane(volume, lambda p: cv2.resize(p, (columns, rows), interpolation=cv2.INTER_AREA)),
    )

# Connected parts, 6, 18 and 26 neighbours.
mask = (rng.random((5, 9, 11)) < 0.28).astype(np.uint8)
put("mask", mask)
for rank, neighbours in [(1, 6), (2, 18), (3, 26)]:
    labels, _ = ndimage.label(mask, ndimage.generate_binary_structure(3, rank))
    put(f"labels_{neighbours}", by_first_voxel(labels))

# In-plane opening and holes.
blob = ndimage.gaussian_filter(rng.normal(0, 1, (2, 16, 22)), (0, 2, 2)) > 0.02
put("blob", blob.astype(np.uint8))
for radius in [1, 2]:
    square = np.ones((1, 2 * radius + 1, 2 * radius + 1))
    put(f"opened_{radius}", ndimage.binary_opening(blob, square).astype(np.uint8))
put("filled", per_plane(blob, ndimage.binary_fill_holes).astype(np.uint8))
