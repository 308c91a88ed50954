"""Writes the JPEG-LS goldens: codestreams made by CharLS, and the samples CharLS reads from them.

Run by hand, with the versions in MANIFEST.txt: python make_jpeg_ls.py

CharLS is called through its C interface (ctypes), because no Python wrapper offers preset
parameters or comments. It is the library inside the `imagecodecs` wheel. It writes no restart
markers and no DNL or oversize dimensions; those codestreams are composed here from pieces that
it encoded, and count as goldens because CharLS itself decodes them to the image.

libjpeg (by T. Richter, in `pylibjpeg-libjpeg`), which shares no code with CharLS, decodes every
file as a second opinion; MANIFEST.txt names those where it does not agree, which are:
  maxval_15_of_12bit_defaults  it takes a threshold of 0 literally, not as "the default"
  oversize                     refused: it wants the LSE segment before the frame header
  late_height                  all right but the last two rows, which are garbage
CharLS 2.4.3 computes RANGE and LIMIT from the sample precision even where MAXVAL is another
(seen: libjpeg does not read what it writes for MAXVAL 3000), so files with MAXVAL are made from
files of that smaller precision, whose scan data are the same by the standard.
"""
import ctypes
import glob
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import tempfile

import imagecodecs
import libjpeg
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames

HERE = pathlib.Path(__file__).parent
LIBRARY = glob.glob(os.path.dirname(imagecodecs.__file__) + ".libs/libcharls-*")[0]
charls = ctypes.CDLL(LIBRARY)
for function in ("charls_jpegls_encoder_create", "charls_jpegls_decoder_create"):
    getattr(charls, function).restype = ctypes.c_void_p

NONE, LINE, SAMPLE = 0, 1, 2


class FrameInfo(ctypes.Structure):
    _fields_ = [("width", ctypes.c_uint32), ("height", ctypes.c_uint32),
                ("bits", ctypes.c_int32), ("components", ctypes.c_int32)]


class Presets(ctypes.Structure):
    _fields_ = [(n, ctypes.c_int32) for n in ("maxval", "t1", "t2", "t3", "reset")]


def check(code, what):
    if code:
        raise RuntimeError(f"{what}: CharLS error {code}")


def to_buffer(image, bits, interleave):
    """`[y, x]` or `[y, x, c]` to CharLS' layout: by plane for NONE, else by pixel."""
    typed = image.astype("<u1" if bits <= 8 else "<u2")
    if image.ndim == 3 and interleave == NONE:
        typed = np.moveaxis(typed, 2, 0)
    return np.ascontiguousarray(typed).tobytes()


def encode(image, bits, near=0, interleave=NONE, presets=None, comment=None):
    info = FrameInfo(image.shape[1], image.shape[0], bits, image.shape[2] if image.ndim == 3 else 1)
    encoder = ctypes.c_void_p(charls.charls_jpegls_encoder_create())
    check(charls.charls_jpegls_encoder_set_frame_info(encoder, ctypes.byref(info)), "frame")
    check(charls.charls_jpegls_encoder_set_near_lossless(encoder, near), "near")
    check(charls.charls_jpegls_encoder_set_interleave_mode(encoder, interleave), "interleave")
    if presets:
        check(charls.charls_jpegls_encoder_set_preset_coding_parameters(
            encoder, ctypes.byref(Presets(*presets))), "presets")
    source = to_buffer(image, bits, interleave)
    target = ctypes.create_string_buffer(len(source) * 2 + 4096)
    check(charls.charls_jpegls_encoder_set_destination_buffer(
        encoder, target, ctypes.c_size_t(len(target))), "target")
    if comment:
        check(charls.charls_jpegls_encoder_write_comment(
            encoder, comment, ctypes.c_size_t(len(comment))), "comment")
    check(charls.charls_jpegls_encoder_encode_from_buffer(
        encoder, source, ctypes.c_size_t(len(source)), 0), "encode")
    written = ctypes.c_size_t()
    check(charls.charls_jpegls_encoder_get_bytes_written(encoder, ctypes.byref(written)), "size")
    charls.charls_jpegls_encoder_destroy(encoder)
    return target.raw[:written.value]


def decode(codestream, shape):
    decoder = ctypes.c_void_p(charls.charls_jpegls_decoder_create())
    check(charls.charls_jpegls_decoder_set_source_buffer(
        decoder, codestream, ctypes.c_size_t(len(codestream))), "source")
    check(charls.charls_jpegls_decoder_read_header(decoder), "header")
    info, mode = FrameInfo(), ctypes.c_int32()
    check(charls.charls_jpegls_decoder_get_frame_info(decoder, ctypes.byref(info)), "frame")
    check(charls.charls_jpegls_decoder_get_interleave_mode(decoder, ctypes.byref(mode)), "mode")
    size = shape[0] * shape[1] * info.components * (1 if info.bits <= 8 else 2)
    target = ctypes.create_string_buffer(size)
    check(charls.charls_jpegls_decoder_decode_to_buffer(
        decoder, target, ctypes.c_size_t(size), 0), "decode")
    charls.charls_jpegls_decoder_destroy(decoder)
    flat = np.frombuffer(target.raw, "<u1" if info.bits <= 8 else "<u2")
    if info.components > 1 and mode.value == NONE:
        return np.moveaxis(flat.reshape((info.components, *shape[:2])), 0, 2)
    return flat.reshape(shape)


# ---------------------------------------------------------------- images

rng = np.random.default_rng(20141)
Y, X = np.mgrid[:40, :48]


def gradient(bits, shape=(20, 24)):
    y, x = np.mgrid[:shape[0], :shape[1]]
    return (x * 7 + y * 3) * ((1 << bits) - 1) // (7 * shape[1] + 3 * shape[0])


def noise(bits, shape=(20, 24)):
    return rng.integers(0, 1 << bits, shape)


def head(bits, seed=0):
    """A CT-like slice, in HU + 1024 as stored by scanners: air, bone ring, brain, a bleed."""
    radius = np.hypot((X - 24) / 19.0, (Y - 20) / 17.0)
    hu = np.full(X.shape, -1000.0)
    hu[radius < 1] = 900
    hu[radius < 0.88] = 35
    hu[np.hypot((X - 30) / 6.0, (Y - 17) / 4.0) < 1] = 70
    hu += np.where(radius < 1.05, np.random.default_rng(seed).normal(0, 4, X.shape), 0)
    stored = np.round(hu + 1024).astype(int)
    if bits == 8:
        stored = np.clip(np.round((hu + 20) * 255 / 120), 0, 255).astype(int)
    return np.clip(stored, 0, (1 << bits) - 1)


def signed_head():
    """HU themselves, two's complement in 16 bits, padding -2000: jumps at the sign's wrap."""
    stored = head(16) - 1024
    stored[np.hypot(X - 24, Y - 20) > 23] = -2000
    return stored & 0xFFFF


def colour(bits, components=3):
    scale = 1 << (bits - 8)
    planes = [head(8, seed) * scale + seed for seed in range(components)]
    return np.stack(planes, 2)[8:30, 4:40] % (1 << bits)


def blocks(bits):
    """Flat areas with sharp edges: runs of all lengths, and what ends them."""
    image = np.zeros((33, 70), int)
    for _ in range(14):
        y, x = rng.integers(0, 30), rng.integers(0, 60)
        image[y:y + rng.integers(1, 12), x:x + rng.integers(1, 40)] = rng.integers(0, 1 << bits)
    return image


# ---------------------------------------------------------------- codestreams put together

def scan_data(codestream):
    """The entropy-coded bytes of a codestream with one scan, and where they start."""
    at = codestream.index(b"\xff\xda")
    start = at + 2 + struct.unpack(">H", codestream[at + 2:at + 4])[0]
    return start, codestream[start:-2]


def with_restarts(image, bits, rows, byte_count=2, **options):
    """Each strip encoded alone starts as a restart does: nothing learnt, zeros above."""
    start, _ = scan_data(encode(image, bits, **options))
    head_bytes = encode(image, bits, **options)[:start]
    strips = [scan_data(encode(image[y:y + rows], bits, **options))[1]
              for y in range(0, image.shape[0], rows)]
    at = head_bytes.index(b"\xff\xda")
    interval = b"\xff\xdd" + struct.pack(">H", byte_count + 2) + rows.to_bytes(byte_count, "big")
    body = strips[0]
    for index, strip in enumerate(strips[1:]):
        body += bytes([0xFF, 0xD0 + index % 8]) + strip
    return head_bytes[:at] + interval + head_bytes[at:] + body + b"\xff\xd9"


def with_oversize(codestream):
    """Dimensions moved from the frame header to an LSE segment of type 4."""
    at = codestream.index(b"\xff\xf7") + 5
    height, width = struct.unpack(">HH", codestream[at:at + 4])
    end = at + 5 + 3 * codestream[at + 4]
    lse = b"\xff\xf8" + struct.pack(">HBB", 12, 4, 4) + struct.pack(">II", height, width)
    return codestream[:at] + b"\0\0\0\0" + codestream[at + 4:end] + lse + codestream[end:]


def with_maxval(codestream, precision, *presets):
    """A higher precision in the frame header, and the true MAXVAL in an LSE segment."""
    at = codestream.index(b"\xff\xf7")
    end = at + 2 + struct.unpack(">H", codestream[at + 2:at + 4])[0]
    lse = b"\xff\xf8" + struct.pack(">HB5H", 13, 1, *presets)
    scan = codestream.index(b"\xff\xda")
    return codestream[:at + 4] + bytes([precision]) + codestream[at + 5:end] + lse + codestream[scan:]


def with_late_height(codestream):
    """The height moved from the frame header to a DNL segment after the scan."""
    at = codestream.index(b"\xff\xf7") + 5
    height = codestream[at:at + 2]
    return codestream[:at] + b"\0\0" + codestream[at + 2:-2] + b"\xff\xdc\0\x04" + height + b"\xff\xd9"


def with_fill_bytes(codestream):
    """FF bytes before markers, which the standard allows."""
    for marker in (b"\xff\xf7", b"\xff\xda"):
        codestream = codestream.replace(marker, b"\xff\xff\xff" + marker, 1)
    return codestream[:-2] + b"\xff" + codestream[-2:]


def by_dcmtk(image, bits, *options):
    """The codestream DCMTK's dcmcjpls writes for the same samples."""
    with tempfile.TemporaryDirectory() as folder:
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
        ds.Rows, ds.Columns = image.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16 if bits > 8 else 8, bits, bits - 1
        ds.PixelRepresentation = 0
        pixels = image.astype("<u2" if bits > 8 else "u1").tobytes()
        ds.add_new(0x7FE00010, "OW" if bits > 8 else "OB", pixels + b"\0" * (len(pixels) % 2))
        ds.save_as(f"{folder}/in.dcm", enforce_file_format=True)
        subprocess.run(["dcmcjpls", *options, f"{folder}/in.dcm", f"{folder}/out.dcm"], check=True)
        written = pydicom.dcmread(f"{folder}/out.dcm").PixelData
        return next(generate_frames(written, number_of_frames=1))


# ---------------------------------------------------------------- cases

cases, images, disagreements = [], {}, []


def golden(name, codestream, image, bits, near=0, asked=True):
    """Stores a codestream with what CharLS decodes from it; equal images share one file."""
    decoded = np.asarray(decode(codestream, image.shape) if asked else image).astype(int)
    assert np.abs(decoded - image).max() <= near, name
    try:
        second = np.asarray(libjpeg.decode(codestream)).reshape(decoded.shape)
    except RuntimeError:
        second = -1
    if (second != decoded).any():
        disagreements.append(name)
    (HERE / f"{name}.jls").write_bytes(codestream)
    if (decoded == decoded.flat[0]).all():
        expected = {"constant": int(decoded.flat[0])}
    else:
        raw = decoded.astype("<u2").tobytes()
        file = images.setdefault(hashlib.sha256(raw).hexdigest(), f"{name}.u16le")
        (HERE / file).write_bytes(raw)
        expected = {"file": file}
    cases.append({"name": name, "expected": expected, "width": image.shape[1],
                  "height": image.shape[0], "components": image.shape[2] if image.ndim == 3 else 1,
                  "bits_per_sample": bits, "near": near})


def plain(name, image, bits, **options):
    golden(name, encode(image, bits, **options), image, bits, options.get("near", 0))


for bits in (8, 12, 16):
    for near in (0, 1, 2, 3, 10):
        plain(f"head_{bits}bit_near{near}", head(bits), bits, near=near)
    plain(f"gradient_{bits}bit", gradient(bits), bits)
    plain(f"noise_{bits}bit", noise(bits), bits)
    plain(f"noise_{bits}bit_near10", noise(bits), bits, near=10)
    plain(f"blocks_{bits}bit", blocks(bits), bits)
    plain(f"blocks_{bits}bit_near3", blocks(bits), bits, near=3)
for bits in (2, 3, 4, 5, 6, 7, 9, 10, 11, 13, 14, 15):
    plain(f"noise_{bits}bit", noise(bits, (13, 11)), bits)
    plain(f"blocks_{bits}bit", blocks(bits)[:16, :40], bits)
plain("noise_4bit_near7", noise(4, (13, 11)), 4, near=7)
plain("noise_8bit_near127", noise(8, (13, 11)), 8, near=127)
plain("signed_16bit", signed_head(), 16)
plain("signed_16bit_near2", signed_head(), 16, near=2)
plain("constant_0", np.zeros((17, 33), int), 12)
plain("constant_top", np.full((17, 33), 4095), 12)
plain("constant_wide", np.zeros((3, 65535), int), 8)
for height, width in ((1, 1), (1, 2), (1, 37), (29, 1), (7, 5), (2, 2)):
    plain(f"size_{width}x{height}", noise(12, (height, width)), 12)
plain("size_1x1_16bit_near10", noise(16, (1, 1)), 16, near=10)

# MAXVAL, T1, T2, T3, RESET; 0 asks for the default.
for name, image, bits, near, presets in (
    ("presets_thresholds", head(12), 12, 0, (4095, 5, 40, 300, 64)),
    ("presets_reset_3", head(12), 12, 0, (4095, 18, 67, 276, 3)),
    ("presets_reset_255", head(8), 8, 0, (255, 3, 7, 21, 255)),
    ("presets_reset_4095", head(12), 12, 0, (4095, 18, 67, 276, 4095)),
    ("presets_equal_thresholds", head(12), 12, 0, (4095, 30, 30, 30, 20)),
    ("presets_wide_thresholds", noise(16), 16, 0, (65535, 1000, 20000, 60000, 31)),
):
    plain(name, image, bits, near=near, presets=presets)
for name, image, bits, near, thresholds in (
    ("maxval_255_of_12bit", head(8), 8, 0, (3, 7, 21)),
    ("maxval_255_of_12bit_near3", head(8), 8, 3, (12, 22, 42)),
    ("maxval_2047_of_16bit_near2", np.minimum(head(12), 2047), 11, 2, (16, 45, 151)),
    ("maxval_15_of_12bit", noise(4, (13, 11)), 4, 0, (2, 3, 4)),
    ("maxval_15_of_12bit_defaults", noise(4, (13, 11)), 4, 0, (0, 0, 0)),
):
    precision = 16 if "16bit" in name else 12
    plainly = encode(image, bits, near=near)
    presets = ((1 << bits) - 1, *thresholds, 64 if thresholds[0] else 0)
    golden(name, with_maxval(plainly, precision, *presets), decode(plainly, image.shape), precision,
           near, asked=False)

flat = np.repeat(blocks(8)[:, :36, None] // 4, 3, 2) + np.array([0, 1, 60])
for name, interleave in (("none", NONE), ("line", LINE), ("sample", SAMPLE)):
    plain(f"rgb_{name}", colour(8), 8, interleave=interleave)
    plain(f"rgb_{name}_near2", colour(8), 8, near=2, interleave=interleave)
    plain(f"rgb_{name}_16bit", colour(16), 16, interleave=interleave)
    plain(f"rgb_{name}_blocks", flat, 8, interleave=interleave)
for name, interleave in (("none", NONE), ("line", LINE), ("sample", SAMPLE)):
    plain(f"four_components_{name}", colour(8, 4), 8, interleave=interleave)
plain("two_components_none", colour(8, 2), 8)

commented = encode(head(12), 12, comment=b"a comment, and \xff\xd9 inside it\0")
golden("comment_and_fill_bytes", with_fill_bytes(commented), head(12), 12)
for rows in (1, 7):
    golden(f"restart_{rows}", with_restarts(head(12), 12, rows), head(12), 12)
golden("restart_4_bytes", with_restarts(head(12), 12, 9, byte_count=4), head(12), 12)
golden("restart_near3", with_restarts(gradient(8, (40, 30)), 8, 4, near=3), gradient(8, (40, 30)), 8, 3)
for name, interleave in (("line", LINE), ("sample", SAMPLE)):
    golden(f"restart_rgb_{name}", with_restarts(colour(8), 8, 5, interleave=interleave), colour(8), 8)
golden("restart_longer_than_image", with_restarts(head(8), 8, 100), head(8), 8)

golden("oversize", with_oversize(encode(head(12), 12)), head(12), 12)
# CharLS 2.4.3 refuses a height of 0; the change is in the header alone.
golden("late_height", with_late_height(encode(head(12), 12)), head(12), 12, asked=False)

# In its default, lossless "raw" mode DCMTK encodes all 16 bits.
for name, image, bits, near, options in (
    ("dcmtk_raw", head(12), 16, 0, ["+el"]),
    ("dcmtk_cooked", head(12), 12, 0, ["+el", "+pc"]),
    ("dcmtk_16bit", signed_head(), 16, 0, ["+el"]),
    ("dcmtk_8bit", head(8), 8, 0, ["+el"]),
    ("dcmtk_near2", head(12), 12, 2, ["+en", "+md", "2"]),
    ("dcmtk_presets", head(12), 16, 0,
     ["+el", "+t1", "5", "+t2", "40", "+t3", "300", "+rs", "31"]),
):
    golden(name, by_dcmtk(image, bits, *options), image, bits, near)

(HERE / "cases.json").write_text(json.dumps(cases, indent=0) + "\n")
versions = (f"imagecodecs {imagecodecs.__version__} (CharLS {LIBRARY.rsplit('.so.', 1)[1]}), "
            f"numpy {np.__version__}, pydicom {pydicom.__version__}, DCMTK dcmcjpls 3.6.7")
versions += f", pylibjpeg-libjpeg {libjpeg.__version__}"
second = f"libjpeg disagrees: {', '.join(disagreements) or 'nowhere'}"
sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
        for path in sorted(HERE.iterdir()) if path.suffix in (".jls", ".u16le", ".json")]
(HERE / "MANIFEST.txt").write_text("\n".join([versions, second, *sums]) + "\n")
