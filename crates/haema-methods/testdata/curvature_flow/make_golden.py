"""Two slices smoothed by SimpleITK's CurvatureFlow.

Run in an environment with the versions of MANIFEST.txt: `python make_golden.py`. The slice comes from
a formula that the test repeats, so only results are stored.
"""

import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk


def slice_of(rows, columns):
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    disc = np.where(np.hypot(y - 11, x - 14) < 6.5, 40.0, 0.0)
    return (30 + disc + 8 * np.sin(0.9 * x + 0.2 * y * y) * np.cos(0.7 * y)).astype(np.float32)


cases = []
for size, iterations, time_step in [((24, 30), 5, 0.125), ((17, 21), 12, 0.0625)]:
    image = sitk.GetImageFromArray(slice_of(*size))
    smoothed = sitk.GetArrayFromImage(sitk.CurvatureFlow(image, time_step, iterations))
    values = [float(f"{v:.9g}") for v in smoothed.ravel()]
    cases.append(dict(size=size, iterations=iterations, time_step=time_step, smoothed=values))
Path(__file__).with_name("expected.json").write_text(json.dumps(dict(cases=cases)) + "\n")
