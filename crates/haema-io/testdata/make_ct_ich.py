"""Works out, with Pillow and NumPy, what importing patient 049 of CT-ICH must give.

Only sums and a few single values are kept: the data set itself is not part of the project.

    pip install pillow==13.0.0 numpy==2.4.6
    python make_ct_ich.py ../../../../shared/data/ct-ich > ct_ich_049.expected.json
"""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(sys.argv[1]) / "Patients_CT" / "049"
SLICES = sorted(int(path.stem) for path in (FOLDER / "bone").glob("*.jpg"))


def grey(path):
    return np.asarray(Image.open(path).convert("L"), float)


hu, mask = [], []
for number in SLICES:
    brain = grey(FOLDER / "brain" / f"{number}.jpg")
    brain_hu = brain * 120 / 255 - 20
    bone_hu = grey(FOLDER / "bone" / f"{number}.jpg") * 3200 / 255 - 900
    both = np.where(brain < 8, np.minimum(brain_hu, bone_hu), brain_hu)
    hu.append(np.where(brain >= 245, np.maximum(brain_hu, bone_hu), both))
    path = FOLDER / "brain" / f"{number}_HGE_Seg.jpg"
    mask.append(grey(path) >= 128 if path.exists() else np.zeros(brain.shape, bool))
hu, mask = np.rint(np.array(hu)), np.array(mask)

PLACES = {
    "air left of the head": [15, 600, 20],
    "brain": [15, 350, 300],
    "skull at the back": [15, 575, 315],
    "epidural bleed, in front on the right": [15, 230, 170],
}
json.dump(
    {
        "tools": {tool: importlib.metadata.version(tool) for tool in ["pillow", "numpy"]},
        "size_zyx": hu.shape,
        "mean_hu": hu.mean(),
        "voxels_by_hu": [int(n) for n in np.histogram(hu, [-1000, -500, -20, 0, 20, 40, 60, 100, 300, 3000])[0]],
        "mask_voxels_by_slice": [int(n) for n in mask.sum((1, 2))],
        "mean_hu_in_mask": hu[mask].mean(),
        "mask_centre_zyx": [float(v) for v in np.argwhere(mask).mean(0)],
        "places": {name: {"zyx": at, "hu": hu[tuple(at)]} for name, at in PLACES.items()},
    },
    sys.stdout,
    indent=1,
)
print()
