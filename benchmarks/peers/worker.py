"""One engine in a process of its own: times, peak memory, and what it says of every scan."""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import tensors
from engines import ENGINES


def peak_mb():
    """Of this program alone: what `getrusage` tells may be the parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeat", type=int, required=True)
    parser.add_argument("--save", help="write the probabilities of every scan to this .npz")
    parser.add_argument("scans", nargs="+")
    args = parser.parse_args()
    volumes = [np.ascontiguousarray(tensors.read(scan)["input"]) for scan in args.scans]
    run = ENGINES[args.engine](args.onnx, args.threads, args.folder)
    run(volumes[0])
    ms = []
    for _ in range(args.repeat):
        start = time.perf_counter()
        run(volumes[0])
        ms.append(1000 * (time.perf_counter() - start))
    peak = peak_mb()
    if args.save:
        np.savez(args.save, *[np.array(run(volume)) for volume in volumes])
    print(json.dumps({"ms": ms, "peak_rss_mb": peak}))


main()
