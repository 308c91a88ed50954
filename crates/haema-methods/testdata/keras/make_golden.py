"""A small network of the paper's code family, built with Keras, and what Keras says with it.

Run in an environment with the versions of MANIFEST.txt: `KERAS_BACKEND=jax python make_golden.py`.
Written from the description in methods.md A.2 and A.3 with the layer order of ellisdg/3DUnetCNN's
isensee2017.py: for each level in, context 1, context 2; then for each level up, localisation 1, 2 and
the segmentation layer; InstanceNormalization as keras_contrib has it, epsilon added to the deviation.
"""

import json
import struct
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

SIZE = (8, 16, 12)
BASE, DEPTH, SEGMENTATION = 2, 3, 2
HERE = Path(__file__).parent


def numbers(seed, n):
    """Numerical Recipes' linear congruential generator, as numbers in -1..1."""
    state, out = seed, np.empty(n, np.float32)
    for i in range(n):
        state = (1664525 * state + 1013904223) % 2**32
        out[i] = np.float32(state >> 8) / np.float32(1 << 23) - 1
    return out


class InstanceNormalization(layers.Layer):
    def build(self, shape):
        self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(shape[-1],), initializer="zeros")

    def call(self, x):
        mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
        deviation = ops.std(x, axis=(1, 2, 3), keepdims=True)
        return (x - mean) / (deviation + 1e-3) * self.gamma + self.beta


class Names:
    """Names as Keras 2 gives them, from 1."""

    def __init__(self):
        self.counts = {}

    def __call__(self, kind):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}_{self.counts[kind]}"


def network():
    name = Names()

    def conv(x, n, kernel=3, stride=1):
        return layers.Conv3D(
            n, kernel, padding="same", strides=stride, name=name("conv3d")
        )(x)

    def block(x, n, kernel=3, stride=1):
        x = conv(x, n, kernel, stride)
        x = InstanceNormalization(name=name("instance_normalization"))(x)
        return layers.LeakyReLU(negative_slope=0.3)(x)

    inputs = x = keras.Input((*SIZE, 1))
    skips = []
    for level in range(DEPTH):
        n = BASE * 2**level
        first = block(x, n, stride=1 if level == 0 else 2)
        context = block(first, n)
        context = layers.SpatialDropout3D(0.3)(context)
        x = layers.Add()([first, block(context, n)])
        skips.append(x)
    heads = []
    for level in reversed(range(DEPTH - 1)):
        n = BASE * 2**level
        up = block(layers.UpSampling3D(2)(x), n)
        x = block(layers.Concatenate()([skips[level], up]), n)
        x = block(x, n, kernel=1)
        if level < SEGMENTATION:
            heads.append(conv(x, 1, kernel=1))
    out = heads[0]
    for head in heads[1:]:
        out = layers.Add()([layers.UpSampling3D(2)(out), head])
    return keras.Model(inputs, layers.Activation("sigmoid")(out))


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values, "<f4").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    model = network()
    tensors = {}
    for seed, variable in enumerate(model.weights):
        layer, part = variable.path.split("/")[-2:]
        values = numbers(seed + 1, int(np.prod(variable.shape))).reshape(variable.shape)
        if part == "kernel":
            values = values * np.float32((6 / np.prod(variable.shape[:-1])) ** 0.5)
        elif part == "gamma":
            values = 1 + np.float32(0.1) * values
        else:
            values = np.float32(0.1) * values
        variable.assign(values)
        tensors[f"{layer}/{part}"] = values
    volume = ((numbers(1000, int(np.prod(SIZE))) + 1) / 2).reshape(1, *SIZE, 1)
    probability = np.asarray(model(volume, training=False))
    write_safetensors(HERE / "small.safetensors", tensors)
    expected = [round(float(p), 7) for p in probability.ravel()[::7]]
    (HERE / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
