"""Writes what the oracle measures into a folder: small data sets as npz files, and models as torch.nn.Sequential would name them.

    python3 data.py FOLDER
"""

import pathlib
import sys

import numpy as np

from network import Net, write_safetensors


SLOPE = 0.1  # of the networks that are written


def classes(random, inputs, labels, n, spread=1.0):
    """Gaussian classes; the first input is zero everywhere."""
    means = random.normal(size=(labels, inputs))

    def draw(count):
        y = random.integers(0, labels, count)
        y[0] = labels - 1  # the number of classes is known by the largest label
        x = means[y] + spread * random.normal(size=(count, inputs))
        x[:, 0] = 0
        return x.astype(np.float32), y.astype(np.int64)

    return draw(n), draw(50)


def line(random):
    """A noisy function of one variable."""
    out = []
    for n in (24, 30):
        x = np.sort(random.uniform(-1, 1, (n, 1)))
        out.append((x.astype(np.float32), (np.sin(3 * x) + 0.1 * random.normal(size=x.shape)).astype(np.float32)))
    return out


def perceptron(random, sizes, like=None, noise=0.0):
    """A network of linear layers 0, 2, 4, ..., drawn, or another one with noise."""
    out = {}
    for i, (rows, cols) in enumerate(zip(sizes[1:], sizes)):
        for kind, shape in (("weight", (rows, cols)), ("bias", (rows,))):
            name = f"{2 * i}.{kind}"
            drawn = random.normal(size=shape)
            out[name] = (like[name] + noise * drawn if like else drawn / np.sqrt(cols)).astype(np.float32)
    return out


def trained(tensors, x, y):
    """The network after gradient descent on all examples, so that there is something between two of them."""
    net = Net(tensors, SLOPE)
    p = net.flat(tensors)
    for _ in range(150):
        p = p - 0.3 * net.gradient(p, x.astype(np.float64), y)[0]
    return {name: net.get(p, name).astype(np.float32) for name in net.names}


def main(folder):
    random = np.random.default_rng(1)
    sets = {"small": classes(random, 6, 4, 60), "easy": classes(random, 6, 4, 60, 0.3), "wide": classes(random, 30, 24, 8), "line": line(random)}
    for name, (train, test) in sets.items():
        np.savez(folder / f"{name}-train.npz", x=train[0], y=train[1])
        np.savez(folder / f"{name}-test.npz", x=test[0], y=test[1])
    first = trained(perceptron(random, [6, 9, 9, 4]), *sets["easy"][0])
    near = perceptron(random, [6, 9, 9, 4], first, 0.2)
    near["2.weight"] = np.outer(near["2.weight"][0], near["2.weight"][1])  # of rank 1
    far = trained(perceptron(random, [6, 9, 9, 4]), *sets["easy"][0])
    write_safetensors(folder / "first.safetensors", first)
    write_safetensors(folder / "near.safetensors", dict(reversed(near.items())))
    write_safetensors(folder / "far.safetensors", far)


main(pathlib.Path(sys.argv[1]))
