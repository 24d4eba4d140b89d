"""Train a registration network on the pairs of a data set none of whose subjects is in the test."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr
from torch import nn

from promptreg.atomic import replacing
from promptreg.baselines.learned_file import write_networks
from promptreg.baselines.working import CELLS, common_shape
from promptreg.config import Learn
from promptreg.device import choose_device
from promptreg.figures import encode, registration_curves
from promptreg.nets.registration.recipes import MULTIPLE, RECIPES, seeded_net
from promptreg.provenance import Signature, versions
from promptreg.seeds import derive_seed
from promptreg.splits import Part
from promptreg.stages.inputs import Inputs, grid_from
from promptreg.training.registration_data import Example, example
from promptreg.training.registration_loop import Task, train_network

log = logging.getLogger("promptreg")

FILE = "weights.safetensors"
LEAST_PAIRS = 4
"""A method is not trained on fewer pairs of one dimension."""

Said = dict[str, Any]


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the networks of one method for one data set; logs and curves lie beside them.

    `inputs` are stores of pairs and images, `job["parts"]` names the pairs to train on and to decide by when
    to stop: no other pair or image is read. There is one network for images of either dimension; where too
    few pairs are left the file says so instead.
    """
    stores, config = Inputs(inputs), Learn.model_validate(job["learn"])
    signature = Signature("learning", job, stores.digests(), job["code"]).digest
    training = _Training(stores, job, config, Path(output).parent, signature)
    nets: dict[int, nn.Module] = {}
    about: dict[int, Said] = {}
    parts: dict[Part, list[str]] = job["parts"]
    dims = {one: training.ndim(one) for listed in parts.values() for one in listed}
    for ndim in (2, 3):
        names = {part: [one for one in listed if dims[one] == ndim] for part, listed in parts.items()}
        if any(names.values()):
            net, about[ndim] = training.trained(ndim, names)
            if net is not None:
                nets[ndim] = net
    write_networks(Path(output), nets, about, signature=signature, job=job, versions=versions())
    for left in Path(output).parent.glob("checkpoint_*.pt"):
        left.unlink()


@dataclass(frozen=True)
class _Training:
    """One job: its stores and where its files go."""

    stores: Inputs
    job: Said
    config: Learn
    folder: Path
    signature: str

    def ndim(self, name: str) -> int:
        """Number of dimensions of a pair; 0 if it could not be prepared."""
        attrs = self.stores.attrs("pairs", name)
        if attrs["status"] != "ok":
            log.warning("%s: not trained on: %s", name, attrs["reason"])
            return 0
        return len(attrs["fixed_grid"]["shape"])

    def trained(self, ndim: int, names: dict[Part, list[str]]) -> tuple[nn.Module | None, Said]:
        """Train on pairs of one dimension; the network, or none, and what is said about it."""
        method, config = self.job["method"], self.config
        cells = config.cells or CELLS[ndim]
        records = {one: self.stores.read("pairs", one) for listed in names.values() for one in listed}
        grids = [grid_from(records[one].attrs["fixed_grid"]) for one in names["train"]]
        shape = common_shape(grids, cells, MULTIPLE) if grids else ()
        parts = {
            part: self._examples(listed, records, cells, shape) for part, listed in names.items() if shape
        }
        n = len(parts.get("train", []))
        if n < LEAST_PAIRS:
            with_labels = " with labels" if RECIPES[method].similarity == "labels" else ""
            reason = f"{n} {ndim}D pairs{with_labels} are left to train on, fewer than {LEAST_PAIRS}"
            log.warning("%s: %s", method, reason)
            return None, {"unavailable": reason}
        seed = derive_seed(self.job["seed"], method, self.job["dataset"], ndim)
        net = seeded_net(method, shape, config.width, derive_seed(seed, "weights"))
        device = choose_device(config.device)
        task = Task(parts["train"], parts["validation"], RECIPES[method], config, seed, device)
        found = train_network(net, task, self.folder, name=f"{ndim}d", signature=self.signature)
        self._draw(f"{ndim}d")
        return net, {
            "method": method,
            "shape": list(shape),
            "cells": cells,
            "width": config.width,
            "pairs": {part: [one.name for one in examples] for part, examples in parts.items()},
            "steps": found.step,
            "best_step": found.best_step if task.validation else found.step,
            "best_validation": found.best_value if task.validation else None,
        }

    def _examples(
        self, names: list[str], records: dict[str, xr.Dataset], cells: int, shape: tuple[int, ...]
    ) -> list[Example]:
        """The pairs that can be trained on."""
        needs_labels = RECIPES[self.job["method"]].similarity == "labels"
        found = []
        for name in names:
            labels = {
                key: records[name][key].values
                for key in ("moving_labels", "fixed_labels")
                if key in records[name]
            }
            one = example(self.stores.pair(name), cells, shape, **labels)
            if needs_labels and not one.common_labels():
                log.warning("%s: not trained on: it has no label that both images show", name)
            else:
                found.append(one)
        return found

    def _draw(self, name: str) -> None:
        with replacing(self.folder / f"curves_{name}.png") as temporary:
            curves = registration_curves(pd.read_csv(self.folder / f"log_{name}.csv"))
            temporary.write_bytes(encode(curves, "png"))
