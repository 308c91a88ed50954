"""What ONNX Runtime makes of the ONNX files of haema.

    cargo test -p haema-methods write_the_files_for_onnx_runtime -- --ignored
    python make_golden.py

Run in an environment with the versions of MANIFEST.txt. Input and weights come from a generator that
the test repeats, so only checksums and results are stored.
"""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

SIZE = (8, 16, 12)


def numbers(seed, n):
    """Numerical Recipes' linear congruential generator, as numbers in -1..1."""
    state, out = seed, np.empty(n, np.float32)
    for i in range(n):
        state = (1664525 * state + 1013904223) % 2**32
        out[i] = np.float32(state >> 8) / np.float32(1 << 23) - 1
    return out


def main():
    folder = Path(tempfile.gettempdir()) / "haema-onnx-golden"
    volume = ((numbers(1000, int(np.prod(SIZE))) + 1) / 2).reshape(1, 1, *SIZE)
    golden = {}
    for file in sorted(folder.glob("*.onnx")):
        onnx.checker.check_model(str(file), full_check=True)
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        (probability,) = session.run(["probability"], {"input": volume})
        assert probability.shape == volume.shape, (file, probability.shape)
        golden[file.stem] = {
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "probability": [round(float(p), 7) for p in probability.ravel()[::7]],
        }
    assert golden, f"no files in {folder}: see the first lines of this script"
    (Path(__file__).parent / "expected.json").write_text(json.dumps(golden) + "\n")


main()
