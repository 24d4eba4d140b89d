"""What a job asks a cluster for beyond memory and time. Imports no torch."""

from __future__ import annotations

from promptreg.layout import Layout
from promptreg.registry import BASELINES


def gpus(layout: Layout, stage: str, name: str = "") -> int:
    """GPUs of a job: one, or none where its device is the CPU.

    `name` is the encoder of "embed", the search of "search", the variant of "fit", the method of
    "register", and nothing for "train" and "learn".
    """
    return 0 if _device(layout, stage, name) == "cpu" else 1


def _device(layout: Layout, stage: str, name: str) -> str:
    """The configured device of a job; that of a tool that knows no other is the CPU."""
    config = layout.config
    if stage == "embed":
        users = (layout.variants[one] for one, labels in layout.views_of.items() if labels[0] == name)
        return next(users).embed.device
    if stage == "search":
        users = (layout.variants[one] for one, label in layout.search_of.items() if label == name)
        return next(users).embed.device
    if stage == "fit":
        return layout.variants[name].fit.device
    if stage == "register":
        return config.baselines.device if BASELINES[name].accelerated else "cpu"
    return {"train": config.train.device, "learn": config.learn.device}[stage]
