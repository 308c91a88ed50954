"""Makes the image files of this folder, and writes down what other programs read in them.

NIfTI files are made and read by nibabel; NRRD by pynrrd, slicerio or SimpleITK and read by SimpleITK;
MetaImage by SimpleITK. The files `written*` are haema's own (see tests/it/images.rs): here the
other programs say what they find in them. Run on purpose, never to make a test pass:

    pip install nibabel==5.4.2 numpy==2.4.6 SimpleITK==2.5.7 pynrrd==1.1.3 slicerio==1.4.0
    python make_images.py
"""

import gzip
import hashlib
import importlib.metadata
import json
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import SimpleITK as sitk
import slicerio

HERE = Path(__file__).parent
SHAPE = (4, 3, 2)  # x, y, z
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def voxels(kind):
    """A ramp that reaches both ends of small types, and HU-like values in larger ones."""
    ramp = np.arange(24).reshape(SHAPE, order="F")
    if kind[0] == "f":
        return (ramp * 12.25 - 100.5).astype(kind)
    if kind == "u1":
        return (ramp * 11).astype(kind)
    if kind == "i1":
        return (ramp * 11 - 128).astype(kind)
    return (ramp * 97 - (0 if kind[0] == "u" else 1024)).astype(kind)


def rotation(x_deg, y_deg, z_deg):
    a, b, c = np.radians([x_deg, y_deg, z_deg])
    x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    y = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
    z = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
    return np.array(z) @ np.array(y) @ np.array(x)


def affine(angles=(0, 0, 0), spacing=(0.5, 0.75, 5.0), flip=(1, 1, 1), origin=(-10.5, 20.25, 30.0)):
    out = np.eye(4)
    out[:3, :3] = rotation(*angles) @ np.diag(np.array(spacing) * flip)
    out[:3, 3] = origin
    return out


LPS = np.diag([-1.0, -1.0, 1.0])


def expect(array_xyz, lps_from_index):
    return {
        "size_zyx": list(array_xyz.shape[::-1]),
        "lps_from_index": [[float(v) for v in row] for row in lps_from_index],
        "voxels": [float(v) for v in np.asarray(array_xyz, np.float32).ravel(order="F")],
    }


# --- NIfTI ---------------------------------------------------------------------------------------


def nifti_files():
    folder = HERE / "nifti"

    def save(name, data, version=1, endian="<", sform=None, qform=None, edit=None, pack=False):
        cls = nib.Nifti1Image if version == 1 else nib.Nifti2Image
        header = cls.header_class(endianness=endian)
        header.set_data_dtype(data.dtype)
        header.set_data_shape(data.shape)
        image = cls(data, None, header)
        header = image.header
        header.set_sform(sform, 1 if sform is not None else 0)
        header.set_qform(qform, 1 if qform is not None else 0)
        if sform is None and qform is None:
            header["pixdim"][1:4] = [0.5, 0.75, 5.0]
        header.set_slope_inter(1, 0)
        if edit:
            edit(header)
        # The header is written as it stands: nibabel's own saving would scale the voxels anew.
        offset = 352 if version == 1 else 544
        if header["vox_offset"] == 0:
            header["vox_offset"] = offset
        blob = header.binaryblock.ljust(int(header["vox_offset"]), b"\0")
        blob += data.astype(data.dtype.newbyteorder(endian)).tobytes(order="F")
        if pack:
            blob = gzip.compress(blob, mtime=0)
        (folder / name).write_bytes(blob)

    plain = affine()
    oblique = affine((12, -7, 20), flip=(-1, 1, 1))
    tilted = affine(flip=(-1, -1, 1))
    tilted[1, 2] = 5 * np.tan(np.radians(18.5))
    for kind in TYPES:
        save(f"n1_le_{kind}.nii", voxels(kind), 1, "<", sform=plain)
        save(f"n2_be_{kind}.nii", voxels(kind), 2, ">", sform=plain)
    hu = voxels("i2")
    save("n1_be_i2.nii", hu, 1, ">", sform=plain)
    save("n2_le_i2.nii", hu, 2, "<", sform=plain)
    save("packed.nii.gz", hu, sform=oblique, pack=True)
    save("sform_tilted.nii", hu, sform=tilted)
    save("qform_oblique.nii", hu, qform=oblique)
    save("qform_half_turn.nii", hu, 2, qform=affine((0, 0, 180)))
    save("sform_over_qform.nii", hu, sform=oblique, qform=plain)
    save("no_form.nii", hu)

    def negative_voxel_size(header):
        header["pixdim"][1:4] *= -1

    save("qform_negative_pixdim.nii", hu, qform=oblique, edit=negative_voxel_size)

    def slope(value, intercept):
        def edit(header):
            header["scl_slope"], header["scl_inter"] = value, intercept

        return edit

    save("slope.nii", voxels("u2"), sform=plain, edit=slope(0.5, -1024))
    save("slope_0.nii", hu, sform=plain, edit=slope(0, 7))
    save("slope_nan.nii", hu, sform=plain, edit=slope(np.nan, np.nan))

    def extended(header):
        header["vox_offset"] = 400

    save("extension.nii", hu, sform=plain, edit=extended)
    save("fourth_axis_of_1.nii", hu[..., None], sform=plain)

    expected = {}
    for path in sorted(folder.glob("*.nii*")):
        image = nib.load(path)
        data = image.get_fdata(dtype=np.float64).reshape(image.shape[:3], order="F")
        expected[path.name] = expect(data, LPS @ image.affine[:3])
        if path.name.startswith("written"):
            q, q_code = image.header.get_qform(coded=True)
            expected[path.name] |= {
                "sform_code": int(image.header["sform_code"]),
                "qform_code": int(q_code),
                "qform": None if q is None else [[float(v) for v in row] for row in LPS @ q[:3]],
                "units": image.header.get_xyzt_units()[0],
                "itk_lps_from_index": sitk_expect(path)["lps_from_index"],
            }

    # What is refused: nibabel reads all of these, but they are no CT.
    save("refused_complex.nii", hu.astype("c8"), sform=plain)
    rgb = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    save("refused_rgb.nii", rgb, sform=plain)
    save("refused_two_volumes.nii", np.stack([hu, hu], -1), sform=plain)
    save("refused_slope.nii", hu, sform=plain, edit=slope(2, np.nan))

    def pair(header):
        header["magic"] = b"ni1"
        header["vox_offset"] = 352

    save("refused_pair.nii", hu, sform=plain, edit=pair)
    nan = plain.copy()
    nan[1, 3] = np.nan
    save("refused_nan.nii", hu, sform=nan)
    flat = plain.copy()
    flat[:3, 2] = flat[:3, 1]
    save("refused_flat.nii", hu, sform=flat)

    def wide(header):
        header["quatern_b"] = 0.9
        header["quatern_c"] = 0.9

    save("refused_quaternion.nii", hu, qform=plain, edit=wide)
    return expected


# --- NRRD and MetaImage --------------------------------------------------------------------------


def sitk_image(data, matrix):
    image = sitk.GetImageFromArray(data.transpose(2, 1, 0))
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing([float(v) for v in spacing])
    image.SetDirection([float(v) for v in (matrix[:3, :3] / spacing).ravel()])
    image.SetOrigin([float(v) for v in matrix[:3, 3]])
    return image


def sitk_expect(path):
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image).reshape(image.GetSize()[::-1]).squeeze()
    direction = np.array(image.GetDirection()).reshape((image.GetDimension(),) * 2)[:3, :3]
    steps = direction @ np.diag(image.GetSpacing()[:3])
    return expect(array.T, np.column_stack([steps, image.GetOrigin()[:3]]))


def nrrd_files():
    folder = HERE / "nrrd"
    oblique = affine((12, -7, 20))
    for kind in TYPES:
        sitk.WriteImage(sitk_image(voxels(kind), oblique), str(folder / f"itk_{kind}.nrrd"), kind > "i2")

    hu = voxels("i2")
    step = oblique[:3, :3].T
    base = {"space directions": step, "space origin": oblique[:3, 3], "kinds": ["domain"] * 3}
    for name, space, encoding, endian in [
        ("ras_raw_big.nrrd", "right-anterior-superior", "raw", "big"),
        ("las_text.nrrd", "LAS", "ascii", "little"),
        ("lps_gzip.nrrd", "LPS", "gzip", "little"),
    ]:
        data = hu.astype(hu.dtype.newbyteorder(">" if endian == "big" else "<"))
        header = base | {"space": space, "encoding": encoding, "endian": endian}
        nrrd.write(str(folder / name), data, header)
    nrrd.write(str(folder / "detached.nhdr"), hu, base | {"space": "LPS", "encoding": "raw"})
    nrrd.write(str(folder / "spacings.nrrd"), hu, {"spacings": [0.5, 0.75, 5], "encoding": "raw"})
    listed = {
        "space": "LPS",
        "space directions": np.vstack([[np.nan] * 3, step]),
        "space origin": oblique[:3, 3],
        "kinds": ["list", "domain", "domain", "domain"],
        "encoding": "gzip",
    }
    nrrd.write(str(folder / "list_of_1.nrrd"), hu[None], listed)

    labels = np.zeros(SHAPE, "u1")
    labels[1:3, 1, 0] = 1
    labels[0, 2, 1] = 2
    segmentation = {
        "voxels": labels,
        "ijkToLPS": oblique,
        "containedRepresentationNames": ["Binary labelmap"],
        "segments": [
            {"id": "Segment_1", "name": "epidural", "labelValue": 1, "layer": 0, "color": [0.5, 0.25, 1.0]},
            {"id": "Segment_2", "name": "skull \\ base", "labelValue": 2, "layer": 0, "color": [0, 1, 0]},
        ],
    }
    slicerio.write_segmentation(str(folder / "slicerio.seg.nrrd"), segmentation)

    expected = {}
    for path in sorted([*folder.glob("*.nrrd"), *folder.glob("*.nhdr")]):
        if path.name == "list_of_1.nrrd":
            # ITK takes the list for a pixel's components: pynrrd is the reader here.
            data, header = nrrd.read(str(path))
            matrix = np.column_stack([header["space directions"][1:].T, header["space origin"]])
            expected[path.name] = expect(data[0], matrix)
        else:
            expected[path.name] = sitk_expect(path)
        if path.name.endswith(".seg.nrrd"):
            read = slicerio.read_segmentation(str(path))
            keys = ["id", "name", "labelValue", "color", "extent", "layer"]
            expected[path.name]["segments"] = [{k: s.get(k) for k in keys} for s in read["segments"]]
            ijk_to_lps = np.asarray(read["ijkToLPS"])[:3]
            assert np.allclose(ijk_to_lps, expected[path.name]["lps_from_index"]), path
            assert (read["voxels"].ravel(order="F") == expected[path.name]["voxels"]).all(), path
    return expected


def meta_image_files():
    folder = HERE / "meta_image"
    oblique = affine((12, -7, 20))
    for kind in TYPES:
        sitk.WriteImage(sitk_image(voxels(kind), oblique), str(folder / f"{kind}.mha"), kind > "i2")
    hu = voxels("i2")
    sitk.WriteImage(sitk_image(hu, oblique), str(folder / "detached.mhd"), False)
    sitk.WriteImage(sitk_image(hu, oblique), str(folder / "detached_packed.mhd"), True)
    sitk.WriteImage(sitk.JoinSeries(sitk_image(hu, oblique)), str(folder / "fourth_axis_of_1.mha"), False)
    head, raw = (folder / "i2.mha").read_bytes().split(b"ElementDataFile = LOCAL\n")
    head = head.replace(b"ByteOrderMSB = False", b"ByteOrderMSB = True")
    swapped = np.frombuffer(raw, "<i2").astype(">i2").tobytes()
    (folder / "big_endian.mha").write_bytes(head + b"ElementDataFile = LOCAL\n" + swapped)
    paths = sorted([*folder.glob("*.mha"), *folder.glob("*.mhd")])
    return {path.name: sitk_expect(path) for path in paths}


def main():
    for name, make in [("nifti", nifti_files), ("nrrd", nrrd_files), ("meta_image", meta_image_files)]:
        for path in (HERE / name).iterdir():
            if not path.name.startswith("written"):
                path.unlink()
        expected = make()
        text = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in expected.items())
        (HERE / name / "expected.json").write_text("{\n" + text + "\n}\n")
    tools = ["nibabel", "numpy", "SimpleITK", "pynrrd", "slicerio"]
    lines = [", ".join(f"{tool} {importlib.metadata.version(tool)}" for tool in tools)]
    for path in sorted(p for name in ["nifti", "nrrd", "meta_image"] for p in (HERE / name).iterdir()):
        lines.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(HERE)}")
    (HERE / "MANIFEST_IMAGES.txt").write_text("\n".join(lines) + "\n")


main()
