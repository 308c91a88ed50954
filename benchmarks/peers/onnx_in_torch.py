"""The exported ONNX file as a PyTorch module, operator by operator: PyTorch has no reader of its own."""

import numpy as np
import onnx
import torch
import torch.nn.functional as F


class Network(torch.nn.Module):
    def __init__(self, path, dtype=torch.float32):
        super().__init__()
        self.graph = onnx.load(path).graph
        self.dtype = dtype
        self.constants = {
            c.name: torch.from_numpy(onnx.numpy_helper.to_array(c).copy()).to(dtype)
            for c in self.graph.initializer
        }
        self.last_read = {}
        for i, node in enumerate(self.graph.node):
            for name in node.input:
                self.last_read[name] = i

    def forward(self, x):
        values = {"input": x.to(self.dtype)}
        for i, node in enumerate(self.graph.node):
            inputs = [values.get(n, self.constants.get(n)) for n in node.input]
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            values[node.output[0]] = OPERATORS[node.op_type](inputs, attributes)
            for name in node.input:
                if self.last_read[name] == i:
                    values.pop(name, None)
        return values["probability"]


def conv(inputs, a):
    x, weight, bias = inputs
    begins, ends = a["pads"][:3], a["pads"][3:]
    if begins == ends and x.dtype != torch.float64:
        return F.conv3d(x, weight, bias, a["strides"], begins)
    x = F.pad(x, [p for axis in (2, 1, 0) for p in (begins[axis], ends[axis])])
    if x.dtype != torch.float64:
        return F.conv3d(x, weight, bias, a["strides"])
    # In double precision PyTorch copies every patch: a few planes at a time, or it takes 8 GB.
    side, stride = a["kernel_shape"][0], a["strides"][0]
    planes = (x.shape[2] - side) // stride + 1
    parts = []
    for first in range(0, planes, 4):
        last = min(first + 4, planes) - 1
        slab = x[:, :, first * stride : last * stride + side]
        parts.append(F.conv3d(slab, weight, bias, a["strides"]))
    return torch.cat(parts, 2)


def resize(inputs, a):
    assert a["mode"] == b"nearest", a
    return F.interpolate(inputs[0], scale_factor=2, mode="nearest")


OPERATORS = {
    "Conv": conv,
    "InstanceNormalization": lambda i, a: F.instance_norm(
        i[0], weight=i[1], bias=i[2], eps=a["epsilon"]
    ),
    "LeakyRelu": lambda i, a: F.leaky_relu(i[0], a["alpha"]),
    "Relu": lambda i, a: F.relu(i[0]),
    "Add": lambda i, a: i[0] + i[1],
    "Sub": lambda i, a: i[0] - i[1],
    "Mul": lambda i, a: i[0] * i[1],
    "Div": lambda i, a: i[0] / i[1],
    "Sqrt": lambda i, a: torch.sqrt(i[0]),
    "ReduceMean": lambda i, a: i[0].mean(a["axes"], keepdim=True),
    "Concat": lambda i, a: torch.cat(i, a["axis"]),
    "Resize": resize,
    "Sigmoid": lambda i, a: torch.sigmoid(i[0]),
}


def reference(path, volume):
    """Probabilities in double precision."""
    with torch.inference_mode():
        return Network(path, torch.float64)(torch.from_numpy(volume)).numpy().astype(np.float64)
