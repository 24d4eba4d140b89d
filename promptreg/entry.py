"""What a user must know of a plug-in, and where it is. Imports no torch."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

LABEL_SUPERVISED = "label-supervised"
"""The supervision of a plug-in that is trained on labels of the data that it then works on."""


@dataclass(frozen=True)
class Entry:
    """A plug-in: where it is ("module:object") and what a user must know of it.

    `supervision` is "training-free", "synthetic images" (pretrained on them alone), "unsupervised",
    "label-supervised" or "pretrained elsewhere".
    `settings` says where the settings of a method are from.
    `checkpoint` names a row of `config/checkpoints.tsv` for a model that needs released weights, `shipped`
    the weights of this package that it uses (a file in `models/weights`).
    Of models: `prompts` is "points +/-", "points +" or "box from point", `point_trained` whether it has seen
    points in training, `parameters_m` its size in millions.
    `environment` names the Python environment (`envs/`) in which a method's tool runs, and `learned` says
    that it is trained on the pairs of each data set first.
    `promptable` says that a method works with the promptable model `baselines.features_model`, and
    `accelerated` that it runs on a GPU where it gets one.
    `seen` names sources of data that it has seen in training.
    """

    name: str
    target: str
    summary: str
    dims: tuple[int, ...] = (2, 3)
    licence: str = "Apache-2.0"
    citation: str = ""
    settings: str = ""
    supervision: str = "training-free"
    checkpoint: str | None = None
    shipped: str | None = None
    trained_on: str = "nothing"
    caveats: str = ""
    prompts: str = "points +/-"
    point_trained: bool = True
    parameters_m: float | None = None
    seen: tuple[str, ...] = ()
    environment: str | None = None
    promptable: bool = False
    accelerated: bool = False
    learned: bool = False

    def load(self) -> Any:
        """Import and return the plug-in's class."""
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


def table(*entries: Entry) -> dict[str, Entry]:
    """Return entries by name; ValueError if two have the same."""
    names = [entry.name for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"plug-ins are registered twice: {', '.join(twice)}")
    return {entry.name: entry for entry in entries}
