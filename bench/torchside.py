"""PyTorch's side of pytorch.py: reads requests as lines of JSON on stdin and answers each with a line on stdout.

Each row is timed in the form of PyTorch that is fastest for it here: with and without foreach in the optimizer and, for
images, channels last. Batches are views of the examples, nothing is copied, and the loss is never read during a timing.
"""

import ctypes
import json
import os
import statistics
import sys
import time

import models

TIMINGS = 7
SECONDS = 0.12  # of a timing, at least
LEAST_STEPS = 5


def network(model):
    """Returns the model's torch.nn.Sequential, whose parameters have the names of fedrelu's."""
    layers, width = [], 784
    if not model.hidden:
        layers = [nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
                  nn.Flatten(), nn.Linear(3136, 512), nn.ReLU()]
        width = 512
    for h in model.hidden:
        layers += [nn.Linear(width, h), nn.ReLU()]
        width = h
    return nn.Sequential(*layers, nn.Linear(width, models.CLASSES))


def examples(model, seed):
    """Returns dense normals without a zero, and labels."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(models.EXAMPLES, *model.shape, generator=random)
    x[x == 0] = 1
    return x, torch.randint(models.CLASSES, (models.EXAMPLES,), generator=random)


def optimizer(model, net, foreach=False):
    return torch.optim.SGD(net.parameters(), lr=model.lr, momentum=model.momentum, weight_decay=model.weight_decay, foreach=foreach)


def train(net, opt, data, batch, steps):
    """Makes steps on one batch after the other, round and round, and returns their losses, which nobody has looked at."""
    x, y = data
    losses, at = [], 0
    for _ in range(steps):
        opt.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(net(x[at:at + batch]), y[at:at + batch])
        loss.backward()
        opt.step()
        losses.append(loss.detach())
        at = (at + batch) % models.EXAMPLES
    return losses


def round_and_round(data, batch):
    """Appends the first examples again, so that every batch is one piece of the tensor."""
    return tuple(torch.cat([t, t[:batch]]) for t in data)


class Row:
    """A model at a batch size, in one form."""

    def __init__(self, model, batch, foreach, channels_last):
        torch.manual_seed(1)
        self.model, self.batch, self.foreach = model, batch, foreach
        self.form = ", ".join([name for name, on in (("foreach", foreach), ("channels last", channels_last)) if on]) or "plain"
        self.data = round_and_round(examples(model, seed=1), batch)
        self.net = network(model)
        if channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.data = (self.data[0].to(memory_format=torch.channels_last), self.data[1])
        self.start = [p.detach().clone() for p in self.net.parameters()]
        self.time(3)
        self.steps = max(LEAST_STEPS, round(SECONDS / self.time(3)))

    def time(self, steps=None):
        """Returns the seconds of a step, from the start parameters and without velocities, as in a task."""
        steps = steps or self.steps
        with torch.no_grad():
            for p, start in zip(self.net.parameters(), self.start):
                p.copy_(start)
        opt = optimizer(self.model, self.net, self.foreach)
        began = time.perf_counter()
        train(self.net, opt, self.data, self.batch, steps)
        return (time.perf_counter() - began) / steps


def fastest(model, batch):
    """Returns the row in the form that is fastest here, by the better of two timings each."""
    last = (False, True) if len(model.shape) == 3 else (False,)
    forms = [Row(model, batch, foreach, channels_last) for foreach in (False, True) for channels_last in last]
    return min(forms, key=lambda row: min(row.time(), row.time()))


def do_time(request, kept={}):
    key = request["model"], request["batch"]
    if key not in kept:
        kept.clear()
        kept[key] = fastest(models.named(request["model"]), request["batch"])
    row = kept[key]
    return {"us_per_step": 1e6 * statistics.median(row.time() for _ in range(TIMINGS)), "form": row.form}


def do_data(request):
    x, y = examples(models.named(request["model"]), request["seed"])
    tensors = {"x": x.numpy(), "y": y.to(torch.int32).numpy()}
    save(request["train"], tensors)
    save(request["test"], {name: t[:models.CLASSES] for name, t in tensors.items()})
    return {}


def do_check(request):
    """Makes fedrelu's steps in float32 and in float64, and says how far PyTorch and fedrelu end from the latter."""
    model = models.named(request["model"])
    start, end, data = load(request["start"]), load(request["end"]), load(request["train"])
    ends, found = {}, {}
    for name, kind in (("pytorch", torch.float32), ("float64", torch.float64)):
        net = network(model).to(kind)
        net.load_state_dict({key: torch.from_numpy(value) for key, value in start.items()})
        x, y = torch.from_numpy(data["x"]).to(kind), torch.from_numpy(data["y"]).long()
        losses = train(net, optimizer(model, net), round_and_round((x, y), request["batch"]), request["batch"], request["steps"])
        found[name + "_loss"] = statistics.fmean(loss.item() for loss in losses)
        ends[name] = {key: value.numpy() for key, value in net.state_dict().items()}
    found["pytorch_error"] = error(ends["pytorch"], ends["float64"])
    found["fedrelu_error"] = error(end, ends["float64"])
    return found


def error(tensors, want):
    """Returns the largest difference of a number, relative to the largest number of its tensor."""
    if set(tensors) != set(want):
        raise ValueError(f"the tensors {sorted(tensors)} are not {sorted(want)}")
    return max(float(abs(tensors[name] - want[name]).max() / abs(want[name]).max()) for name in want)


KINDS = {"F32": "<f4", "I32": "<i4"}


def save(path, tensors):
    """Writes a safetensors file."""
    header, at = {}, 0
    names = {numpy.dtype(kind): name for name, kind in KINDS.items()}
    for name, t in tensors.items():
        header[name] = {"dtype": names[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + b"".join(t.tobytes() for t in tensors.values()))


def load(path):
    """Reads a safetensors file."""
    with open(path, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        body = f.read()
    header.pop("__metadata__", None)
    return {name: numpy.frombuffer(bytearray(body[t["data_offsets"][0]:t["data_offsets"][1]]), KINDS[t["dtype"]]).reshape(t["shape"])
            for name, t in header.items()}


def do_about(_):
    torch.ones(64, 64) @ torch.ones(64, 64)  # loads what is loaded late
    libraries = blas_libraries()
    return {"version": torch.__version__, "blas": " ".join(map(describe, libraries)) or "built in",
            "threads": torch.get_num_threads(), "reference_blas": any("/blas/" in path for path in libraries)}


def blas_libraries():
    """Returns the files of BLAS libraries that this process has loaded."""
    with open("/proc/self/maps") as f:
        paths = {line.split()[-1] for line in f if "/" in line}
    return sorted(p for p in paths if any(word in os.path.basename(p) for word in ("libblas", "openblas", "mkl", "libblis")))


def describe(path):
    """Returns a library's name, with the processor for which an OpenBLAS has chosen its kernels."""
    name = os.path.basename(path)
    try:
        core = ctypes.CDLL(path).openblas_get_corename
        core.restype = ctypes.c_char_p
        return f"{name} ({core().decode()})"
    except (AttributeError, OSError):
        return name


def main():
    torch.set_num_threads(1)
    actions = {"about": do_about, "data": do_data, "check": do_check, "time": do_time}
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(actions[request["do"]](request)), flush=True)


try:
    import numpy
    import torch
    from torch import nn
except ImportError as missing:
    print(json.dumps({"error": f"{sys.executable} has no PyTorch ({missing}): install it (Debian: apt-get install "
                               "python3-torch libopenblas0-pthread) and run this script with a Python that has it, such as "
                               "/usr/bin/python3"}), flush=True)
    sys.exit(2)

if __name__ == "__main__":
    main()
