"""What PAPERS.md predicts of a run beside what it measures: decay budget, onset, certificate (M12, M13, 1.3) and divergence (P6.6)."""

import math

import numpy as np

import measures


def factor(run, number, k):
    """What a shard's local steps of a round leave of the matrix that it began with, and the examples that they have seen."""
    rho, q = 1 - run.rate(number) * run.sgd["weight_decay"], run.local["prox_mu"]
    batches = run.batches(k, number)
    if not q:
        return rho ** len(batches), sum(len(b) for b in batches), len(batches)
    # 1.3 item 6 (c): gamma = prox_mu, 2 lambda = wd.
    wd, r = run.sgd["weight_decay"], rho - run.rate(number) * q
    held = r ** len(batches)
    return held + q / (wd + q) * (1 - held), sum(len(b) for b in batches), len(batches)


def round_factor(run, number, name):
    """What a round multiplies a matrix by that has no gradient: local steps, mean and server step (1.3 item 6)."""
    if not run.decayed(name):
        return 1.0
    who = run.rounds[number]["participants"]
    return 1 - run.spec["server"]["fedavg"]["lr"] * (1 - float(run.weights(who) @ [factor(run, number, k)[0] for k in who]))


def certificates(run):
    """Says Lambda, its onset and the certificate of every weight after every round whose weights were measured."""
    net, eps = run.net, run.spec["checks"]["rank"]["epsilon"]
    every = run.spec["checks"]["rank"]["every"]
    spectra = {name: [measures.singular(net.get(p, name)) for p in run.models] for name in net.weights}
    server = run.spec["server"]["fedavg"]["lr"]
    spans, budget = [], 0.0
    for run.round in range(len(run.rounds)):
        if run.round:
            who = run.rounds[run.round]["participants"]
            of = [factor(run, run.round, k) for k in who]
            p = run.weights(who)
            held = 1 - server * (1 - float(p @ [f for f, _, _ in of]))
            steps = {h for _, _, h in of}
            budget += run.rate(run.round) * run.sgd["weight_decay"] * float(p @ [h for _, _, h in of])
            spans.append((held, sum(n for _, n, _ in of), steps.pop() if len(steps) == 1 else None))
        if run.round % every and run.round != len(run.rounds) - 1:
            continue
        for name in net.weights:
            decayed = run.decayed(name)
            for k, end in run.ends.get(run.round, {}).items():
                say_local_certificate(run, spans, k, measures.singular(net.get(end, name)), spectra[name], eps, name, decayed)
            s = spectra[name]
            run.say("layer.lambda", budget if decayed else 0.0, name)
            say_onset(run, s[0], s[run.round], eps, name)
            say_certificate(run, spans, s, eps, name, decayed)


def say_onset(run, first, now, eps, name):
    r0 = measures.eps_rank(first, eps)[0]
    norm = np.linalg.norm(now)
    run.say("layer.lambda_onset", math.log(first[(r0 + 1) // 2 - 1] / (eps * norm)) if r0 and norm else None, name)


def say_certificate(run, spans, spectra, eps, name, decayed):
    """1.3 item 2 at the boundaries of rounds whose weights were measured."""
    rows, cols = run.net.shapes[name]
    smaller, every = min(rows, cols), run.spec["checks"]["rank"]["every"]
    if not decayed or not run.sgd["weight_decay"] or run.sgd["momentum"]:
        for quantity in ("n", "bound", "vacuous", "violated"):
            run.say("layer.certificate." + quantity, None, name)
        return
    now = math.sqrt((spectra[run.round] ** 2).sum())
    product, samples, steps, bound = 1.0, 0, 0, smaller
    for back in range(1, run.round + 1):
        held, n, h = spans[run.round - back]
        product, samples = product * held, samples + n
        steps = steps + h if steps is not None and h is not None else None
        at = run.round - back
        if at % every == 0 and product * spectra[at][0] <= eps * now:
            bound = min(smaller, samples)
            run.say("layer.certificate.n", steps if steps is not None else back, name)
            break
    run.say("layer.certificate.bound", bound, name)
    run.say("layer.certificate.vacuous", bound >= smaller, name)
    run.say("layer.certificate.violated", measures.eps_rank(spectra[run.round], eps)[0] > bound, name)


def say_local_certificate(run, spans, k, end, spectra, eps, name, decayed):
    """1.3 item 3 at the end of a round: of it the shard's own steps and examples, of rounds before those of all participants."""
    smaller, every = min(run.net.shapes[name]), run.spec["checks"]["rank"]["every"]

    def say(quantity, value):
        run.say("layer.local.certificates." + quantity, value, name, k)

    say("rank", measures.eps_rank(end, eps))
    if not decayed or not run.sgd["weight_decay"] or run.sgd["momentum"]:
        for quantity in ("n", "bound", "vacuous", "violated"):
            say(quantity, None)
        return
    product, samples, steps = factor(run, run.round, k)
    now, bound, found = math.sqrt((end**2).sum()), smaller, False
    for back in range(1, run.round + 1):
        if back > 1:
            held, n, h = spans[run.round - back]
            product, samples = product * held, samples + n
            steps = steps + h if steps is not None and h is not None else None
        at = run.round - back
        if at % every == 0 and product * spectra[at][0] <= eps * now:
            bound, found = min(smaller, samples), True
            break
    if found:
        say("n", steps if steps is not None else back)
    say("bound", bound)
    say("vacuous", bound >= smaller)
    say("violated", measures.eps_rank(end, eps)[0] > bound)


def divergence(r):
    """P6.6, from the recorded spread and zeta^2, which hang on what was drawn. What differs between shards counts by its mean."""
    run = r.run
    if run.local["prox_mu"] or run.sgd["momentum"]:
        return
    zeta2 = r.recorded("heterogeneity")
    batches = [min(run.local["batch"], len(run.shards[k])) or len(run.shards[k]) for k in r.shards]
    sigma2 = float(r.p @ [b * r.recorded("gradient_spread", k) for b, k in zip(batches, r.shards)])
    batch, steps = (int(r.p @ of + 0.5) for of in (batches, [len(path) - 1 for path in r.paths]))
    kept = max(0.0, zeta2)
    r.say("sigma2", sigma2)
    r.say("zeta2", zeta2)
    r.say("divergence.predicted", r.lr**2 * (1 - 1 / r.workers) * (steps * sigma2 / batch + steps**2 * kept))
    r.say("divergence.measured", measures.drift(r.p, r.ends, r.model, r.ends, r.ends)["divergence"])
    if kept and sigma2:
        r.say("overtaking_steps", sigma2 / (batch * kept))
