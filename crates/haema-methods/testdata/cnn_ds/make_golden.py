"""Logits, loss and gradients of a small CNN-DS, computed by JAX in double precision.

Run in an environment with the versions of MANIFEST.txt: `python make_golden.py`. Weights, input and
target come from a generator that the test repeats, so only results are stored.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

SIZE = (8, 16, 12)
BASE, DEPTH, LEVELS = 5, 3, 2


def numbers(seed, n):
    """Numerical Recipes' linear congruential generator, as numbers in -1..1."""
    state, out = seed, np.empty(n)
    for i in range(n):
        state = (1664525 * state + 1013904223) % 2**32
        out[i] = np.float32(state >> 8) / np.float32(1 << 23) - 1
    return out


def conv(x, w, b, stride, pad):
    dims = jax.lax.conv_dimension_numbers(x.shape, w.shape, ("NCDHW", "OIDHW", "NCDHW"))
    y = jax.lax.conv_general_dilated(x, w, (stride,) * 3, [pad] * 3, dimension_numbers=dims)
    return y + b[None, :, None, None, None]


def upsample(x):
    for axis in (2, 3, 4):
        x = jnp.repeat(x, 2, axis)
    return x


def network(p, x, profile):
    slope = 0.3 if profile == "paper" else 0.01
    down = (0, 1) if profile == "paper" else (1, 1)

    def block(name, x, kernel=3, stride=1, pad=(1, 1)):
        pad = (0, 0) if kernel == 1 else pad
        y = conv(x, p[f"{name}.conv.weight"], p[f"{name}.conv.bias"], stride, pad)
        mean = y.mean((2, 3, 4), keepdims=True)
        var = ((y - mean) ** 2).mean((2, 3, 4), keepdims=True)
        s = jnp.sqrt(var) + 1e-3 if profile == "paper" else jnp.sqrt(var + 1e-5)
        shape = (1, -1, 1, 1, 1)
        y = p[f"{name}.norm.gamma"].reshape(shape) * (y - mean) / s
        y = y + p[f"{name}.norm.beta"].reshape(shape)
        return jnp.where(y > 0, y, slope * y)

    skips = []
    for level in range(DEPTH):
        stride, pad = (1, (1, 1)) if level == 0 else (2, down)
        first = block(f"enc{level}.in", x, stride=stride, pad=pad)
        x = first + block(f"enc{level}.ctx2", block(f"enc{level}.ctx1", first))
        skips.append(x)
    segs = {}
    for level in reversed(range(DEPTH - 1)):
        up = block(f"dec{level}.upconv", upsample(x))
        x = block(f"dec{level}.loc1", jnp.concatenate([skips[level], up], 1))
        x = block(f"dec{level}.loc2", x, kernel=1)
        if level < LEVELS:
            w, b = p[f"seg{level}.conv.weight"], p[f"seg{level}.conv.bias"]
            pad = (1, 1) if profile == "paper" else (0, 0)
            segs[level] = conv(x, w, b, 1, pad)
    out = segs[LEVELS - 1]
    for level in reversed(range(LEVELS - 1)):
        out = upsample(out) + segs[level]
    return out


def dice(logits, g):
    prob, s = jax.nn.sigmoid(logits), 1e-5
    d1 = 2 * ((g * prob).sum() + s / 2) / (g.sum() + prob.sum() + s)
    d0 = 2 * (((1 - g) * (1 - prob)).sum() + s / 2) / ((1 - g).sum() + (1 - prob).sum() + s)
    return -(d1 + d0) / 2


def names(profile):
    """Names and shapes in the order of haema's parameters."""
    out = []

    def add(name, cin, cout, k, norm=True):
        out.append((f"{name}.conv.weight", (cout, cin, k, k, k)))
        out.append((f"{name}.conv.bias", (cout,)))
        if norm:
            out.append((f"{name}.norm.gamma", (cout,)))
            out.append((f"{name}.norm.beta", (cout,)))

    ch = [BASE << level for level in range(DEPTH)]
    for level in range(DEPTH):
        add(f"enc{level}.in", 1 if level == 0 else ch[level - 1], ch[level], 3)
        add(f"enc{level}.ctx1", ch[level], ch[level], 3)
        add(f"enc{level}.ctx2", ch[level], ch[level], 3)
    for level in reversed(range(DEPTH - 1)):
        add(f"dec{level}.upconv", ch[level + 1], ch[level], 3)
        add(f"dec{level}.loc1", 2 * ch[level], ch[level], 3)
        add(f"dec{level}.loc2", ch[level], ch[level], 1)
        if level < LEVELS:
            add(f"seg{level}", ch[level], 1, 3 if profile == "paper" else 1, norm=False)
    return out


def golden(profile):
    params, seed = {}, 1
    for name, shape in names(profile):
        values = numbers(seed, math.prod(shape)).reshape(shape)
        seed += 1
        if name.endswith("conv.weight"):
            values *= math.sqrt(3 * 2 / math.prod(shape[1:]))
        elif name.endswith("gamma"):
            values = 1 + 0.1 * values
        else:
            values *= 0.1
        # The network under test holds single precision.
        params[name] = jnp.asarray(values.astype(np.float32).astype(np.float64))
    x = (numbers(1000, math.prod(SIZE)) + 1) / 2
    g = (numbers(2000, math.prod(SIZE)) > 0.6).astype(float)
    x, g = (jnp.asarray(v.reshape((1, 1) + SIZE)) for v in (x, g))
    loss, grad = jax.value_and_grad(lambda p: dice(network(p, x, profile), g))(params)
    logits = network(params, x, profile)
    rows = {}
    for name, shape in names(profile):
        flat = np.asarray(grad[name]).ravel()
        rows[name] = {
            "first": flat[:4].tolist(),
            "norm": float(np.sqrt((flat**2).sum())),
            "projection": float((flat * numbers(77, flat.size)).sum()),
        }
    return {
        "loss": float(loss),
        "logits": [round(float(v), 7) for v in np.asarray(logits).ravel()[::7]],
        "gradient": rows,
    }


if __name__ == "__main__":
    for profile in ("paper", "recommended"):
        path = Path(__file__).with_name(f"{profile}.expected.json")
        path.write_text(json.dumps(golden(profile), indent=1) + "\n")
