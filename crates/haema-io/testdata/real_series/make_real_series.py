"""What pydicom reads from the real series in ../shared: aggregate numbers only, no pixels.

Run by hand, with the versions in MANIFEST.txt, where ../shared lies beside the project:
python make_real_series.py ../../../../../shared/data/dicom

For each series: the slices' positions, sorted along row x column as numpy computes it, the steps
between voxels, and for each slice the sum, the sum of squares, the least and the largest of its
Hounsfield units. Hounsfield units are pydicom's `apply_rescale` of the stored values, with padding
and whatever lies below -1024 set to -1024 and what lies above 3071 set to 3071 (the reader's rule,
not pydicom's). All are whole numbers here, so sums are exact.
"""
import json
import pathlib
import sys

import numpy as np
import pydicom
from pydicom.pixels import apply_rescale

HERE = pathlib.Path(__file__).parent
STACKS = {
    "ge-head-tilt18-uneven": "*.dcm",
    "philips-phantom/S21570_S2010": "I*",
    "philips-phantom/S21610_S2010": "I*",
}
CODECS = "nema-head-slice-7-codecs"


def hounsfield(ds):
    stored = ds.pixel_array
    hu = apply_rescale(stored, ds)
    if "PixelPaddingValue" in ds:
        hu[stored == ds.PixelPaddingValue] = -1024
    return np.clip(hu, -1024, 3071).astype(np.int64)


def sums(hu):
    return {
        "sum": int(hu.sum()),
        "sum_of_squares": int((hu**2).sum()),
        "least": int(hu.min()),
        "largest": int(hu.max()),
    }


def stack(folder, pattern):
    slices = [pydicom.dcmread(path) for path in sorted(folder.glob(pattern))]
    row, column = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(row, column) / np.linalg.norm(np.cross(row, column))
    position = lambda ds: np.array(ds.ImagePositionPatient, float)
    slices.sort(key=lambda ds: position(ds) @ normal)
    row_mm, column_mm = map(float, slices[0].PixelSpacing)
    return {
        "size": [len(slices), slices[0].Rows, slices[0].Columns],
        "x_step_lps_mm": (row * column_mm).tolist(),
        "y_step_lps_mm": (column * row_mm).tolist(),
        "tilt_deg": float(slices[0].GantryDetectorTilt),
        "slices": [
            {
                "position_lps_mm": position(ds).tolist(),
                "along_normal_mm": float(position(ds) @ normal),
                **sums(hounsfield(ds)),
            }
            for ds in slices
        ],
    }


def main():
    root = pathlib.Path(sys.argv[1])
    found = {name: stack(root / name, pattern) for name, pattern in STACKS.items()}
    raw = hounsfield(pydicom.dcmread(root / CODECS / "CT2_UNC"))
    codecs = {}
    for path in sorted((root / CODECS).iterdir()):
        ds = pydicom.dcmread(path)
        hu = hounsfield(ds)
        codecs[path.name] = {
            "transfer_syntax": ds.file_meta.TransferSyntaxUID,
            "position": "\\".join(
                value.original_string for value in ds.ImagePositionPatient
            ),
            "largest_difference_from_raw": int(np.abs(hu - raw).max()),
            **sums(hu),
        }
    text = json.dumps({"stacks": found, "codecs": codecs}, indent=1)
    (HERE / "expected.json").write_text(text + "\n")
    versions = [f"python {sys.version.split()[0]}"]
    import importlib.metadata as metadata
    for name in ("pydicom", "numpy", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg",
                 "pylibjpeg-rle", "pyjpegls"):
        versions.append(f"{name} {metadata.version(name)}")
    (HERE / "MANIFEST.txt").write_text("expected.json: " + ", ".join(versions) + "\n")


main()
