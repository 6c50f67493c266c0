# Writes the files of npz_test.go and of localsgd/shard/table_test.go with NumPy (made with 1.24):
#   python3 internal/npz/testdata/make.py
import csv
import hashlib
import pathlib

import numpy as np

here = pathlib.Path(__file__).parent
shard = here.parents[2] / "localsgd" / "shard" / "testdata"

kinds = {
    "f4": np.array([[0, -1.5], [3.25, 1e-40], [np.float32(1) / 3, 3.4028234e38]], "<f4"),
    "f8": np.array([1 / 3, -2.5e-300, 1e10, 16777217], "<f8"),
    "i4": np.array([-(2**31), 2**31 - 1, 7], "<i4"),
    "i8": np.array([[[-(2**63), 2**63 - 1]]], "<i8"),
    "u1": np.arange(256, dtype="|u1").reshape(2, 4, 32),
    "scalar": np.array(2.5, "<f4"),
    "empty": np.zeros((0, 3), "<f4"),
    "big_endian": np.array([1.0], ">f4"),
    "fortran": np.asfortranarray(np.ones((2, 3), "<f4")),
    "text": np.array(["a", "b"]),
    "record": np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")]),
    "beyond": np.array([0, 1e300], "<f8"),
    "digits": np.array([1, 16777217], "<i8"),
    "long": np.arange(20000, dtype="<i4"),
}
np.savez(here / "plain.npz", **kinds)
np.savez_compressed(here / "packed.npz", **kinds)
with open(here / "version2.npy", "wb") as f:
    np.lib.format.write_array(f, kinds["f4"], version=(2, 0))
with open(here / "version3.npy", "wb") as f:
    np.lib.format.write_array(f, kinds["f4"], version=(3, 0))

# One data set as npz and as csv: three features, class labels, and the user of each example.
draw = np.random.default_rng(1)
for name, n in (("train", 60), ("test", 20)):
    x = draw.normal(size=(n, 3)) * [1, 1e-3, 1e6]
    y = draw.integers(0, 3, n) if name == "test" else np.arange(n) % 3
    user = draw.integers(100, 105, n)
    np.savez_compressed(shard / f"{name}.npz", x=x, y=y, user=user, target=(x @ [1, 2, 3])[:, None])
    with open(shard / f"{name}.csv", "w", newline="") as f:
        rows = csv.writer(f, quoting=csv.QUOTE_NONNUMERIC)
        rows.writerow(["user", "first, in metres", 'so called "second"', "kind", "third"])
        for i in range(n):
            rows.writerow([f"user {user[i]}", x[i, 0], x[i, 1], ["cat", "dog", "emu"][y[i]], x[i, 2]])
    print(name, "x", hashlib.sha256(x.astype("<f4").tobytes()).hexdigest())
    print(name, "y", hashlib.sha256(y.astype("<i4").tobytes()).hexdigest())
    print(name, "user", hashlib.sha256((user - 100).astype("<i4").tobytes()).hexdigest())
