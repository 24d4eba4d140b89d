"""Train a registration network without the workflow: its inputs are prepared first."""

from __future__ import annotations

import json
from pathlib import Path

from promptreg.plan import Plan
from promptreg.registry import BASELINES
from promptreg.stages import images, learn, pairs


def learn_alone(plan: Plan, method: str, dataset: str) -> Path:
    """Train a method on a data set as the workflow does, all files under the plan's results; its weights.

    Raises:
        ValueError: the method needs no training, or there is no such data set.
    """
    known = [name for name, entry in BASELINES.items() if entry.learned]
    if method not in known:
        raise ValueError(f"'{method}' is not trained on data; methods that are: {', '.join(known)}")
    if dataset not in plan.datasets:
        raise ValueError(f"no data set '{dataset}' in the configuration, only {', '.join(plan.datasets)}")
    stores = plan.learning_inputs(dataset)
    for store in stores:
        _prepare(plan, dataset, Path(store))
    (file,) = plan.learned(method, dataset)
    learn.run(json.loads(plan.learn_job(method, dataset)), stores, file)
    return Path(file)


def _prepare(plan: Plan, dataset: str, store: Path) -> None:
    """Make one store of images or pairs unless it is there, after what it is made from."""
    kind, shard = store.parent.parent.name, store.stem
    if store.exists():
        return
    if kind == "images":
        images.run(json.loads(plan.images_job(dataset, shard)), [], str(store))
        return
    needed = plan.shard_images(dataset, shard)
    for one in needed:
        _prepare(plan, dataset, Path(one))
    pairs.run(json.loads(plan.pairs_job(dataset, shard)), needed, str(store))
