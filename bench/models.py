"""The networks, optimizers and batch sizes of `fedrelu bench train`, for fedrelu's specs and for PyTorch."""

import dataclasses

CLASSES = 10
EXAMPLES = 1200  # in the shard, as in `fedrelu bench train`


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    hidden: tuple  # widths of the hidden layers; empty: the CNN of McMahan et al.
    batches: tuple
    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0

    @property
    def shape(self):
        """The shape of an example."""
        return (784,) if self.hidden else (1, 28, 28)

    def spec(self, batch, steps, seed):
        """Returns the spec of one round of so many steps on one shard, whose files lie beside it."""
        sgd = {"lr": self.lr, "momentum": self.momentum, "weight_decay": self.weight_decay}
        return {
            "name": self.name, "seed": seed, "rounds": 1,
            "data": {"safetensors": {"train": "train.safetensors", "test": "test.safetensors"}},
            "shards": {"count": 1, "partition": {"contiguous": {}}},
            "model": {"mlp": {"hidden": list(self.hidden)}} if self.hidden else {"cnn": {}},
            "local": {"steps": steps, "batch": batch, "order": "sequential", "optimizer": {"sgd": sgd}},
            "checks": {"drift": {"every": 0}, "rank": {"every": 0}}, "keep": {"last": 2},
        }


MODELS = (
    Model("2nn", (200, 200), (10, 50, 600), lr=0.01),
    Model("mlp-10x100", (100,) * 9, (4, 16, 128), lr=0.01, momentum=0.9, weight_decay=5e-4),
    Model("mlp-4x1024", (1024,) * 4, (32, 128), lr=0.001, momentum=0.9),
    Model("cnn", (), (10, 50), lr=0.01),
)


def named(name):
    """Returns the model of this name, or raises ValueError."""
    for m in MODELS:
        if m.name == name:
            return m
    raise ValueError(f"model {name!r}: want one of {', '.join(m.name for m in MODELS)}")


def rows(names, batches, first_only):
    """Returns pairs of model and batch size: of the models and batches named, or all; with first_only the first batch of
    each model. It raises ValueError where that is no row."""
    for name in names:
        named(name)
    found = []
    for m in MODELS:
        sizes = [b for b in m.batches if b in batches or not batches]
        if not names or m.name in names:
            found += [(m, b) for b in (sizes[:1] if first_only else sizes)]
    if not found:
        raise ValueError("no such row: " + "; ".join(f"{m.name} has {', '.join(map(str, m.batches))}" for m in MODELS))
    return found
