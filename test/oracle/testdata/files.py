"""Computes again what `fedrelu analyze FILE... --data SPEC --json` says, from PAPERS.md 0.4, the files and the data.

    python3 files.py DATA SLOPE FILE... > numbers.json

DATA are the npz files DATA-train.npz and DATA-test.npz; SLOPE is that of the network's leaky ReLUs. All models count alike.
"""

import itertools
import json
import math
import pathlib
import sys

import numpy as np

import measures
from network import Net, read_safetensors

PROBE = EVALUATED = 1000


class Files:
    def __init__(self, data, slope, paths):
        self.names = [pathlib.Path(p).name for p in paths]
        tensors = [read_safetensors(p) for p in paths]
        self.net = Net(tensors[0], slope)
        self.models = [self.net.flat(t) for t in tensors]
        sets = [np.load(f"{data}-{part}.npz") for part in ("train", "test")]
        (self.x, self.y), (self.test_x, self.test_y) = ((d["x"].astype(np.float64), d["y"]) for d in sets)
        self.probe, self.labels = self.x[:PROBE], self.y[:PROBE]
        self.eval_x, self.eval_y = self.test_x[:EVALUATED], self.test_y[:EVALUATED]
        self.out = []
        for name, t in zip(self.names, tensors):
            self.say(name, "model_sha256", self.net.hash(t))

    def say(self, model, quantity, value, layer=None, other=None, scale=None, step=None):
        item = {"of": f"{model} and {other}" if other else model, "quantity": quantity, "layer": layer, "step": step, "scale": scale}
        if isinstance(value, tuple):
            value, item["low"], item["high"] = value
        self.out.append(item | {"value": value})

    def spectra(self, name, p):
        for layer in self.net.weights:
            s = measures.singular(self.net.get(p, layer))
            if not name.startswith("mean of"):
                for i, v in enumerate(s):
                    self.say(name, "spectrum", float(v), layer, scale=float(s[0]), step=i)
            self.say(name, "rank", measures.eps_rank(s, 0.001), layer)
            for eps in measures.EPSILONS:
                self.say(name, f"rank_{eps}", measures.eps_rank(s, eps), layer)
            for quantity, value in measures.spectrum(s).items():
                self.say(name, quantity + ("_norm" if quantity in ("frobenius", "spectral") else ""), value, layer)
            for k in (1, 5, 10):
                self.say(name, f"energy_{k}", measures.energy(s, k), layer)

    def model(self, name, p):
        """What is said of every model and of their average."""
        net = self.net
        self.say(name, "norm", float(np.linalg.norm(p)))
        self.say(name, "path_norm", measures.path_norm(net, p))
        for module in net.modules[1:-1]:
            w = net.get(p, module + ".weight")
            if w.shape[0] == w.shape[1] and not net.slope:
                off = w - np.eye(len(w))
                self.say(name, "identity_spectral", float(measures.singular(off)[0]), module)
                self.say(name, "identity_frobenius", float(np.linalg.norm(off)), module)
                self.say(name, "bias_norm", float(np.linalg.norm(net.get(p, module + ".bias"))), module)
        self.say(name, "gradient_norm", float(np.linalg.norm(net.gradient(p, self.probe, self.labels)[0])))
        for a, (width, dead, on) in measures.units(net, p, self.eval_x).items():
            self.say(name, "units", width, a)
            self.say(name, "dead", dead, a)
            self.say(name, "always_on", on, a)
        for a, value in measures.entropy(net, p, self.eval_x).items():
            self.say(name, "entropy", value, a)

    def scored(self, name, p):
        self.say(name, "test_loss", self.net.loss(p, self.test_x, self.test_y))
        self.say(name, "test_accuracy", self.net.accuracy(p, self.test_x, self.test_y))

    def pair(self, i, j):
        a, b = self.models[i], self.models[j]
        where = {"other": self.names[j]}
        distance = float(np.linalg.norm(a - b))
        self.say(self.names[i], "distance", distance, **where)
        self.say(self.names[i], "distance_rel", distance / math.sqrt(np.linalg.norm(a) * np.linalg.norm(b)), **where)
        self.say(self.names[i], "cosine", measures.cosine(a, b), scale=1.0, **where)
        rise, at, size = measures.barrier(self.net, a, b, self.eval_x, self.eval_y)
        self.say(self.names[i], "barrier", rise, scale=size, **where)
        self.say(self.names[i], "barrier_alpha", at, **where)

    def together(self):
        """M5 to M7 and M15 of all models beside their mean."""
        n = len(self.models)
        p, mean = np.full(n, 1 / n), np.mean(self.models, axis=0)
        here = [self.net.gradient(m, self.probe, self.labels)[0] for m in self.models]
        there = [self.net.gradient(mean, self.probe, self.labels)[0]] * n
        for quantity, value in measures.drift(p, self.models, mean, here, there).items():
            self.say("average", quantity.replace("cosine", "drift_cosine"), value, scale=1.0 if quantity == "cosine" else None)
        for name in self.net.weights:
            cut = self.net.slices[name]
            kappa = np.mean([np.linalg.norm(m[cut]) for m in self.models]) / np.linalg.norm(mean[cut])
            self.say("average", "cancellation", float(kappa), name)
        for a, value in measures.agreement(self.net, self.models, [self.eval_x]).items():
            self.say("average", "agreement", value, a)

    def measure(self):
        n = len(self.models)
        means = [(f"mean of {k}", np.mean(self.models[:k], axis=0)) for k in range(1, n + 1)]
        for name, p in list(zip(self.names, self.models)) + [("average", means[-1][1])]:
            self.model(name, p)
            self.spectra(name, p)
            self.scored(name, p)
        for name, p in means:
            self.spectra(name, p)
            self.scored(name, p)
        for i, j in itertools.combinations(range(n), 2):
            self.pair(i, j)
        self.together()
        return self.out


if __name__ == "__main__":
    json.dump(Files(sys.argv[1], float(sys.argv[2]), sys.argv[3:]).measure(), sys.stdout)
