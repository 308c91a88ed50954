"""Slices of one or several datasets beside each other, each row a dataset, to look for what gives a simulation away.

    python montage.py --out slices.png DATASET [DATASET ...]      # each in nnU-Net's raw layout

Needs numpy, nibabel and pillow. Cases are spread evenly over each dataset, heights over the middle of the
head; the window is 80 HU wide around 40.
"""

import argparse
import pathlib

import nibabel as nib
import numpy as np
from PIL import Image

COLUMNS, ROWS_EACH, SIDE = 6, 2, 240


def slice_of(path, share):
    image = nib.load(path)
    depth = image.shape[2]
    # Only the chosen slice is decoded to floating point.
    hu = np.asanyarray(image.dataobj[:, :, int(share * (depth - 1))], dtype=np.float32)
    grey = np.clip((hu - 0.0) / 80.0, 0.0, 1.0) * 255.0
    # Voxels run to the right and to the front: rows from the front down.
    axes = nib.aff2axcodes(image.affine)
    grey = grey.T
    grey = grey[::-1] if axes[1] == "A" else grey
    grey = grey[:, ::-1] if axes[0] == "R" else grey
    return Image.fromarray(grey.astype(np.uint8)).resize((SIDE, SIDE), Image.BILINEAR)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("datasets", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    sheet = Image.new("L", (COLUMNS * SIDE, ROWS_EACH * len(options.datasets) * SIDE))
    for number, dataset in enumerate(options.datasets):
        paths = sorted((dataset / "imagesTr").glob("*_0000.nii.gz"))
        count = COLUMNS * ROWS_EACH
        for place in range(count):
            path = paths[place * len(paths) // count]
            share = 0.25 + 0.5 * (place % COLUMNS) / (COLUMNS - 1)
            row = ROWS_EACH * number + place // COLUMNS
            sheet.paste(slice_of(path, share), ((place % COLUMNS) * SIDE, row * SIDE))
    sheet.save(options.out, optimize=True)


if __name__ == "__main__":
    main()
