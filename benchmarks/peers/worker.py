"""One engine in a process of its own: times, peak memory, and what it says of every scan."""

import argparse
import json
import resource
import time

import numpy as np

import tensors
from engines import ENGINES


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
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    if args.save:
        np.savez(args.save, *[np.array(run(volume)) for volume in volumes])
    print(json.dumps({"ms": ms, "peak_rss_mb": peak_mb}))


main()
