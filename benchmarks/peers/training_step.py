"""One training step of CNN-DS (forward, Dice, backward, Adam) in PyTorch and TensorFlow, beside haema's.

    python training_step.py [--engines torch-fp32,torch-bf16,tensorflow-fp32,tensorflow-bf16,haema-fp32,haema-bf16]
                            [--threads 2] [--cores 0,1] [--steps 5] [--rounds 3] [--run-with 'chrt -f 10']

Each engine runs in a process of its own, pinned to the same cores, engine after engine, round after
round: A B C A B C. The network is written anew from the layer table of the paper (base 16, depth 4,
recommended profile, 64 x 128 x 128 [z, y, x], batch of one). haema's step is `haema bench --train`.
Engines that are not installed are passed over, aloud.
"""

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

SIZE = (64, 128, 128)
BASE, DEPTH, LEVELS = 16, 4, 3
SLOPE, EPS, DROPOUT, RATE = 0.01, 1e-5, 0.3, 1e-4
PARAMETERS = 2_055_043
ROOT = Path(__file__).resolve().parents[2]
ENGINES = ["haema-fp32", "haema-bf16", "torch-fp32", "torch-bf16", "tensorflow-fp32", "tensorflow-bf16"]


def example(numpy):
    index = numpy.arange(SIZE[0] * SIZE[1] * SIZE[2])
    image = ((index * 7919) % 101 / 101).astype("float32").reshape(SIZE)
    return image, (index % 128 > 80).astype("float32").reshape(SIZE)


def torch_step(threads, is_bf16):
    import numpy
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(threads)
    torch.manual_seed(1)

    class Block(nn.Sequential):
        def __init__(self, inputs, outputs, kernel=3, stride=1):
            super().__init__(
                nn.Conv3d(inputs, outputs, kernel, stride, padding=kernel // 2),
                nn.InstanceNorm3d(outputs, eps=EPS, affine=True),
                nn.LeakyReLU(SLOPE),
            )

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            n = [BASE << level for level in range(DEPTH)]
            first = [Block(n[level - 1] if level else 1, n[level], 3, 2 if level else 1) for level in range(DEPTH)]
            self.first = nn.ModuleList(first)
            self.second = nn.ModuleList(Block(c, c) for c in n)
            self.third = nn.ModuleList(Block(c, c) for c in n)
            self.drop = nn.Dropout3d(DROPOUT)
            self.up = nn.ModuleList(Block(n[level + 1], n[level]) for level in range(DEPTH - 1))
            self.wide = nn.ModuleList(Block(2 * c, c) for c in n[:-1])
            self.narrow = nn.ModuleList(Block(c, c, 1) for c in n[:-1])
            self.segment = nn.ModuleList(nn.Conv3d(c, 1, 1) for c in n[:LEVELS])

        def forward(self, x):
            skips = []
            for first, second, third in zip(self.first, self.second, self.third):
                x = first(x)
                x = x + third(self.drop(second(x)))
                skips.append(x)
            total = None
            for level in reversed(range(DEPTH - 1)):
                up = self.up[level](functional.interpolate(x, scale_factor=2, mode="nearest"))
                x = self.narrow[level](self.wide[level](torch.cat([skips[level], up], 1)))
                if level < LEVELS:
                    own = self.segment[level](x)
                    total = own if total is None else own + functional.interpolate(total, scale_factor=2)
            return total

    network = Network().train()
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE, eps=1e-7)
    image, target = (torch.from_numpy(values)[None, None] for values in example(numpy))

    def step():
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
            logits = network(image)
        p = torch.sigmoid(logits.float())
        dice = lambda g, q: (2 * (g * q).sum() + 1e-5) / (g.sum() + q.sum() + 1e-5)
        loss = -(dice(target, p) + dice(1 - target, 1 - p)) / 2
        loss.backward()
        optimiser.step()
        return float(loss)

    return step


def tensorflow_step(threads, is_bf16):
    import numpy
    import tensorflow as tf
    from tensorflow import keras
    from tensorflow.keras import layers

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(1)
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if is_bf16 else "float32")

    def block(x, outputs, kernel=3, stride=1):
        x = layers.Conv3D(outputs, kernel, stride, padding="same")(x)
        x = layers.GroupNormalization(groups=-1, epsilon=EPS)(x)
        return layers.LeakyReLU(negative_slope=SLOPE)(x)

    entry = x = keras.Input((*SIZE, 1), batch_size=1)
    skips = []
    for level in range(DEPTH):
        x = block(x, BASE << level, 3, 2 if level else 1)
        inner = layers.SpatialDropout3D(DROPOUT)(block(x, BASE << level))
        x = layers.Add()([x, block(inner, BASE << level)])
        skips.append(x)
    total = None
    for level in reversed(range(DEPTH - 1)):
        up = block(layers.UpSampling3D(2)(x), BASE << level)
        x = block(layers.Concatenate()([skips[level], up]), BASE << level)
        x = block(x, BASE << level, 1)
        if level < LEVELS:
            own = layers.Conv3D(1, 1)(x)
            total = own if total is None else layers.Add()([own, layers.UpSampling3D(2)(total)])
    network = keras.Model(entry, layers.Activation("linear", dtype="float32")(total))
    assert network.count_params() == PARAMETERS
    optimiser = keras.optimizers.Adam(RATE, epsilon=1e-7)
    optimiser.build(network.trainable_variables)
    image, target = (tf.constant(values[None, ..., None]) for values in example(numpy))

    @tf.function
    def graph():
        with tf.GradientTape() as tape:
            p = tf.sigmoid(network(image, training=True))
            dice = lambda g, q: (2 * tf.reduce_sum(g * q) + 1e-5) / (tf.reduce_sum(g) + tf.reduce_sum(q) + 1e-5)
            loss = -(dice(target, p) + dice(1 - target, 1 - p)) / 2
        optimiser.apply(tape.gradient(loss, network.trainable_variables))
        return loss

    return lambda: float(graph())


def work(engine, threads, steps):
    """One engine in this process: warm up, then time steps. Prints JSON."""
    library, precision = engine.split("-")
    make = torch_step if library == "torch" else tensorflow_step
    step = make(threads, precision == "bf16")
    losses = [step(), step()]
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - start)
    assert all(loss == loss for loss in losses), losses
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"ms": [1000 * s for s in seconds], "peak_rss_mb": peak}))


def haema(args, engine):
    size = ",".join(map(str, SIZE))
    line = [args.haema, "bench", "--train", "--size", size, "--threads", args.threads]
    line += ["--repeat", args.steps, "--precision", engine.split("-")[1], "--json"]
    report = json.loads(run([*pinned(args), *line]))
    return {"ms": [report["step_ms"]["median"]], "peak_rss_mb": report["peak_rss_mb"]}


def pinned(args):
    return [*args.run_with.split(), *(["taskset", "-c", args.cores] if args.cores else [])]


def run(line):
    ended = subprocess.run([str(word) for word in line], capture_output=True, text=True, cwd=ROOT)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(map(str, line))}\n{ended.stderr[-4000:]}")
    return ended.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cores", default="0,1", help="cores to pin every process to; empty: none")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run-with", default="", help="words before each timed process, such as 'chrt -f 10'")
    parser.add_argument("--haema", default=ROOT / "target/release/haema", help="the program")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work, args.threads, args.steps)
        return
    engines = []
    for engine in args.engines.split(","):
        library = engine.split("-")[0]
        if library == "haema" or importlib.util.find_spec(library):
            engines.append(engine)
        else:
            print(f"{engine} is passed over: {library} is not installed here")
    found = {engine: {"ms": [], "peak_rss_mb": 0.0} for engine in engines}
    for _ in range(args.rounds):
        for engine in engines:
            if engine.startswith("haema"):
                result = haema(args, engine)
            else:
                line = [*pinned(args), sys.executable, __file__, "--work", engine]
                line += ["--threads", args.threads, "--steps", args.steps]
                result = json.loads(run(line).splitlines()[-1])
            found[engine]["ms"] += result["ms"]
            found[engine]["peak_rss_mb"] = max(found[engine]["peak_rss_mb"], result["peak_rss_mb"])
    peers = [statistics.median(row["ms"]) for name, row in found.items() if not name.startswith("haema")]
    best = min(peers, default=None)
    print("| engine | step, median ms | of the best peer's | peak memory, MB |\n|---|---|---|---|")
    for name, row in found.items():
        median = statistics.median(row["ms"])
        ratio = f"{median / best:.2f}" if best else "–"
        print(f"| {name} | {median:.0f} | {ratio} | {row['peak_rss_mb']:.0f} |")


if __name__ == "__main__":
    main()
