"""Computes again what `fedrelu analyze FILE... --data SPEC --start FILE --json` says, from PAPERS.md 0.4, the files and the data; the first file is
also the --start of all.

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
        self.out, self.rises = [], []
        for name, t in zip(self.names, tensors):
            self.say(name, "model_sha256", self.net.hash(t))

    def say(self, model, quantity, value, layer=None, other=None, scale=None, step=None):
        item = {"of": f"{model} and {other}" if other else model, "quantity": quantity, "layer": layer, "step": step, "scale": scale}
        if isinstance(value, tuple):
            value, item["low"], item["high"] = value
        self.out.append(item | {"value": value})

    def spectra(self, name, p):
        means = []
        for layer in self.net.weights:
            s = measures.singular(self.net.get(p, layer))
            if not name.startswith("mean of"):
                for i, v in enumerate(s):
                    self.say(name, "spectrum", float(v), layer, scale=float(s[0]), step=i)
            found = {"rank": measures.eps_rank(s, 0.001)} | {f"rank.{eps}": measures.eps_rank(s, eps) for eps in measures.EPSILONS}
            found |= measures.spectrum(s)
            for quantity, value in found.items():
                self.say(name, quantity, value, layer)
            for k in (1, 2, 3, 4, 5, 10):
                self.say(name, f"energy.{k}", measures.energy(s, k), layer)
            means.append(found)
        for quantity in ("rank", *(f"rank.{eps}" for eps in measures.EPSILONS), "stable_rank", "effective_rank"):
            values = np.array([m[quantity] for m in means[:-1]], float)
            self.say(name, quantity, tuple(values.mean(axis=0).tolist()) if values.ndim > 1 else float(values.mean()))

    def model(self, name, p):
        """What is said of every model and of their average."""
        net = self.net
        self.say(name, "norm", float(np.linalg.norm(p)))
        self.say(name, "path_norm", measures.path_norm(net, p))
        self.identity(name, p)
        self.say(name, "gradient_norm", float(np.linalg.norm(net.gradient(p, self.probe, self.labels)[0])))
        for a, (width, dead, on) in measures.units(net, p, self.eval_x).items():
            self.say(name, "units", width, a)
            self.say(name, "units.dead", dead, a)
            self.say(name, "units.always_on", on, a)
        for a, value in measures.entropy(net, p, self.eval_x).items():
            self.say(name, "entropy", value, a)
        dead = np.flatnonzero(~(self.x != 0).any(axis=0))
        self.say(name, "zero_inputs", len(dead))
        self.say(name, "zero_inputs.norm", float(np.linalg.norm(net.get(p, net.weights[0])[:, dead])), net.weights[0])

    def identity(self, name, p):
        net, sums = self.net, [0.0, 0.0]
        after = net.forward(p, self.eval_x)[2]
        for i, module in enumerate(net.modules[1:-1], 1):
            before = np.linalg.norm(after[i - 1], axis=1)
            if before.all():
                self.say(name, "movement", float(np.mean(np.linalg.norm(after[i] - after[i - 1], axis=1) / before)), net.activations[i])
            if net.slope:
                continue
            off = net.get(p, module + ".weight") - np.eye(len(net.get(p, module + ".bias")))
            found = [float(measures.singular(off)[0]), float(np.linalg.norm(net.get(p, module + ".bias")))]
            self.say(name, "identity.spectral", found[0], module)
            self.say(name, "identity.frobenius", float(np.linalg.norm(off)), module)
            self.say(name, "bias_norm", found[1], module)
            sums = [a + b for a, b in zip(sums, found)]
        if not net.slope:
            self.say(name, "identity.sum", sums[0])
            self.say(name, "bias_norm.sum", sums[1])

    def scored(self, name, p):
        self.say(name, "test_loss", self.net.loss(p, self.test_x, self.test_y))
        self.say(name, "test_accuracy", self.net.accuracy(p, self.test_x, self.test_y))

    def pair(self, i, j):
        a, b = self.models[i], self.models[j]
        where = {"other": self.names[j]}
        distance = float(np.linalg.norm(a - b))
        self.say(self.names[i], "distance", distance, **where)
        self.say(self.names[i], "distance_rel", distance / math.sqrt(np.linalg.norm(a) * np.linalg.norm(b)), **where)
        self.say(self.names[i], "params_cosine", measures.cosine(a, b), scale=1.0, **where)
        rise, at, size = measures.barrier(self.net, a, b, self.eval_x, self.eval_y)
        self.say(self.names[i], "barrier", rise, scale=size, **where)
        self.say(self.names[i], "barrier.alpha", at, **where)
        self.rises.append((rise, size))
        for activation, value in measures.flips(self.net, [1.0], [b], a, [self.probe]).items():
            self.say(self.names[i], "flips", value, activation, **where)

    def movement(self, name, before, after, **where):
        """M14 of two models, one after the other."""
        relative = []
        for layer in self.net.weights:
            cut = self.net.slices[layer]
            relative.append(float(np.linalg.norm(after[cut] - before[cut]) / np.linalg.norm(before[cut])))
            self.say(name, "round_rel", relative[-1], layer, **where)
        self.say(name, "round_rel", float(np.linalg.norm(after - before) / np.linalg.norm(before)), **where)
        self.say(name, "dist", float(np.mean(relative)), **where)

    def sequence(self):
        for i in range(1, len(self.models)):
            a, b = self.models[i - 1 : i + 1]
            self.movement(self.names[i - 1], a, b, other=self.names[i])
            if i > 1:
                self.say(self.names[i - 1], "update.turn", measures.cosine(a - self.models[i - 2], b - a), scale=1.0)

    def updates(self, start):
        """What models are beside each other as seen from the start."""
        d = [m - start for m in self.models]
        mean = np.mean(d, axis=0)
        norms, cosines = np.array([np.linalg.norm(u) for u in d]), [measures.cosine(u, mean) for u in d]
        for name, model, norm, cosine in zip(self.names + ["average"], self.models + [start + mean], [*norms, np.linalg.norm(mean)], cosines + [None]):
            self.movement(name, start, model)
            self.say(name, "update.norm", float(norm))
            if cosine is not None:
                self.say(name, "update.cosine", cosine, scale=1.0)
        self.say("average", "update.cosine", float(np.mean([c for c in cosines if c is not None])), scale=1.0)
        self.say("average", "update.diversity", float(np.mean(norms**2) / (mean @ mean)))
        self.say("average", "update.norm_ratio", float(np.linalg.norm(mean) / np.mean(norms)))

    def together(self):
        """M5 to M7 and M15 of all models beside their mean."""
        n = len(self.models)
        p, mean = np.full(n, 1 / n), np.mean(self.models, axis=0)
        here = [self.net.gradient(m, self.probe, self.labels)[0] for m in self.models]
        there = [self.net.gradient(mean, self.probe, self.labels)[0]] * n
        for module in [None] + self.net.modules:
            cut = (lambda v: v) if module is None else (lambda v: self.net.of_module(v, module))
            found = measures.drift(p, [cut(m) for m in self.models], cut(mean), [cut(g) for g in here], [cut(g) for g in there])
            for quantity, value in found.items():
                self.say("average", quantity, value, module, scale=1.0 if quantity == "cosine" else None)
        for a, value in measures.flips(self.net, p, self.models, mean, [self.probe] * n).items():
            self.say("average", "flips", value, a)
        for name in self.net.weights:
            cut = self.net.slices[name]
            kappa = np.mean([np.linalg.norm(m[cut]) for m in self.models]) / np.linalg.norm(mean[cut])
            self.say("average", "cancellation", float(kappa), name)
            s = np.array([measures.singular(self.net.get(m, name)) for m in self.models])
            self.say("average", "fluctuation", float(np.sqrt((s.std(axis=0) ** 2).sum() / (s.mean(axis=0) ** 2).sum())), name)
        for a, value in measures.agreement(self.net, self.models, [self.probe]).items():
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
        size = max(s for _, s in self.rises)
        self.say("average", "barrier", float(np.mean([r for r, _ in self.rises])), scale=size)
        self.say("average", "barrier.max", max(r for r, _ in self.rises), scale=size)
        self.together()
        self.sequence()
        self.updates(self.models[0])
        return self.out


if __name__ == "__main__":
    json.dump(Files(sys.argv[1], float(sys.argv[2]), sys.argv[3:]).measure(), sys.stdout)
