"""Writes the lossless JPEG goldens: codestreams by DCMTK and GDCM, and the samples that went in.

Run by hand, with the versions in MANIFEST.txt: python make_jpeg_lossless.py

Every codestream is decoded by two other programs, libjpeg (by T. Richter, in pylibjpeg-libjpeg) and
GDCM, and both must give back the image. None of these encoders writes restart markers, so the few
codestreams that have them are written by the plain encoder below, and checked the same way.
"""
import hashlib
import json
import pathlib
import subprocess
import tempfile

import libjpeg
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(81)
Y, X = np.mgrid[:24, :32]


def head(bits):
    radius = np.hypot((X - 16) / 13.0, (Y - 12) / 10.0)
    hu = np.where(radius < 0.86, 35, np.where(radius < 1, 900, -1000))
    stored = hu + 1024 + np.round(rng.normal(0, 4, X.shape)).astype(int)
    return np.clip(stored if bits > 8 else stored // 9, 0, (1 << bits) - 1)


def noise(bits):
    return rng.integers(0, 1 << bits, (11, 13))


def dataset(image, bits):
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
    return ds


def by_program(image, bits, *command):
    with tempfile.TemporaryDirectory() as folder:
        dataset(image, bits).save_as(f"{folder}/in.dcm", enforce_file_format=True)
        subprocess.run([*command, f"{folder}/in.dcm", f"{folder}/out.dcm"], check=True)
        written = pydicom.dcmread(f"{folder}/out.dcm").PixelData
        return next(generate_frames(written, number_of_frames=1))


def with_restarts(image, bits, rows, predictor):
    """A plain encoder: one code of five bits for each size, restart markers after some rows."""
    height, width = image.shape
    # 17 codes of five bits: the sizes 0 to 16 in order.
    table = bytes([0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17))
    out = b"\xff\xd8\xff\xc3\0\x0b" + bytes([bits]) + height.to_bytes(2, "big")
    out += width.to_bytes(2, "big") + b"\x01\x01\x11\0"
    out += b"\xff\xc4" + (3 + len(table)).to_bytes(2, "big") + b"\0" + table
    out += b"\xff\xdd\0\x04" + (rows * width).to_bytes(2, "big")
    out += b"\xff\xda\0\x08\x01\x01\0" + bytes([predictor]) + b"\0\0"
    for start in range(0, height, rows):
        code = ""
        for y in range(start, min(start + rows, height)):
            for x in range(width):
                a = int(image[y, x - 1]) if x else None
                b = int(image[y - 1, x]) if y > start else None
                c = int(image[y - 1, x - 1]) if x and y > start else None
                if b is None:
                    guess = 1 << (bits - 1) if a is None else a
                elif a is None:
                    guess = b
                else:
                    guess = [a, b, c, a + b - c, a + ((b - c) >> 1), b + ((a - c) >> 1),
                             (a + b) >> 1][predictor - 1]
                difference = (int(image[y, x]) - guess + 32767) % 65536 - 32767
                size = abs(difference).bit_length()
                value = difference if difference > 0 else difference + (1 << size) - 1
                code += f"{size:05b}" + (f"{value:0{size}b}" if 0 < size < 16 else "")
        code += "1" * (-len(code) % 8)
        data = int(code, 2).to_bytes(len(code) // 8, "big").replace(b"\xff", b"\xff\0")
        if start:
            out += bytes([0xFF, 0xD0 + (start // rows - 1) % 8])
        out += data
    return out + b"\xff\xd9"


def by_gdcm(codestream, image, bits):
    ds = dataset(image, bits)
    ds.PixelData = encapsulate([codestream])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLossless
    return get_decoder(pydicom.uid.JPEGLossless).as_array(ds, decoding_plugin="gdcm")[0]


cases, images = [], {}


def golden(name, codestream, image, bits):
    for opinion in (libjpeg.decode(codestream), by_gdcm(codestream, image, bits)):
        assert (np.asarray(opinion).reshape(image.shape) == image).all(), name
    (HERE / f"{name}.ljpg").write_bytes(codestream)
    raw = image.astype("<u2").tobytes()
    file = images.setdefault(hashlib.sha256(raw).hexdigest(), f"{name}.u16le")
    (HERE / file).write_bytes(raw)
    cases.append({"name": name, "expected": file, "width": image.shape[1],
                  "height": image.shape[0],
                  # DCMTK encodes all allocated bits, not the stored ones.
                  "bits_per_sample": codestream[codestream.index(b"\xff\xc3") + 4]})


for bits in (8, 12, 16):
    picture, static = head(bits), noise(bits)
    for predictor in range(1, 8):
        command = ("dcmcjpeg", "+el", "+sv", str(predictor))
        golden(f"head_{bits}bit_predictor{predictor}", by_program(picture, bits, *command), picture, bits)
        golden(f"noise_{bits}bit_predictor{predictor}", by_program(static, bits, *command), static, bits)
    golden(f"gdcm_{bits}bit", by_program(picture, bits, "gdcmconv", "--jpeg"), picture, bits)
# Differences of 32 768, which have a size of their own.
extremes = rng.integers(0, 2, (11, 13)) * 32768 + rng.integers(0, 2, (11, 13))
golden("extremes", by_program(extremes, 16, "dcmcjpeg", "+e1"), extremes, 16)
for height, width in ((1, 1), (1, 9), (9, 1)):
    image = rng.integers(0, 4096, (height, width))
    golden(f"size_{width}x{height}", by_program(image, 12, "dcmcjpeg", "+e1"), image, 12)
for rows, predictor in ((1, 1), (5, 6), (24, 7)):
    picture = head(12)
    golden(f"restart_{rows}", with_restarts(picture, 12, rows, predictor), picture, 12)
golden("restart_16bit", with_restarts(extremes, 16, 2, 4), extremes, 16)

(HERE / "cases.json").write_text(json.dumps(cases, indent=0) + "\n")
versions = (f"DCMTK dcmcjpeg 3.6.7, GDCM gdcmconv 3.0.21, pydicom {pydicom.__version__}, python-gdcm "
            f"3.2.6, pylibjpeg-libjpeg {libjpeg.__version__}, numpy {np.__version__}")
sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
        for path in sorted(HERE.iterdir()) if path.suffix in (".ljpg", ".u16le", ".json")]
(HERE / "MANIFEST.txt").write_text("\n".join([versions, *sums]) + "\n")
