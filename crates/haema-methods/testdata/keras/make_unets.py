"""Small U-Nets built with Keras, and what Keras says with them.

Run in an environment with the versions of MANIFEST.txt: `KERAS_BACKEND=jax python make_unets.py`.
Written from the description in methods.md C1 and C2.
"""

import json
from pathlib import Path

import keras
import numpy as np
from keras import layers
from make_golden import Names, numbers, write_safetensors

SIZE = (8, 16, 12)
LEVELS = 3
HERE = Path(__file__).parent


def network(is_patch):
    name = Names()
    base = 2 if is_patch else 3
    kind = "conv3d" if is_patch else "conv2d"
    conv = layers.Conv3D if is_patch else layers.Conv2D
    transposed = layers.Conv3DTranspose if is_patch else layers.Conv2DTranspose
    pool = layers.MaxPooling3D if is_patch else layers.MaxPooling2D

    def block(x, n):
        x = conv(n, 3, padding="same", name=name(kind))(x)
        x = layers.BatchNormalization(epsilon=1e-3, name=name("batch_normalization"))(x)
        return layers.ReLU()(x)

    inputs = x = keras.Input((*SIZE, 1) if is_patch else (*SIZE[1:], 1))
    skips = []
    for level in range(LEVELS):
        if level > 0:
            x = pool(2)(x)
        first = base * 2**level
        x = block(block(x, first), 2 * first if is_patch else first)
        skips.append(x)
    for level in reversed(range(LEVELS - 1)):
        n = skips[level].shape[-1]
        up = transposed(x.shape[-1] if is_patch else n, 2, strides=2, name=name(kind + "_transpose"))(x)
        x = layers.Concatenate()([up, skips[level]] if is_patch else [skips[level], up])
        x = block(block(x, n), n)
    if not is_patch:
        x = conv(2, 3, padding="same", activation="relu", name=name(kind))(x)
    return keras.Model(inputs, conv(1, 1, activation="sigmoid", name=name(kind))(x))


def main():
    expected = {}
    for file, is_patch in (("patch_unet", True), ("slice_unet", False)):
        model = network(is_patch)
        tensors = {}
        for seed, variable in enumerate(model.weights):
            layer, part = variable.path.split("/")[-2:]
            values = numbers(seed + 1, int(np.prod(variable.shape))).reshape(variable.shape)
            if part == "kernel":
                into = variable.shape[-1] if "transpose" in layer else variable.shape[-2]
                fan_in = np.prod(variable.shape[:-2]) * into
                values = values * np.float32((6 / fan_in) ** 0.5)
            elif part in ("gamma", "moving_variance"):
                values = 1 + np.float32(0.1) * values
            else:
                values = np.float32(0.1) * values
            variable.assign(values)
            tensors[f"{layer}/{part}"] = values
        volume = (numbers(1000, int(np.prod(SIZE))) + 1) / 2
        # Each slice is one of a batch.
        volume = volume.reshape((1, *SIZE, 1) if is_patch else (*SIZE, 1))
        probability = np.asarray(model(volume, training=False))
        write_safetensors(HERE / f"{file}.safetensors", tensors)
        expected[file] = [round(float(p), 7) for p in probability.ravel()[::7]]
        print(file, probability.min(), probability.max())
    (HERE / "unets.json").write_text(json.dumps(expected) + "\n")


main()
