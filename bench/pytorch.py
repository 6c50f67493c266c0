#!/usr/bin/env python3
"""Times training steps of fedrelu and of PyTorch in turn, on one core, and prints how they compare.

The rows are those of `fedrelu bench train`. README.md beside this file says what is compared and what is not. The timings
are fedrelu's own and those of torchside.py, which runs in a process of its own, so that the environment that the BLAS reads
at its start can be set. This process needs neither PyTorch nor NumPy.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import models

HERE = os.path.dirname(os.path.abspath(__file__))
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# What makes OpenBLAS take other kernels than those that it finds best for the processor.
OPENBLAS_KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# The largest error of a tensor that float32 explains after a few steps, relative to the tensor's largest value.
TOLERANCE = 2e-5
TRIES = 5


class Failure(Exception):
    """What a person can do something about; printed without a traceback."""


class Torch:
    """The process of torchside.py: a line of JSON for each request, and one for its answer."""

    def __init__(self, keep_openblas):
        env = dict(os.environ, **ONE_THREAD)
        if not keep_openblas:
            for name in OPENBLAS_KERNELS:
                env.pop(name, None)
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "torchside.py")], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the missing answer says it
        line = self.process.stdout.readline()
        if not line:
            raise Failure(f"the process that runs PyTorch ended with exit code {self.process.wait()}; stderr says why")
        answer = json.loads(line)
        if "error" in answer:
            raise Failure(answer["error"])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def run_fedrelu(binary, *arguments):
    """Returns the JSON document that a command of fedrelu prints."""
    done = subprocess.run([binary, *arguments, "--json"], text=True, capture_output=True)
    if done.returncode != 0:
        raise Failure(f"{binary} {' '.join(arguments)} ended with exit code {done.returncode}:\n{done.stderr.strip()}")
    return json.loads(done.stdout)


def check(binary, torch, model, batch, steps):
    """Returns how far both sides end from float64 after the same steps.

    Rounding decides on which side of zero a ReLU's input falls, or which of a window's numbers is the largest, where float64
    is as good as undecided: rare, but then the ends differ for good. A wrong computation differs on any examples, so the first
    of several tries that agrees is the answer.
    """
    for seed in range(1, TRIES + 1):
        found = check_once(binary, torch, model, (batch, steps, seed))
        losses = [found[side + "_loss"] for side in ("fedrelu", "pytorch", "float64")]
        found["ok"] = (max(losses) - min(losses) <= TOLERANCE * max(losses)
                       and found["fedrelu_error"] <= TOLERANCE and found["pytorch_error"] <= TOLERANCE)
        if found["ok"]:
            break
    return dict(found, model=model.name, batch=batch, steps=steps, tries=seed)


def check_once(binary, torch, model, task):
    """Lets both sides make the same steps from the same parameters on the same examples."""
    batch, steps, seed = task
    with tempfile.TemporaryDirectory() as folder:
        def path(name):
            return os.path.join(folder, name)

        torch.ask(do="data", model=model.name, seed=seed, train=path("train.safetensors"), test=path("test.safetensors"))
        with open(path("spec.yaml"), "w") as f:
            json.dump(model.spec(batch, steps, seed), f)
        run_fedrelu(binary, "run", path("spec.yaml"), "--dir", path("store"), "--workers", "1")
        shown = run_fedrelu(binary, "runs", "show", model.name, "--dir", path("store"))
        for number in (0, 1):
            run_fedrelu(binary, "export", model.name, "--dir", path("store"), "--round", str(number),
                        "-o", path(f"round{number}.safetensors"))
        found = torch.ask(do="check", model=model.name, batch=batch, steps=steps, train=path("train.safetensors"),
                          start=path("round0.safetensors"), end=path("round1.safetensors"))
    return dict(found, fedrelu_loss=shown["rounds"][0]["train_loss"])


def time_row(binary, torch, model, batch, rounds):
    """Times both sides of a row in turn, so many times, and compares the medians."""
    ours, theirs = [], []
    for _ in range(rounds):
        ours += run_fedrelu(binary, "bench", "train", "--model", model.name, "--batch", str(batch))
        theirs.append(torch.ask(do="time", model=model.name, batch=batch))
    ratios = [t["us_per_step"] / o["us_per_step"] for o, t in zip(ours, theirs)]
    us, torch_us = median(ours, "us_per_step"), median(theirs, "us_per_step")
    gflops, peak = median(ours, "gflops"), median(ours, "peak_gflops")
    return {"model": model.name, "batch": batch, "fedrelu_us_per_step": us, "pytorch_us_per_step": torch_us, "ratio": torch_us / us,
            "least_ratio": min(ratios), "largest_ratio": max(ratios), "fedrelu_gflops": gflops,
            "pytorch_gflops": gflops * us / torch_us, "peak_gflops": peak, "pytorch_form": theirs[0]["form"]}


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def table(rows):
    """Returns lines of columns as wide as their widest cell, all but the first and last aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1

    def cell(i, text):
        return text.ljust(widths[i]) if i in (0, last) else text.rjust(widths[i])

    return ["  ".join(cell(i, text) for i, text in enumerate(row)).rstrip() for row in rows]


def ratio_table(rows):
    out = [("MODEL", "BATCH", "FEDRELU US", "PYTORCH US", "RATIO", "FROM", "TO", "FEDRELU GFLOP/S", "SHARE", "PYTORCH GFLOP/S",
            "PYTORCH'S FORM")]
    for r in rows:
        out.append((r["model"], str(r["batch"]), f"{r['fedrelu_us_per_step']:.1f}", f"{r['pytorch_us_per_step']:.1f}",
                    f"{r['ratio']:.2f}", f"{r['least_ratio']:.2f}", f"{r['largest_ratio']:.2f}", f"{r['fedrelu_gflops']:.1f}",
                    f"{100 * r['fedrelu_gflops'] / r['peak_gflops']:.0f}%", f"{r['pytorch_gflops']:.1f}", r["pytorch_form"]))
    return table(out)


def check_table(checks):
    out = [("MODEL", "BATCH", "STEPS", "FEDRELU LOSS", "PYTORCH LOSS", "FLOAT64 LOSS", "FEDRELU ERROR", "PYTORCH ERROR", "TRIES",
            "RESULT")]
    for c in checks:
        out.append((c["model"], str(c["batch"]), str(c["steps"]), f"{c['fedrelu_loss']:.7f}", f"{c['pytorch_loss']:.7f}",
                    f"{c['float64_loss']:.7f}", f"{c['fedrelu_error']:.1e}", f"{c['pytorch_error']:.1e}", str(c["tries"]),
                    "equal" if c["ok"] else "DIFFERENT"))
    return table(out)


def processor():
    """Returns the name of the processor, where the system tells it."""
    try:
        with open("/proc/cpuinfo") as f:
            for line in f:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown processor"


def compare(options):
    """Does what the command line asks for and returns the document of --json."""
    rows = models.rows(options.model, options.batch, first_only=options.quick)
    binary = find_binary(options.fedrelu)
    torch = Torch(options.keep_openblas)
    try:
        about = torch.ask(do="about")
        if about["reference_blas"] and not options.any_blas:
            raise Failure("PyTorch multiplies with the reference BLAS here, many times slower than what people use:\n"
                          "apt-get install libopenblas0-pthread, or go on with --any-blas")
        document = {"processor": processor(), "pytorch": about, "checks": [], "rows": []}
        for model, batch in rows if options.check else ():
            note(f"checking {model.name} at batch {batch}")
            document["checks"].append(check(binary, torch, model, batch, options.check))
        for model, batch in rows if options.rounds else ():
            note(f"timing {model.name} at batch {batch}")
            document["rows"].append(time_row(binary, torch, model, batch, options.rounds))
    finally:
        torch.close()
    return document


def note(text):
    """Says on a terminal what is being done."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


def find_binary(path):
    if not os.access(path, os.X_OK):
        raise Failure(f"no fedrelu at {path}: run `make` first, or name it with --fedrelu")
    return os.path.abspath(path)


def show(document):
    about = document["pytorch"]
    print(f"{document['processor']}; PyTorch {about['version']}, BLAS {about['blas']}, one thread each")
    if document["checks"]:
        print("\nThe same steps by both (error: of the worst parameter, relative to its tensor's largest value)")
        print("\n".join(check_table(document["checks"])))
    if document["rows"]:
        print("\nTime of a step (ratio: PyTorch's time over fedrelu's; from, to: the extremes)")
        print("\n".join(ratio_table(document["rows"])))


def self_check():
    """Checks what needs neither PyTorch nor fedrelu."""
    assert [(m.name, b) for m, b in models.rows([], [], first_only=False)] == [
        ("2nn", 10), ("2nn", 50), ("2nn", 600), ("mlp-10x100", 4), ("mlp-10x100", 16), ("mlp-10x100", 128),
        ("mlp-4x1024", 32), ("mlp-4x1024", 128), ("cnn", 10), ("cnn", 50)]
    assert [(m.name, b) for m, b in models.rows(["cnn", "2nn"], [], first_only=True)] == [("2nn", 10), ("cnn", 10)]
    assert table([("A", "BB", "C"), ("aaa", "b", "c")]) == ["A    BB  C", "aaa   b  c"]
    row = {"model": "2nn", "batch": 10, "fedrelu_us_per_step": 100.0, "pytorch_us_per_step": 400.0, "ratio": 4.0, "least_ratio": 3.9,
           "largest_ratio": 4.1, "fedrelu_gflops": 80.0, "pytorch_gflops": 20.0, "peak_gflops": 100.0, "pytorch_form": "plain"}
    assert ratio_table([row])[1].split() == "2nn 10 100.0 400.0 4.00 3.90 4.10 80.0 80% 20.0 plain".split()
    spec = models.MODELS[1].spec(16, 5, seed=1)
    assert spec["model"] == {"mlp": {"hidden": [100] * 9}} and spec["local"]["batch"] == 16 and spec["local"]["steps"] == 5
    assert spec["local"]["optimizer"] == {"sgd": {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}}
    for bad in ({"names": ["3nn"], "batches": []}, {"names": ["cnn"], "batches": [7]}):
        try:
            models.rows(bad["names"], bad["batches"], first_only=False)
        except ValueError:
            continue
        raise AssertionError(f"{bad} chooses rows")
    print("bench/pytorch.py: all is well")


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                epilog="example: make && /usr/bin/python3 bench/pytorch.py --model 2nn")
    p.add_argument("--fedrelu", default=os.path.join(os.path.dirname(HERE), "bin", "fedrelu"), metavar="FILE",
                   help="the program (default: bin/fedrelu)")
    p.add_argument("--model", action="append", default=[], metavar="NAME", help="only this network; may be repeated")
    p.add_argument("--batch", action="append", default=[], type=int, metavar="N", help="only this batch size; may be repeated")
    p.add_argument("--rounds", type=int, default=3, metavar="N",
                   help="how often both sides are timed in turn, seven timings each time; 0: only the check (default: 3)")
    p.add_argument("--check", type=int, default=5, metavar="STEPS",
                   help="how many steps to compare by their results; 0: none (default: 5)")
    p.add_argument("--quick", action="store_true", help="the smallest batch of each network, timed once")
    p.add_argument("--keep-openblas", action="store_true",
                   help="leave OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE to PyTorch as they are set")
    p.add_argument("--any-blas", action="store_true", help="go on with the slow reference BLAS")
    p.add_argument("--json", action="store_true", help="print one JSON document on stdout and nothing else")
    p.add_argument("--self-check", action="store_true", help="check this script itself, without PyTorch and fedrelu")
    options = p.parse_args()
    if options.rounds < 0 or options.check < 0:
        p.error("--rounds and --check take numbers from 0")
    if options.quick:
        options.rounds = min(1, options.rounds)
    return options


def main():
    options = arguments()
    if options.self_check:
        self_check()
        return 0
    try:
        document = compare(options)
    except (Failure, ValueError) as e:
        print(f"bench/pytorch.py: {e}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(document))
    else:
        show(document)
    different = [c for c in document["checks"] if not c["ok"]]
    if different:
        print(f"bench/pytorch.py: results differ by more than {TOLERANCE}, so the times do not compare", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
