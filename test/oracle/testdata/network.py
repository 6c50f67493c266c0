"""A multilayer perceptron in float64, its files and its loss, written from the definitions of PAPERS.md and nothing else.

A model is one flat vector; a Net knows where its tensors lie, by the names of torch.nn.Sequential: linear layers 0, 2, 4, ..., and
between them the activations 1, 3, ...
"""

import hashlib
import json
import struct

import numpy as np


def read_safetensors(path):
    """Returns the tensors of a file by name, in the file's order."""
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    out = {}
    for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        assert info["dtype"] == "F32", info
        first, last = (8 + length + offset for offset in info["data_offsets"])
        out[name] = np.frombuffer(data[first:last], "<f4").reshape(info["shape"])
    return out


def write_safetensors(path, tensors):
    """Writes float32 tensors; what they are called is what the file has."""
    header, body = {}, b""
    for name, value in tensors.items():
        raw = np.ascontiguousarray(value, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


def state_dict_order(name):
    """Sorts names as torch's state_dict() has them: the layer's number, then weight before bias."""
    layer, kind = name.rsplit(".", 1)
    return [int(part) for part in layer.split(".")], ["weight", "bias"].index(kind)


class Net:
    """The network of a model's tensors: linear layers with activations between them."""

    def __init__(self, tensors, slope=0.0, loss="cross_entropy", smoothing=0.0):
        self.names = sorted(tensors, key=state_dict_order)
        self.shapes = {name: tensors[name].shape for name in self.names}
        self.slope, self.loss_name, self.smoothing = slope, loss, smoothing
        self.slices, at = {}, 0
        for name in self.names:
            size = int(np.prod(self.shapes[name]))
            self.slices[name] = slice(at, at + size)
            at += size
        self.size = at
        self.weights = [name for name in self.names if len(self.shapes[name]) >= 2]
        self.modules = [name.rsplit(".", 1)[0] for name in self.weights]
        self.activations = [str(int(m) + 1) for m in self.modules[:-1]]

    def flat(self, tensors):
        return np.concatenate([np.asarray(tensors[name], np.float64).ravel() for name in self.names])

    def get(self, p, name):
        return p[self.slices[name]].reshape(self.shapes[name])

    def of_module(self, p, module):
        """Returns the parameters of a module, weight and bias together."""
        return np.concatenate([p[self.slices[n]] for n in self.names if n.rsplit(".", 1)[0] == module])

    def hash(self, tensors):
        """SHA-256 over all float32 values, row-major and little-endian, in the order of state_dict()."""
        return hashlib.sha256(b"".join(np.ascontiguousarray(tensors[n], "<f4").tobytes() for n in self.names)).hexdigest()

    def linear(self, p, module, x):
        out = x @ self.get(p, module + ".weight").T
        return out + self.get(p, module + ".bias") if module + ".bias" in self.slices else out

    def forward(self, p, x):
        """Returns the outputs, the pre-activations, and the activations after them."""
        before, after, h = [], [], x
        for module in self.modules[:-1]:
            z = self.linear(p, module, h)
            h = np.where(z > 0, z, self.slope * z)
            before.append(z)
            after.append(h)
        return self.linear(p, self.modules[-1], h), before, after

    def targets(self, y, outputs):
        if np.issubdtype(y.dtype, np.floating):
            return y.reshape(len(y), -1)
        one_hot = np.eye(outputs)[y]
        return one_hot if self.loss_name == "mse" else (1 - self.smoothing) * one_hot + self.smoothing / outputs

    def error(self, out, y):
        """Returns the loss and its gradient at the outputs."""
        t = self.targets(y, out.shape[1])
        if self.loss_name == "mse":
            return np.mean((out - t) ** 2), 2 * (out - t) / out.size
        top = out.max(axis=1, keepdims=True)
        log_p = out - top - np.log(np.exp(out - top).sum(axis=1, keepdims=True))
        return -(t * log_p).sum() / len(out), (np.exp(log_p) - t) / len(out)

    def loss(self, p, x, y):
        return self.error(self.forward(p, x)[0], y)[0]

    def accuracy(self, p, x, y):
        return float(np.mean(self.forward(p, x)[0].argmax(axis=1) == y))

    def gradient(self, p, x, y):
        """Returns the gradient of the mean loss, and the loss."""
        out, before, after = self.forward(p, x)
        loss, delta = self.error(out, y)
        g = np.zeros(self.size)
        for i in range(len(self.modules) - 1, -1, -1):
            module = self.modules[i]
            g[self.slices[module + ".weight"]] = (delta.T @ (after[i - 1] if i else x)).ravel()
            if module + ".bias" in self.slices:
                g[self.slices[module + ".bias"]] = delta.sum(axis=0)
            if i:
                delta = (delta @ self.get(p, module + ".weight")) * np.where(before[i - 1] > 0, 1.0, self.slope)
        return g, loss
