"""Logits, loss, gradients and three training steps of small U-Nets, by PyTorch in double precision.

Run in an environment with the versions of MANIFEST.txt: `python make_golden.py`. Weights, input and
target come from a generator that the test repeats, so only results are stored.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

SIZE = (8, 16, 12)
BASE, LEVELS = 5, 3
RATE, EPSILON, STEPS = 0.01, 1e-3, 3
# ε of the normalisation, and the share of the old running mean that a step keeps.
EPS, KEPT = 1e-3, {"patch": 0.9, "slice": 0.99}


def numbers(seed, n):
    """Numerical Recipes' linear congruential generator, as numbers in -1..1."""
    state, out = seed, np.empty(n)
    for i in range(n):
        state = (1664525 * state + 1013904223) % 2**32
        out[i] = np.float32(state >> 8) / np.float32(1 << 23) - 1
    return out


class Net:
    """A U-Net whose parameters are made in the order in which haema stores them."""

    def __init__(self, kind):
        self.family = kind.split("_")[0]
        self.norm = kind in ("patch", "slice")
        self.nearest = kind == "slice_hssayeni"
        self.up_bias = kind != "patch"
        self.hidden = 2 if kind == "slice_hssayeni" else None
        self.p, self.stats, self.seed = {}, {}, 0
        patch = self.family == "patch"
        first = [BASE << level for level in range(LEVELS)]
        end = [2 * c if patch else c for c in first]
        side = (3, 3, 3) if patch else (1, 3, 3)
        two = (2, 2, 2) if patch else (1, 2, 2)
        for level in range(LEVELS):
            self.add(f"enc{level}.conv1", 1 if level == 0 else end[level - 1], first[level], side)
            self.add(f"enc{level}.conv2", first[level], end[level], side)
        for level in reversed(range(LEVELS - 1)):
            up = end[level + 1] if patch else end[level]
            self.add(f"dec{level}.up", end[level + 1], up, two, norm=False, bias=self.up_bias)
            self.add(f"dec{level}.conv1", up + end[level], end[level], side)
            self.add(f"dec{level}.conv2", end[level], end[level], side)
        last = end[0]
        if self.hidden:
            self.add("hidden", last, self.hidden, side, norm=False)
            last = self.hidden
        self.add("head", last, 1, (1, 1, 1), norm=False)

    def draw(self, shape, scale, offset=0.0):
        self.seed += 1
        values = offset + scale * numbers(self.seed, math.prod(shape)).reshape(shape)
        # The network under test holds single precision.
        return torch.tensor(values.astype(np.float32).astype(np.float64))

    def add(self, name, cin, cout, kernel, norm=True, bias=True):
        shape = (cout, cin, *kernel)
        self.p[f"{name}.conv.weight"] = self.draw(shape, math.sqrt(6 / math.prod(shape[1:])))
        if bias:
            self.p[f"{name}.conv.bias"] = self.draw((cout,), 0.1)
        if norm and self.norm:
            self.p[f"{name}.norm.gamma"] = self.draw((cout,), 0.1, 1.0)
            self.p[f"{name}.norm.beta"] = self.draw((cout,), 0.1)
            self.stats[f"{name}.norm.mean"] = self.draw((cout,), 0.1)
            self.stats[f"{name}.norm.variance"] = self.draw((cout,), 0.1, 1.0)

    def block(self, name, x, train):
        weight = self.p[f"{name}.conv.weight"]
        pad = [k // 2 for k in weight.shape[2:]]
        x = F.conv3d(x, weight, self.p[f"{name}.conv.bias"], padding=pad)
        if f"{name}.norm.gamma" in self.p:
            mean, variance = (self.stats[f"{name}.norm.{part}"] for part in ("mean", "variance"))
            gamma, beta = (self.p[f"{name}.norm.{part}"] for part in ("gamma", "beta"))
            momentum = 1 - KEPT[self.family]
            x = F.batch_norm(x, mean, variance, gamma, beta, train, momentum, EPS)
        return F.relu(x)

    def up(self, name, x):
        weight, bias = self.p[f"{name}.conv.weight"], self.p.get(f"{name}.conv.bias")
        if not self.nearest:
            stride = weight.shape[2:]
            return F.conv_transpose3d(x, weight.transpose(0, 1), bias, stride=stride)
        x = x.repeat_interleave(2, 3).repeat_interleave(2, 4)
        return F.relu(F.conv3d(F.pad(x, (0, 1, 0, 1)), weight, bias))

    def __call__(self, x, train):
        pool = (2, 2, 2) if self.family == "patch" else (1, 2, 2)
        skips = []
        for level in range(LEVELS):
            if level > 0:
                x = F.max_pool3d(x, pool)
            x = self.block(f"enc{level}.conv2", self.block(f"enc{level}.conv1", x, train), train)
            skips.append(x)
        for level in reversed(range(LEVELS - 1)):
            up = self.up(f"dec{level}.up", x)
            joined = [up, skips[level]] if self.family == "patch" else [skips[level], up]
            x = self.block(f"dec{level}.conv1", torch.cat(joined, 1), train)
            x = self.block(f"dec{level}.conv2", x, train)
        if self.hidden:
            x = self.block("hidden", x, train)
        return F.conv3d(x, self.p["head.conv.weight"], self.p["head.conv.bias"])


def dice(logits, g):
    prob, s = torch.sigmoid(logits), 1e-5
    d1 = 2 * ((g * prob).sum() + s / 2) / (g.sum() + prob.sum() + s)
    d0 = 2 * (((1 - g) * (1 - prob)).sum() + s / 2) / ((1 - g).sum() + (1 - prob).sum() + s)
    return -(d1 + d0) / 2


def summary(values):
    flat = values.detach().numpy().ravel()
    return {
        "first": flat[:4].tolist(),
        "norm": float(np.sqrt((flat**2).sum())),
        "projection": float((flat * numbers(77, flat.size)).sum()),
    }


def picked(logits):
    return [round(float(v), 7) for v in logits.detach().numpy().ravel()[::7]]


def golden(kind):
    net = Net(kind)
    x = torch.tensor((numbers(1000, math.prod(SIZE)) + 1) / 2).reshape(1, 1, *SIZE)
    g = torch.tensor((numbers(2000, math.prod(SIZE)) > 0.6).astype(float)).reshape(1, 1, *SIZE)
    if net.family == "slice":
        # Each slice is one of a batch.
        x, g = (v.reshape(SIZE[0], 1, 1, *SIZE[1:]) for v in (x, g))
    out = {"validation": picked(net(x, False)), "losses": []}
    moments = {name: [torch.zeros_like(v), torch.zeros_like(v)] for name, v in net.p.items()}
    for step in range(1, STEPS + 1):
        for value in net.p.values():
            value.requires_grad_(True)
            value.grad = None
        logits = net(x, True)
        loss = dice(logits, g)
        loss.backward()
        out["losses"].append(float(loss.detach()))
        if step == 1:
            out["training"] = picked(logits)
            out["gradient"] = {name: summary(v.grad) for name, v in net.p.items()}
        with torch.no_grad():
            for name, value in net.p.items():
                # Adam as Kingma and Ba write it before their last simplification, as Keras does.
                m, v = moments[name]
                m.mul_(0.9).add_(0.1 * value.grad)
                v.mul_(0.999).add_(0.001 * value.grad**2)
                rate = RATE * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                value -= rate * m / (v.sqrt() + EPSILON)
    out["parameters"] = {name: summary(v) for name, v in (net.p | net.stats).items()}
    out["after"] = picked(net(x, False))
    return out


def main():
    for kind in ("patch", "patch_ellisdg", "slice", "slice_hssayeni"):
        path = Path(__file__).parent / f"{kind}.expected.json"
        path.write_text(json.dumps(golden(kind)) + "\n")


main()
