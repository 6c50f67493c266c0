"""What numpy's singular value decomposition says about the weights of safetensors files, as JSON: the other side of numpy_test.go.

    python3 spectra.py exported.safetensors > exported.json

Each weight of two or more dimensions is an out x rest matrix in float64; ranks count the values above eps times the Frobenius
norm, for eps 0.001, 0.01 and 0.05.
"""

import json
import struct
import sys

import numpy as np


def tensors(path):
    """Yields the names and the values of a file's tensors, in its order."""
    with open(path, "rb") as f:
        data = f.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        assert info["dtype"] == "F32", info
        first, last = (8 + length + offset for offset in info["data_offsets"])
        yield name, np.frombuffer(data[first:last], "<f4").reshape(info["shape"])


def spectrum(weight):
    """Returns the singular values of a weight and what follows from them."""
    s = np.linalg.svd(weight.astype(np.float64).reshape(weight.shape[0], -1), compute_uv=False)
    norm = np.linalg.norm(s)
    q, p = (s / norm) ** 2, s / s.sum()
    return {
        "values": s.tolist(),
        "ranks": [int((s > eps * norm).sum()) for eps in (0.001, 0.01, 0.05)],
        "stable": float(norm**2 / s[0] ** 2),
        "effective": float(np.exp(-(q[q > 0] * np.log(q[q > 0])).sum())),
        "roy_vetterli": float(np.exp(-(p[p > 0] * np.log(p[p > 0])).sum())),
    }


def main():
    found = {name: spectrum(t) for path in sys.argv[1:] for name, t in tensors(path) if t.ndim >= 2}
    json.dump(found, sys.stdout, indent=1, sort_keys=True)
    print()


main()
