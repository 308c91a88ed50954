"""Runs haema and other engines in turn on the same network, inputs and cores. See run.sh."""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

import tensors
from engines import ENGINES, quantise

HERE = Path(__file__).parent
DATA = HERE.parents[2] / "shared/data/ct-ich"
#: Scans to calibrate int8 on, and as many others to compare answers on.
MOST_SCANS = 8


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--haema", required=True, help="the program")
    parser.add_argument("--work", required=True, help="folder for everything that is made")
    parser.add_argument("--model", help="model file [default: the built-in one]")
    parser.add_argument("--size", default="64,128,128", help="the network's grid, z,y,x")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cores", default="0,1", help="cores to pin every process to; empty: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=3, help="timed passes in each process")
    parser.add_argument("--engines", help="names of peers, separated by commas [default: all]")
    parser.add_argument("--precisions", default="fp32", help="of haema, separated by commas")
    parser.add_argument("--run-with", default="", help="words before each timed process, such as 'chrt -f 10'")
    parser.add_argument("--scans", nargs="*", help="head CT of yours [default: CT-ICH in ../shared, else a simulated head]")
    return parser.parse_args()


def pinned(args):
    return [*args.run_with.split(), *(["taskset", "-c", args.cores] if args.cores else [])]


def bench(args, *words):
    """`haema bench` on the network alone."""
    line = [args.haema, "bench", "--network-only", "--size", args.size, "--json"]
    line += ["--threads", str(args.threads), *(["--model", args.model] if args.model else [])]
    return line + list(words)


def run(line):
    ended = subprocess.run([str(word) for word in line], capture_output=True, text=True)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(map(str, line))}\n{ended.stderr[-4000:]}")
    return ended.stdout


def find_scans(args, work):
    """Paths of scans; none stands for the simulated head."""
    if args.scans:
        return [Path(scan) for scan in args.scans]
    if not DATA.is_dir():
        print("../shared/data/ct-ich is absent: a simulated head takes the place of real scans")
        return [None]
    dataset = work / "ct-ich"
    run([args.haema, "import", "ct-ich", DATA, dataset])
    return sorted((dataset / "imagesTr").glob("*.nii.gz"))[: 2 * MOST_SCANS]


def bring_to_grid(args, work, scans):
    files = []
    for i, scan in enumerate(scans):
        file = work / f"scan{i:02}.safetensors"
        run(bench(args, "--repeat", "1", "--save-tensors", file, *([scan] if scan else [])))
        files.append(file)
    return files


def jittered(volume):
    """A few variants of a volume, where there is only one to calibrate on."""
    for shift in (-3, 0, 4):
        for scale in (0.9, 1.0, 1.1):
            yield np.ascontiguousarray(np.roll(volume * np.float32(scale), shift, 4).clip(0, 1))


def agreement(found, reference):
    """Largest difference, share of voxels on the same side of 0.5, Dice of the masks at 0.5."""
    worst, same, shared, sizes, n = 0.0, 0, 0, 0, 0
    for a, b in zip(found, reference, strict=True):
        worst = max(worst, float(np.abs(a - b).max()))
        mask_a, mask_b = a > 0.5, b > 0.5
        same += int((mask_a == mask_b).sum())
        shared += int((mask_a & mask_b).sum())
        sizes += int(mask_a.sum() + mask_b.sum())
        n += mask_a.size
    dice = 2 * shared / sizes if sizes else None
    return {"max_abs_difference": worst, "voxels_agreeing": same / n, "dice": dice}


def time_haema(args, precision, files):
    report = json.loads(
        run([*pinned(args), *bench(args, "--precision", precision, "--repeat", args.repeat, *files[:1])])
    )
    spread = report["network_ms"]
    return {"ms": [spread["median"]], "peak_rss_mb": report["peak_rss_mb"]}


def time_peer(args, engine, onnx, work, files, save=None):
    line = [*pinned(args), sys.executable, HERE / "worker.py", "--engine", engine, "--onnx", onnx]
    line += ["--folder", work, "--threads", args.threads, "--repeat", args.repeat]
    line += ["--save", save] if save else []
    return json.loads(run([*line, *files]).splitlines()[-1])


def answers(args, precision, scans, work):
    """What haema says of every scan in a precision."""
    found = []
    for scan in scans:
        file = work / "answer.safetensors"
        words = ["--repeat", "1", "--precision", precision, "--save-tensors", file]
        run(bench(args, *words, *([scan] if scan else [])))
        found.append(tensors.read(file)["probability"])
    return found


def table(rows, haema):
    base = rows[haema]["median_ms"]
    yield f"| engine | median, ms | of {haema}'s time | peak memory, MB | largest difference | voxels agreeing | Dice |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in sorted(rows.items(), key=lambda item: item[1]["median_ms"]):
        dice = "–" if row["dice"] is None else f"{row['dice']:.5f}"
        yield (
            f"| {name} | {row['median_ms']:.0f} | {row['median_ms'] / base:.2f} | {row['peak_rss_mb']:.0f} "
            f"| {row['max_abs_difference']:.1e} | {row['voxels_agreeing']:.6f} | {dice} |"
        )


def main():
    args = arguments()
    work = Path(args.work)
    work.mkdir(parents=True, exist_ok=True)
    onnx = work / "network.onnx"
    model = ["--model", args.model] if args.model else []
    run([args.haema, "export", "onnx", "--out", onnx, "--size", args.size, *model])
    scans = find_scans(args, work)
    compared, calibration = scans[::2], scans[1::2]
    volumes = [tensors.read(file)["input"] for file in bring_to_grid(args, work, calibration)]
    files = bring_to_grid(args, work, compared)
    peers = args.engines.split(",") if args.engines else list(ENGINES)
    if "OpenVINO int8" in peers:
        quantise(str(onnx), str(work), volumes or list(jittered(tensors.read(files[0])["input"])))

    from onnx_in_torch import reference

    wanted = [reference(str(onnx), tensors.read(file)["input"]) for file in files]
    rows = {}
    for precision in args.precisions.split(","):
        found = answers(args, precision, compared, work)
        rows[f"haema {precision}"] = agreement(found, wanted) | {"ms": [], "peak_rss_mb": 0.0}
    for engine in peers:
        saved = work / "answers.npz"
        time_peer(args, engine, onnx, work, files, saved)
        with np.load(saved) as arrays:
            found = [arrays[name] for name in arrays.files]
        rows[engine] = agreement(found, wanted) | {"ms": [], "peak_rss_mb": 0.0}
    for number in range(args.rounds):
        for name, row in rows.items():
            of_haema = name.startswith("haema ")
            once = (
                time_haema(args, name.split()[1], compared if compared[0] else [])
                if of_haema
                else time_peer(args, name, onnx, work, files[:1])
            )
            row["ms"] += once["ms"]
            row["peak_rss_mb"] = max(row["peak_rss_mb"], once["peak_rss_mb"])
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    for row in rows.values():
        row["median_ms"] = statistics.median(row["ms"])
    what = f"{args.size} [z, y, x], {args.threads} threads, {len(compared)} scans, reference in double precision"
    text = "\n".join([what, "", *table(rows, f"haema {args.precisions.split(',')[0]}")])
    (work / "results.md").write_text(text + "\n")
    (work / "results.json").write_text(json.dumps({"what": what, "engines": rows}, indent=1) + "\n")
    print(text)


main()
