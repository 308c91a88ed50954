"""Writes one synthetic CT slice in every transfer syntax, and multi-frame CTs; what pydicom reads.

Run by hand, with the versions in MANIFEST.txt: python make_transfer_syntaxes.py

The head is a formula: no scanner and no person is behind it. Every file is one series of its own.
`expected.json` says what pydicom (with pylibjpeg, pyjpegls) reads from each file:

* `hu`: Hounsfield units, little-endian float32: pydicom's `apply_rescale` of the stored values,
  where padding, and whatever lies below -1024 HU, is set to -1024 (the reader's rule, not
  pydicom's);
* `tolerance_hu`: by how much another decoder may differ: 0 but for JPEG baseline and lossy JPEG
  2000, whose arithmetic the standards leave open to one stored value;
* `sop_instance_uid` and `position`, as they stand in the file: a test that needs a stack copies
  the slice and changes these two.

Files equal in content share their golden.
"""
import hashlib
import itertools
import json
import pathlib
import subprocess
import tempfile

import imagecodecs
import itk
import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import apply_rescale
from pydicom.sequence import Sequence

HERE = pathlib.Path(__file__).parent
PADDING = -2000
POSITION = "-125\\-94\\40"
numbers = itertools.count(1)


def new_uid():
    """2.25 and a number: always the same ones, so that the files do not change."""
    return f"2.25.7350{next(numbers):06d}"


def head_hu(shape, seed, bleed=True):
    """Air, a ring of bone, brain, a bleed; integers."""
    y, x = np.mgrid[:shape[0], :shape[1]]
    radius = np.hypot((x - shape[1] / 2) / (shape[1] * 0.40), (y - shape[0] / 2) / (shape[0] * 0.43))
    hu = np.full(shape, -1000.0)
    hu[radius < 1] = 1100
    hu[radius < 0.86] = 32
    if bleed:
        hu[np.hypot((x - shape[1] * 0.6) / 7, (y - shape[0] * 0.45) / 5) < 1] = 68
    hu += np.random.default_rng(seed).normal(0, 4, shape)
    return np.round(hu).astype(int)


def outside_field_of_view(shape):
    y, x = np.mgrid[:shape[0], :shape[1]]
    return np.hypot((x - shape[1] / 2) / shape[1], (y - shape[0] / 2) / shape[0]) > 0.56


# ---------------------------------------------------------------- one slice

def slice_dataset(stored, bits, signed, slope, intercept, padding=None):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid.CTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = new_uid()
    common_attributes(ds)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber, ds.SliceThickness, ds.KVP = 1, 5, 120
    ds.ImagePositionPatient, ds.ImageOrientationPatient = POSITION.split("\\"), [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [3.9, 3.9]
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = slope, intercept, "HU"
    pixel_attributes(ds, stored, bits, signed, padding)
    return ds


def common_attributes(ds):
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "", "", "", ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = new_uid(), new_uid(), new_uid()
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "", "", "", ""
    ds.Modality, ds.Manufacturer, ds.SeriesNumber, ds.AcquisitionNumber = "CT", "haema", 1, 1
    ds.BodyPartExamined, ds.PositionReferenceIndicator = "HEAD", ""


def pixel_attributes(ds, stored, bits, signed, padding):
    allocated = 16 if bits > 8 else 8
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = allocated, bits, bits - 1
    ds.PixelRepresentation = int(signed)
    if padding is not None:
        ds.add_new("PixelPaddingValue", "SS" if signed else "US", padding)
    kind = ("<i" if signed else "<u") + str(allocated // 8)
    ds.add_new("PixelData", "OW" if allocated == 16 else "OB", stored.astype(kind).tobytes())


def written(ds, path):
    """Saved, so that other programs can transcode it."""
    ds.save_as(path, enforce_file_format=True)
    return path


def by_pydicom(ds, syntax, **options):
    ds.compress(syntax, generate_instance_uid=False, **options)
    return ds


def by_program(ds, *command):
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/in.dcm", f"{folder}/out.dcm"
        written(ds, source)
        subprocess.run([*command, source, target], check=True)
        made = pydicom.dcmread(target)
        made.PixelData  # read now, the folder goes
    # DCMTK makes a UID from the machine and the time for a lossy image.
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    if "SourceImageSequence" in made:
        del made.SourceImageSequence
    return made


def by_openjph(ds):
    """HTJ2K lossless, through ITK's OpenJPH module."""
    frames = ds.pixel_array.reshape(-1, ds.Rows, ds.Columns)
    with tempfile.TemporaryDirectory() as folder:
        codestreams = []
        for frame in frames:
            image = itk.image_from_array(np.ascontiguousarray(frame))
            itk.imwrite(image, f"{folder}/frame.j2c", imageio=itk.OpenJPHImageIO.New())
            codestreams.append(pathlib.Path(f"{folder}/frame.j2c").read_bytes())
    return with_codestreams(ds, codestreams, uid.HTJ2KLossless)


def with_codestreams(ds, codestreams, syntax, **options):
    ds.PixelData = encapsulate(codestreams, **options)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def in_two_fragments(ds):
    """One frame in two fragments and an empty offset table, as some archives store it."""
    codestreams = list(generate_frames(ds.PixelData, number_of_frames=1))
    return with_codestreams(ds, codestreams, ds.file_meta.TransferSyntaxUID,
                            fragments_per_frame=2, has_bot=False)


def big_endian(ds):
    ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRBigEndian
    return ds


def with_syntax(ds, syntax):
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


# ---------------------------------------------------------------- enhanced multi-frame

def enhanced_dataset(stored, positions_mm, rescale):
    """`rescale`: (slope, intercept) of each frame, or one pair for all in the shared groups."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid.EnhancedCTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = new_uid()
    common_attributes(ds)
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.InstanceNumber, ds.NumberOfFrames = 1, len(positions_mm)
    shared = group(PixelMeasuresSequence=group(PixelSpacing=[7.5, 7.5], SliceThickness=5),
                   PlaneOrientationSequence=group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]))
    if len(rescale) == 1:
        shared.PixelValueTransformationSequence = Sequence([transformation(*rescale[0])])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for index, z in enumerate(positions_mm):
        frame = group(
            FrameContentSequence=group(
                StackID="1", InStackPositionNumber=int(sorted(positions_mm).index(z)) + 1,
                DimensionIndexValues=[1, int(sorted(positions_mm).index(z)) + 1]),
            PlanePositionSequence=group(ImagePositionPatient=[-120, -120, float(z)]))
        if len(rescale) > 1:
            frame.PixelValueTransformationSequence = Sequence([transformation(*rescale[index])])
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    pixel_attributes(ds, stored, 16, True, PADDING)
    return ds


def group(**attributes):
    ds = Dataset()
    for name, value in attributes.items():
        setattr(ds, name, Sequence([value]) if isinstance(value, Dataset) else value)
    return ds


def transformation(slope, intercept):
    return group(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU")


# ---------------------------------------------------------------- goldens

expected, goldens = {"slices": [], "enhanced": [], "refused": []}, {}


def golden(hu, name):
    raw = np.ascontiguousarray(hu.astype("<f4")).tobytes()
    file = goldens.setdefault(hashlib.sha256(raw).hexdigest(), name)
    (HERE / file).write_bytes(raw)
    return file


def to_hu(ds, stored, index=None):
    """pydicom's rescale; a multi-frame's comes from its functional groups, one frame at a time."""
    source = ds
    if "SharedFunctionalGroupsSequence" in ds:
        groups = ds.SharedFunctionalGroupsSequence[0]
        if "PixelValueTransformationSequence" not in groups:
            groups = ds.PerFrameFunctionalGroupsSequence[index]
        source = groups.PixelValueTransformationSequence[0]
    hu = apply_rescale(stored, source).astype(float)
    hu[stored == ds.get("PixelPaddingValue", 1 << 20)] = -1024
    return np.maximum(hu, -1024)


def entry(ds, name, tolerance):
    path = written(ds, HERE / f"{name}.dcm")
    read = pydicom.dcmread(path)
    stored = read.pixel_array
    if "SharedFunctionalGroupsSequence" in read:
        hu = np.stack([to_hu(read, frame, index) for index, frame in enumerate(stored)])
    else:
        hu = to_hu(read, stored)
    return {
        "file": path.name, "transfer_syntax": str(read.file_meta.TransferSyntaxUID),
        "rows": read.Rows, "columns": read.Columns, "hu": golden(hu, f"{name}.hu"),
        "tolerance_hu": tolerance * int(read.get("RescaleSlope", 1)),
    }, stored


def one(name, ds, tolerance=0, largest_loss=0, original=None):
    item, stored = entry(ds, name, tolerance)
    loss = np.abs(stored.astype(int) - (SIGNED if original is None else original)).max()
    assert loss <= largest_loss, (name, loss)
    item["sop_instance_uid"] = ds.SOPInstanceUID
    item["position"] = POSITION
    expected["slices"].append(item)


SHAPE = (48, 64)
HU = head_hu(SHAPE, seed=1)
SIGNED = np.where(outside_field_of_view(SHAPE), PADDING, HU + 1024)
UNSIGNED12 = np.clip(HU + 1024, 0, 4095)
UNSIGNED8 = np.clip((HU + 1024) // 9, 0, 255)


def signed():
    return slice_dataset(SIGNED, 16, True, 1, -1024, PADDING)


def unsigned12():
    return slice_dataset(UNSIGNED12, 12, False, 1, -1024)


one("implicit_little_endian", with_syntax(signed(), uid.ImplicitVRLittleEndian))
one("explicit_little_endian", signed())
one("explicit_big_endian", big_endian(signed()))
one("deflated", with_syntax(signed(), uid.DeflatedExplicitVRLittleEndian))
one("rle", by_pydicom(signed(), uid.RLELossless))
# Not by dcmcjpeg, which stretches the grey values of lossy images and drops their rescale.
one("jpeg_baseline", with_codestreams(
    slice_dataset(UNSIGNED8, 8, False, 9, -1024),
    [imagecodecs.jpeg8_encode(UNSIGNED8.astype("u1"), level=95)], uid.JPEGBaseline8Bit),
    1, 12, UNSIGNED8)
one("jpeg_lossless", by_program(signed(), "dcmcjpeg", "+el", "+sv", "6"))
one("jpeg_lossless_12bit", by_program(unsigned12(), "dcmcjpeg", "+el", "+sv", "4"), 0, 0, UNSIGNED12)
one("jpeg_lossless_sv1", by_program(signed(), "dcmcjpeg", "+e1"))
one("jpeg_ls_lossless", by_pydicom(signed(), uid.JPEGLSLossless))
one("jpeg_ls_lossless_12bit", by_pydicom(unsigned12(), uid.JPEGLSLossless), 0, 0, UNSIGNED12)
one("jpeg_ls_two_fragments", in_two_fragments(by_pydicom(signed(), uid.JPEGLSLossless)))
one("jpeg_ls_near", by_program(unsigned12(), "dcmcjpls", "+en", "+md", "3"), 0, 3, UNSIGNED12)
one("jpeg_2000_lossless", by_pydicom(signed(), uid.JPEG2000Lossless))
one("jpeg_2000_lossless_12bit", by_pydicom(unsigned12(), uid.JPEG2000Lossless), 0, 0, UNSIGNED12)
one("jpeg_2000", by_pydicom(signed(), uid.JPEG2000, j2k_psnr=[85]), 1, 25)
one("htj2k_lossless", by_openjph(signed()))
one("htj2k_lossless_12bit", by_openjph(unsigned12()), 0, 0, UNSIGNED12)

extended = by_program(unsigned12(), "dcmcjpeg", "+ee", "+bt")
written(extended, HERE / "jpeg_extended_12bit.dcm")
expected["refused"].append({
    "file": "jpeg_extended_12bit.dcm", "sop_instance_uid": extended.SOPInstanceUID,
    "transfer_syntax": str(extended.file_meta.TransferSyntaxUID), "position": POSITION})

# Frames lie in no order, and the gap changes from 5 to 7.5 mm: positions count, not frame numbers.
POSITIONS_MM = np.array([0, 5, 10, 15, 20, 25, 32.5, 40, 47.5, 55, 62.5, 70])
ORDER = [7, 2, 9, 0, 11, 4, 1, 10, 3, 8, 6, 5]
FRAME_SHAPE = (32, 32)
FRAMES = np.stack([
    np.where(outside_field_of_view(FRAME_SHAPE), PADDING,
             head_hu(FRAME_SHAPE, seed=100 + z, bleed=3 <= z <= 8) + 1024) for z in ORDER])
SHARED, PER_FRAME = [(1, -1024)], [(1 + 0.25 * (z % 3), -1024 - 8 * z) for z in ORDER]


def many(name, transcode=lambda ds: ds, rescale=SHARED):
    ds = transcode(enhanced_dataset(FRAMES, POSITIONS_MM[ORDER].tolist(), rescale))
    item, stored = entry(ds, name, 0)
    assert (stored == FRAMES).all(), name
    item["frame_z_mm"] = POSITIONS_MM[ORDER].tolist()
    expected["enhanced"].append(item)


many("enhanced_shared_rescale")
many("enhanced_per_frame_rescale", rescale=PER_FRAME)
many("enhanced_rle", lambda ds: by_pydicom(ds, uid.RLELossless))
many("enhanced_jpeg_lossless", lambda ds: by_program(ds, "dcmcjpeg", "+e1"))
many("enhanced_jpeg_ls", lambda ds: by_pydicom(ds, uid.JPEGLSLossless))
many("enhanced_jpeg_2000", lambda ds: by_pydicom(ds, uid.JPEG2000Lossless))
many("enhanced_htj2k", by_openjph)
many("enhanced_deflated", lambda ds: with_syntax(ds, uid.DeflatedExplicitVRLittleEndian))

(HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
versions = (f"pydicom {pydicom.__version__}, numpy {np.__version__}, pylibjpeg-libjpeg 2.5.0, "
            "pylibjpeg-openjpeg 2.6.0, pylibjpeg-rle 2.2.0, pyjpegls 1.5.1, "
            f"imagecodecs {imagecodecs.__version__}, itk-ioopenjph 1.3.0 (ITK {itk.Version.GetITKVersion()}), DCMTK 3.6.7")
sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
        for path in sorted(HERE.iterdir()) if path.suffix in (".dcm", ".hu", ".json")]
(HERE / "MANIFEST.txt").write_text("\n".join([versions, *sums]) + "\n")
