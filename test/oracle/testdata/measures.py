"""The measurements of PAPERS.md 0.4 on one or several models of a network.

A count comes with the least and the largest that it could be if numbers that lie close to its threshold fell on the other side.
"""

import itertools
import math

import numpy as np

EPSILONS = (0.001, 0.01, 0.05)
MARGIN = 1e-5  # how near to a threshold a number has to be so that float32 may see it on the other side


def singular(weight):
    """M9: a weight is a matrix of its first dimension and the rest."""
    return np.linalg.svd(np.asarray(weight, np.float64).reshape(weight.shape[0], -1), compute_uv=False)


def count_above(values, threshold, scale):
    """Returns a count with its bounds."""
    return tuple(int((values > threshold + d * scale).sum()) for d in (0, MARGIN, -MARGIN))


def eps_rank(s, eps):
    norm = np.linalg.norm(s)
    return count_above(s, eps * norm, norm) if norm > 0 else (0, 0, 0)


def entropy_rank(q):
    q = q[q > 0]
    return float(np.exp(-(q * np.log(q)).sum())) if q.size else 0.0


def spectrum(s):
    """M9: stable rank, effective rank, that of Roy and Vetterli, norms."""
    total = float((s**2).sum())
    return {
        "stable_rank": total / s[0] ** 2 if total else 0.0,
        "effective_rank": entropy_rank(s**2 / total) if total else 0.0,
        "roy_vetterli_rank": entropy_rank(s / s.sum()) if total else 0.0,
        "frobenius": math.sqrt(total),
        "spectral": float(s[0]),
    }


def energy(s, k):
    return float((s[:k] ** 2).sum() / (s**2).sum())


def cosine(a, b):
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size else None


def mean_of(p, values):
    """M19: the mean by weight; of those that exist."""
    kept = [(w, v) for w, v in zip(p, values) if v is not None]
    return sum(w * v for w, v in kept) / sum(w for w, _ in kept) if kept else None


def drift(p, ends, model, gradients, at_model):
    """M5 and M6, of vectors: local models and the gradients of each probe there and at the average model."""
    p = np.asarray(p) / np.sum(p)
    d = np.array([np.linalg.norm(a - b) for a, b in zip(gradients, at_model)])
    norms = np.array([np.linalg.norm(b) for b in at_model])
    moved = np.array([np.linalg.norm(e - model) for e in ends])
    v = float((p * moved**2).sum())
    size = float(np.linalg.norm(model))
    return {
        "drift": float((p * d).sum()),
        "drift_rel": math.sqrt((p * d**2).sum() / (p * norms**2).sum()) if norms.any() else None,
        "drift_max": float(d.max()),
        "cosine": mean_of(p, [cosine(a, b) for a, b in zip(gradients, at_model)]),
        "divergence": v,
        "divergence_rel": math.sqrt(v) / size if size else None,
        "lipschitz": mean_of(p, [a / b if b else None for a, b in zip(d, moved)]),
    }


def gates(net, p, x):
    """M7: the gates of every activation, and which of them hang on the rounding of float32."""
    found = []
    for z in net.forward(p, x)[1]:
        near = np.abs(z) < MARGIN * max(1e-3, float(np.abs(z).max()))
        found.append((z > 0, near))
    return found


def flips(net, p, ends, model, probes):
    """M7: the fraction of gates of each activation that differ between an end and the model, by weight, with its bounds."""
    total = {a: np.zeros(3) for a in net.activations}
    for w, end, x in zip(np.asarray(p) / np.sum(p), ends, probes):
        for a, (g, near), (h, near_too) in zip(net.activations, gates(net, end, x), gates(net, model, x)):
            differ, unsure = g != h, near | near_too
            total[a] += w * np.array([differ.mean(), (differ & ~unsure).mean(), (differ | unsure).mean()])
    return {a: tuple(float(v) for v in t) for a, t in total.items()}


def agreement(net, ends, probes):
    """M15: one minus the flips between two local models, mean over pairs, on the union of the measured shards' probes."""
    total = {a: [] for a in net.activations}
    x = np.concatenate(probes)
    for i, j in itertools.combinations(range(len(ends)), 2):
        for a, (g, near), (h, near_too) in zip(net.activations, gates(net, ends[i], x), gates(net, ends[j], x)):
            differ, unsure = g != h, near | near_too
            total[a].append([1 - differ.mean(), 1 - (differ | unsure).mean(), 1 - (differ & ~unsure).mean()])
    return {a: tuple(np.mean(t, axis=0).tolist()) for a, t in total.items() if t}


def units(net, p, x):
    """M15: how many units each activation has, how many are dead and how many always on, the last two with bounds."""
    found = {}
    for a, (g, near) in zip(net.activations, gates(net, p, x)):
        dead = [int((~on).all(axis=0).sum()) for on in (g, g | near, g & ~near)]
        on = [int(on.all(axis=0).sum()) for on in (g, g & ~near, g | near)]
        found[a] = g.shape[1], tuple(dead), tuple(on)
    return found


def entropy(net, p, x):
    """M16 and 4.1: entropy of each hidden layer's activations, mean over the examples."""
    found = {}
    for a, h in zip(net.activations, net.forward(p, x)[2]):
        all_of = []
        for z in h:
            z = z - z.min()
            top = z.max()
            bins = np.minimum(99, np.floor(100 * (z / top))).astype(int) if top > 0 else np.zeros(len(z), int)
            q = np.bincount(bins, minlength=100) / len(z)
            q = q[q > 0]
            all_of.append(-(q * np.log(q)).sum() + math.log(100))
        found[a] = float(np.mean(all_of))
    return found


def path_norm(net, p):
    """M17: the sum over paths of the product of absolute weights."""
    v = np.ones(net.shapes[net.weights[0]][1])
    for name in net.weights:
        v = np.abs(net.get(p, name)) @ v
    return float(v.sum())


def balance(v, w):
    """M17: the median over neurons of how unequal outer and inner weights are."""
    v, w = np.abs(v), np.abs(w)
    kept = v * w > 1e-3
    return float(np.median((np.abs(v - w) / (v + w))[kept])) if kept.any() else None


def barrier(net, a, b, x, y):
    """M18: how much the loss between two models rises above the line, the most at eleven points; and where."""
    la, lb = net.loss(a, x, y), net.loss(b, x, y)
    alphas = [i / 10 for i in range(11)]
    rise = [net.loss((1 - t) * a + t * b, x, y) - ((1 - t) * la + t * lb) for t in alphas]
    at = int(np.argmax(rise))
    return max(0.0, float(rise[at])), alphas[at], max(la, lb)


def heterogeneity(p, first, second):
    """M8: the split-half estimate of zeta^2, and the size of what cancels in it."""
    p = np.asarray(p) / np.sum(p)
    mean_a, mean_b = p @ np.array(first), p @ np.array(second)
    value = sum(w * ((a - mean_a) @ (b - mean_b)) for w, a, b in zip(p, first, second))
    size = sum(w * np.linalg.norm(a - mean_a) * np.linalg.norm(b - mean_b) for w, a, b in zip(p, first, second))
    return float(value), float(size)
