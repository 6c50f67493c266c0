"""Computes again what fedrelu measured of runs, from PAPERS.md 0.4, the exported models and the data alone.

    python3 run.py FOLDER... > numbers.json

Each folder has the run's `fedrelu runs show --json` as show.json and its models as 0.safetensors, 1.safetensors and so on. Local models
are trained here, in float64 from the exported start of each round, so the spec must have shards and batches that need no draw: contiguous
shards, order sequential or cyclic. Which shards take part and which are measured is read from the record.

What is printed names numbers as the record does. low and high are what a count may be if what lies near a threshold falls on its other
side; scale is the size of what a number is a difference of.
"""

import fnmatch
import itertools
import json
import math
import pathlib
import sys

import numpy as np

import measures
import predictions
from network import Net, read_safetensors

EVALUATED = 1000


class Run:
    """A run as its record tells it."""

    def __init__(self, folder):
        self.show = json.loads((folder / "show.json").read_text())
        self.spec = self.show["spec"]
        self.rounds = [self.show["start"]] + self.show["rounds"]
        tensors = [read_safetensors(folder / f"{i}.safetensors") for i in range(len(self.rounds))]
        network, = (self.spec["model"][k] for k in ("mlp", "shallow") if self.spec["model"].get(k))
        slope = (network["activation"].get("leaky_relu") or {}).get("slope", 0.0)
        self.net = Net(tensors[0], slope, self.spec["loss"], self.spec["label_smoothing"])
        self.models = [self.net.flat(t) for t in tensors]
        self.hashes = [self.net.hash(t) for t in tensors]
        data = [np.load(self.spec["data"]["npz"][part]) for part in ("train", "test")]
        (self.x, self.y), (self.test_x, self.test_y) = ((d["x"].astype(np.float64), d["y"]) for d in data)
        sizes = self.spec["shards"]["partition"]["contiguous"]["sizes"]
        ends = np.cumsum(sizes)
        self.shards = [np.arange(b - n, b) for n, b in zip(sizes, ends)]
        self.local, self.sgd = self.spec["local"], self.spec["local"]["optimizer"]["sgd"]
        self.decays = np.zeros(self.net.size, bool)
        for name in self.net.names:
            self.decays[self.net.slices[name]] = self.decayed(name)
        self.out, self.round, self.departure = [], 0, 0.0
        self.ends = {}  # of rounds whose local models were measured: by shard

    def decayed(self, name):
        return not any(fnmatch.fnmatchcase(name, glob) for glob in self.sgd["no_decay"])

    def say(self, quantity, value, layer=None, shard=None, step=None, scale=None):
        item = {"of": f"round {self.round}", "quantity": quantity, "layer": layer, "shard": shard, "step": step, "scale": scale}
        if isinstance(value, tuple):
            value, item["low"], item["high"] = value
        self.out.append(item | {"value": value})

    def rate(self, number):
        """The learning rate of a round: by its schedule."""
        schedule, lr = self.local["schedule"], self.sgd["lr"]
        if "exponential" in schedule:
            return lr * schedule["exponential"]["gamma"] ** (number - 1)
        assert "constant" in schedule, schedule
        return lr

    def batches(self, k, number):
        """The examples of each local step of a shard in a round; cyclic order, in which all take part in every round, goes on from the last."""
        shard, size = self.shards[k], self.local["batch"] or len(self.shards[k])
        if self.local.get("epochs"):
            assert self.local["order"] == "sequential"
            one = [shard[i : i + size] for i in range(0, len(shard), size)]
            return one * self.local["epochs"]
        first = (number - 1) * self.local["steps"] if self.local["order"] == "cyclic" else 0
        steps = range(first, first + self.local["steps"])
        return [shard[(t * size + np.arange(size)) % len(shard)] for t in steps]

    def train(self, k, number):
        """Local SGD: returns the model before the first step and after each, and the loss of each step's batch."""
        start, lr = self.models[number - 1], self.rate(number)
        path, losses, velocity = [start], [], np.zeros(self.net.size)
        for batch in self.batches(k, number):
            g, loss = self.net.gradient(path[-1], self.x[batch], self.y[batch])
            g = g + self.local["prox_mu"] * (path[-1] - start) + self.sgd["weight_decay"] * self.decays * path[-1]
            velocity = self.sgd["momentum"] * velocity + g
            path.append(path[-1] - lr * velocity)
            losses.append(loss)
        return path, losses

    def weights(self, shards):
        """p_k: by examples or uniform."""
        n = np.array([len(self.shards[k]) if self.spec["weighting"] == "examples" else 1 for k in shards], float)
        return n / n.sum()

    def measure(self):
        for self.round in range(len(self.rounds)):
            if self.round:
                self.measure_round(Round(self, self.round))
            self.measure_model(self.models[self.round])
        predictions.certificates(self)
        return {"departure": self.departure, "numbers": self.out}

    def measure_model(self, p):
        """What is said of a global model alone."""
        self.say("model_sha256", self.hashes[self.round])
        self.say("test_loss", self.net.loss(p, self.test_x, self.test_y))
        if self.spec["loss"] == "cross_entropy":
            self.say("test_accuracy", self.net.accuracy(p, self.test_x, self.test_y))
        every = self.spec["checks"]["rank"]["every"]
        if self.round % every and self.round != len(self.rounds) - 1:
            return
        for name in self.net.weights:
            w = self.net.get(p, name)
            s = measures.singular(w)
            self.say_spectrum("layer.", s, layer=name)
            kept = self.spec["checks"]["rank"]["spectra"]
            for i, v in enumerate(s if self.round == 0 or kept and self.round % kept == 0 else []):
                self.say("layer.spectrum", float(v), name, step=i, scale=float(s[0]))
            for i, v in enumerate(s[:5]):
                self.say("layer.top", float(v), name, step=i, scale=float(s[0]))
                self.say("layer.energy", measures.energy(s, i + 1), name, step=i)

    def say_spectrum(self, prefix, s, **where):
        for eps in measures.EPSILONS:
            self.say(f"{prefix}ranks.{eps}" if prefix.startswith("layer") else f"{prefix}rank.{eps}", measures.eps_rank(s, eps), **where)
        self.say(prefix + "rank", measures.eps_rank(s, self.spec["checks"]["rank"]["epsilon"]), **where)
        for quantity, value in measures.spectrum(s).items():
            if not (prefix == "layer." and quantity == "roy_vetterli_rank"):
                self.say(prefix + quantity, value, **where)

    def spectra_of(self, prefix, p, shard=None, step=None, norms=True):
        """M9 of every weight of a model, and the average over all but the last."""
        kept = {}
        for name in self.net.weights:
            s = measures.singular(self.net.get(p, name))
            before = len(self.out)
            self.say_spectrum(prefix, s, layer=name, shard=shard, step=step)
            for item in self.out[before:]:
                kept.setdefault(item["quantity"], []).append(item)
        for quantity, items in kept.items():
            short = quantity.removeprefix(prefix)
            if len(items) > 1 and (short.startswith("rank") or short in ("stable_rank", "effective_rank")):
                hidden = items[:-1]
                self.say(quantity, average(hidden, np.full(len(hidden), 1 / len(hidden))), None, shard, step)

    def measure_round(self, r):
        self.departure = max(self.departure, float(np.abs(r.made - r.next).max() / np.abs(r.next).max()))
        self.say("train_loss", r.train_loss)
        checks = self.spec["checks"]
        r.drift()
        for name in ("updates", "local_ranks", "noise", "units", "entropy", "identity", "norms", "averaging", "saw_tooth", "prediction", "fluctuation"):
            every = checks.get(name, {}).get("every", 0)
            if every and self.round % every == 0:
                getattr(r, name)()


class Round:
    """One round, whose local steps are made again."""

    def __init__(self, run, number):
        self.run, self.net, self.number = run, run.net, number
        self.record = run.rounds[number]
        self.start, self.next = run.models[number - 1], run.models[number]
        self.lr = run.rate(number)
        who = self.record["participants"]
        trained = {k: run.train(k, number) for k in who}
        p = run.weights(who)
        mean = sum(w * trained[k][0][-1] for w, k in zip(p, who))
        server = run.spec["server"]["fedavg"]["lr"]
        self.made = self.start + server * (mean - self.start)
        self.train_loss = float(sum(w * np.mean(trained[k][1]) for w, k in zip(p, who)))
        self.workers = len(who)
        self.next_is_mean = server == 1
        self.shards = self.record["drift"]["shards"]
        self.p = run.weights(self.shards)
        # M1: what local models are compared with in studies, which have the mean if they have all ends. Drift itself never does.
        self.model = mean if server != 1 and len(self.shards) == len(who) else self.next
        self.paths = [trained[k][0] for k in self.shards]
        self.ends = [path[-1] for path in self.paths]
        self.probes = [run.x[run.shards[k]] for k in self.shards]
        self.labels = [run.y[run.shards[k]] for k in self.shards]
        self.eval_x, self.eval_y = run.test_x[:EVALUATED], run.test_y[:EVALUATED]
        self.classes = run.spec["loss"] == "cross_entropy"

    def say(self, quantity, value, layer=None, shard=None, step=None, scale=None):
        self.run.say("reading." + quantity, value, layer, shard, step, scale)

    def both(self, quantity, values, layer=None, scale=None):
        """Says a number of each shard and their mean by weight."""
        for k, v in zip(self.shards, values):
            if v is not None:
                self.say(quantity, v, layer, k, scale=scale)
        self.say(quantity, measures.mean_of(self.p, values), layer, scale=scale)

    def gradients_at(self, p):
        return [self.net.gradient(p, x, y)[0] for x, y in zip(self.probes, self.labels)]

    def drift(self):
        """M3 to M8; the probe is the whole shard."""
        run, net = self.run, self.net
        here = [net.gradient(e, x, y)[0] for e, x, y in zip(self.ends, self.probes, self.labels)]
        there = self.gradients_at(self.next)
        run.say("drift.probe", max(len(x) for x in self.probes))
        for i, x in enumerate(self.probes):
            run.say("drift.probes", len(x), step=i)
        run.say("drift.model", "mean" if self.next_is_mean else "next")
        for quantity, value in measures.drift(self.p, self.ends, self.next, here, there).items():
            run.say("drift." + quantity, value, scale=1.0 if quantity == "cosine" else None)
        for module in net.modules:
            cut = [[net.of_module(v, module) for v in vs] for vs in (self.ends, here, there)]
            found = measures.drift(self.p, cut[0], net.of_module(self.next, module), cut[1], cut[2])
            for quantity, value in found.items():
                run.say("drift.modules." + quantity, value, module, scale=1.0 if quantity == "cosine" else None)
        for name, value in measures.flips(net, self.p, self.ends, self.next, self.probes).items():
            run.say("drift.flips", value, name)
        if run.spec["checks"].get("heterogeneity", {}).get("every"):
            if not any(len(x) % 2 for x in self.probes):
                there = self.gradients_at(self.model)
                mean = sum(w * g for w, g in zip(self.p, there))
                naive = sum(w * ((g - mean) @ (g - mean)) for w, g in zip(self.p, there))
                self.say("heterogeneity.naive", float(naive))
            halves = self.zeta2()
            if halves:
                if self.model is self.next:  # else it is at another model than the drift
                    run.say("drift.heterogeneity", halves[0], scale=halves[1])
                self.say("heterogeneity", halves[0], scale=halves[1])

    def zeta2(self):
        """M8. Which examples the halves of a probe have is drawn: of all ways to choose them that which fits the record best is taken."""
        wanted = self.recorded("heterogeneity")
        if math.prod(math.comb(len(x), len(x) // 2) * (1 + len(x) // 2 * (len(x) % 2)) for x in self.probes) > 1000:
            return None
        options = []
        for x, y in zip(self.probes, self.labels):
            half = len(x) // 2
            ways = []
            for first in itertools.combinations(range(len(x)), half):
                rest = [i for i in range(len(x)) if i not in first]
                for second in itertools.combinations(rest, half):
                    ways.append([self.net.gradient(self.model, x[list(h)], y[list(h)])[0] for h in (first, second)])
            options.append(ways)
        found = (measures.heterogeneity(self.p, *zip(*chosen)) for chosen in itertools.product(*options))
        return min(found, key=lambda f: abs(f[0] - wanted))

    def updates(self):
        """Issue 5: of each update with the mean update."""
        d = [e - self.start for e in self.ends]
        mean = self.model - self.start
        norms = [float(np.linalg.norm(v)) for v in d]
        size = float(np.linalg.norm(mean))
        for k, v in zip(self.shards, norms):
            self.say("update.norm", v, shard=k)
        self.say("update.norm", size)
        self.both("update.cosine", [measures.cosine(v, mean) for v in d], scale=1.0)
        self.say("update.diversity", float(self.p @ np.square(norms)) / size**2)
        self.say("update.norm_ratio", size / float(self.p @ norms))

    def local_ranks(self):
        run = self.run
        run.ends[self.number] = dict(zip(self.shards, self.ends))
        found = {}
        for k, end in zip(self.shards, self.ends):
            before = len(run.out)
            run.spectra_of("reading.", end, shard=k)
            self.energies(end, k)
            for item in run.out[before:]:
                found.setdefault((item["quantity"], item["layer"]), []).append(item)
        run.spectra_of("reading.", self.model)
        self.energies(self.model, None)
        self.local_spectra()
        if not (run.sgd["momentum"] or run.local["prox_mu"]):
            self.crossover()
        for (quantity, layer), items in found.items():
            short = quantity.removeprefix("reading.")
            if self.record["layers"] and layer and (short.startswith("rank.") or short in ("stable_rank", "effective_rank")):
                run.say("layer.local." + (short.replace("rank.", "ranks.", 1) if short.startswith("rank.") else short), average(items, self.p), layer)

    def energies(self, p, shard):
        for name in self.net.weights:
            s = measures.singular(self.net.get(p, name))
            for k in range(1, min(5, len(s)) + 1):
                self.say(f"energy.{k}", measures.energy(s, k), name, shard)

    def local_spectra(self):
        """Where the run keeps spectra, also those of the local models, and of their mean where the next model is another."""
        kept = self.run.spec["checks"]["rank"]["spectra"]
        if not kept or self.number % kept or not self.record["layers"]:
            return
        models = list(zip(self.shards, self.ends)) + ([] if self.model is self.next else [(None, self.model)])
        for shard, p in models:
            for name in self.net.weights:
                s = measures.singular(self.net.get(p, name))
                for i, v in enumerate(s):
                    self.run.say("layer.local.spectra", float(v), name, shard, i, float(s[0]))

    def crossover(self):
        """7b, Result D: eps* = (a/F) K^(-K/(K-1)), a = lr ||delta|| ||f||/B, of every example's own gradient."""
        net, run, count = self.net, self.run, self.workers
        norms = [[net.gradient(self.model, x[i : i + 1], y[i : i + 1])[0] for i in range(len(x))] for x, y in zip(self.probes, self.labels)]
        for name in net.weights:
            cut = net.slices[name]
            sizes = [self.lr / (min(run.local["batch"], len(run.shards[k])) or len(run.shards[k])) * np.mean([np.linalg.norm(g[cut]) for g in of])
                     for k, of in zip(self.shards, norms)]
            self.both("sample_size", sizes, name)
            if count > 1:
                eps = measures.mean_of(self.p, sizes) / np.linalg.norm(self.model[cut]) * count ** (-count / (count - 1))
                self.say("crossover", float(eps), name)
                if self.record["layers"]:
                    run.say("layer.crossover", float(eps), name)

    def noise(self):
        """M14. Which batches the gradients are of is drawn: of one example each from a small shard all choices are tried."""
        net, run = self.net, self.run
        relative = []
        for name in net.weights:
            cut = net.slices[name]
            steps = [[np.linalg.norm(b[cut] - a[cut]) / np.linalg.norm(a[cut]) for a, b in zip(path, path[1:])] for path in self.paths]
            self.both("step_rel", [float(np.mean(s)) for s in steps], name)
            relative.append(float(np.linalg.norm(self.next[cut] - self.start[cut]) / np.linalg.norm(self.start[cut])))
            self.say("round_rel", relative[-1], name)
        self.say("round_rel", float(np.linalg.norm(self.next - self.start) / np.linalg.norm(self.start)))
        if self.is_epoch():
            self.say("dist", float(np.mean(relative)))
        self.spread()

    def is_epoch(self):
        """1.4: Dist is across one epoch, in which every example of every shard is trained on once."""
        run = self.run
        return self.workers == len(run.shards) and all(
            sorted(i for batch in run.batches(k, self.number) for i in batch) == sorted(shard) for k, shard in enumerate(run.shards))

    def fluctuation(self):
        self.say("fluctuation.every", 1)  # of short rounds every step is looked at
        for name in self.net.weights:
            self.both("fluctuation", [self.fluctuation_of(path, name) for path in self.paths], name)

    def fluctuation_of(self, path, name):
        """3.3 (d): how much the singular values move over the round's steps, beside their size."""
        s = np.array([measures.singular(self.net.get(p, name)) for p in path[1:]])
        return float(np.sqrt((s.std(axis=0) ** 2).sum() / (s.mean(axis=0) ** 2).sum()))

    def recorded(self, quantity, shard=None):
        found = [x["value"] for x in self.record["readings"] if x["quantity"] == quantity and x["shard"] == shard]
        return found[0] if found else None

    def spread(self):
        batch = self.run.local["batch"]
        spreads, squares, scales = [], [], []
        for k, x, y in zip(self.shards, self.probes, self.labels):
            spread, square = self.recorded("gradient_spread", k), self.recorded("gradient_square", k)
            if batch == 1 and len(x) <= 4:
                one = np.array([self.net.gradient(self.start, x[i : i + 1], y[i : i + 1])[0] for i in range(len(x))])
                spread, square = closest_draws(one, spread, square)
            spreads.append(spread)
            squares.append(square)
            size = batch or len(x)
            below = square - spread / 8
            scales.append(size * spread / below if below > 0 else None)
            if below > 0:
                self.say("noise_scale", scales[-1], shard=k)
        if None not in scales:
            self.say("noise_scale", measures.mean_of(self.p, scales))
        self.both("gradient_spread", spreads)
        self.both("gradient_square", squares)

    def units(self):
        net = self.net
        for shard, p in [(None, self.model)] + list(zip(self.shards, self.ends)):
            for a, (width, dead, on) in measures.units(net, p, self.eval_x).items():
                self.say("units", width, a, shard)
                self.say("units.dead", dead, a, shard)
                self.say("units.always_on", on, a, shard)
        for a, value in measures.agreement(net, self.ends, self.probes).items():
            self.say("agreement", value, a)

    def entropy(self):
        run = self.run
        for a, value in measures.entropy(self.net, self.model, self.eval_x).items():
            self.say("entropy", value, a)
        means = []
        for k, path in zip(self.shards, self.paths):
            of = [measures.entropy(self.net, p, run.x[b]) for p, b in zip(path, run.batches(k, self.number))]
            means.append({a: float(np.mean([e[a] for e in of])) for a in self.net.activations})
        for a in self.net.activations:
            self.both("entropy.training", [m[a] for m in means], a)

    def identity(self):
        net, sums, found_any = self.net, [0.0, 0.0], False
        after = net.forward(self.model, self.eval_x)[2]
        for i, module in enumerate(net.modules[:-1]):
            w = net.get(self.model, module + ".weight")
            if i == 0 or w.shape[0] != w.shape[1]:
                continue
            off = w - np.eye(len(w))
            found = [float(measures.singular(off)[0]), float(np.linalg.norm(net.get(self.model, module + ".bias")))]
            self.say("identity.spectral", found[0], module)
            self.say("identity.frobenius", float(np.linalg.norm(off)), module)
            self.say("bias_norm", found[1], module)
            sums = [a + b for a, b in zip(sums, found)]
            moved = np.linalg.norm(after[i] - after[i - 1], axis=1) / np.linalg.norm(after[i - 1], axis=1)
            self.say("movement", float(np.mean(moved)), net.activations[i])
            found_any = True
        if found_any:
            self.say("identity.sum", sums[0])
            self.say("bias_norm.sum", sums[1])
        self.zero_inputs()

    def zero_inputs(self):
        """P3.8: inputs that are zero in the whole training set."""
        run = self.run
        used = np.concatenate(run.shards)
        dead = np.flatnonzero(~(run.x[used] != 0).any(axis=0))
        self.say("zero_inputs", len(dead))
        name = self.net.weights[0]
        if not len(dead):
            return
        norms = [float(np.linalg.norm(self.net.get(p, name)[:, dead])) for p in (self.start, self.next)]
        self.say("zero_inputs.norm", norms[1], name)
        if run.sgd["momentum"]:
            return
        predicted = norms[0] * predictions.round_factor(run, self.number, name)
        self.say("zero_inputs.predicted", predicted, name)
        self.say("zero_inputs.off", abs(norms[1] / predicted - 1), name, scale=1.0)

    def norms(self):
        for shard, p in [(None, self.model)] + list(zip(self.shards, self.ends)):
            self.say("path_norm", measures.path_norm(self.net, p), shard=shard)
            if self.run.x.shape[1] == 1 and len(self.net.weights) == 2:
                w, v = (self.net.get(p, name).ravel() for name in self.net.weights)
                self.say("balance", measures.balance(v, w), shard=shard)
                knots = -self.net.get(p, "0.bias") / w
                jumps = [(v * np.abs(w))[knots == t].sum() for t in np.unique(knots)]
                self.say("variation", float(np.abs(jumps).sum()), shard=shard)
                self.say("knots", len(jumps), shard=shard)

    def averaging(self):
        x, y = self.eval_x, self.eval_y
        for n in range(1, len(self.ends) + 1):
            p = self.p[:n] / self.p[:n].sum()
            model = sum(w * e for w, e in zip(p, self.ends[:n]))
            self.run.spectra_of("reading.curve.", model, step=n)
            self.say("curve.loss", self.net.loss(model, x, y), step=n)
            if self.classes:
                self.say("curve.accuracy", self.net.accuracy(model, x, y), step=n)
        rises = [measures.barrier(self.net, a, b, x, y) for a, b in itertools.combinations(self.ends, 2)]
        if rises:
            size = max(r[2] for r in rises)
            self.say("barrier", float(np.mean([r[0] for r in rises])), scale=size)
            self.say("barrier.max", max(r[0] for r in rises), scale=size)

    def saw_tooth(self):
        net, x, y = self.net, self.eval_x, self.eval_y
        self.say("sawtooth.every", 1)  # short rounds are shown step by step
        for h in range(1, max(len(path) for path in self.paths)):
            models = [path[min(h, len(path) - 1)] for path in self.paths]  # who has ended stays where it is
            mean = sum(w * m for w, m in zip(self.p, models))
            for shard, p in [(None, mean)] + list(zip(self.shards, models)):
                self.run.spectra_of("reading.", p, shard=shard, step=h)
                self.say("loss", net.loss(p, x, y), shard=shard, step=h)
                if self.classes:
                    self.say("accuracy", net.accuracy(p, x, y), shard=shard, step=h)
            v = float(self.p @ [((m - mean) ** 2).sum() for m in models])
            self.say("divergence", v, step=h)
            self.say("divergence_rel", math.sqrt(v) / float(np.linalg.norm(mean)), step=h)
            for name in net.weights:
                cut = net.slices[name]
                kappa = float(self.p @ [np.linalg.norm(m[cut]) for m in models]) / float(np.linalg.norm(mean[cut]))
                self.say("cancellation", kappa, name, step=h)

    def prediction(self):
        predictions.divergence(self)


def average(items, p):
    """The mean of numbers that were said, with bounds if they are counts."""
    mean = [float(sum(w * i.get(k, i["value"]) for w, i in zip(p, items))) for k in ("value", "low", "high")]
    return tuple(mean) if "low" in items[0] else mean[0]


def closest_draws(gradients, spread, square):
    """M14 for eight batches of one example each: of all multisets that could have been drawn the one that fits both numbers best."""
    best = None
    for drawn in itertools.combinations_with_replacement(range(len(gradients)), 8):
        g = gradients[list(drawn)]
        mean = g.mean(axis=0)
        found = float(8 / 7 * ((g - mean) ** 2).sum(axis=1).mean()), float(mean @ mean)
        off = abs(found[0] - spread) + abs(found[1] - square)
        if best is None or off < best[0]:
            best = off, found
    return best[1]


if __name__ == "__main__":
    json.dump({folder: Run(pathlib.Path(folder)).measure() for folder in sys.argv[1:]}, sys.stdout)
