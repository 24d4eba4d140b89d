"""Measure how far the fields of a pair and of the same pair with its roles exchanged undo each other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pandas as pd

from promptreg.atomic import replacing
from promptreg.body import body_mask
from promptreg.datasets.base import REVERSED
from promptreg.inverse_consistency import inverse_errors
from promptreg.records import COLUMNS, MetricRow, check_frame, to_frame
from promptreg.stages.inputs import Inputs, NoResult

log = logging.getLogger("promptreg")


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write a row for every pair of a data set that a method registered both ways, as parquet.

    `inputs` are its ddf, pairs and image stores. What a way lost is told by the rows of its own.
    """
    stores = Inputs(inputs)
    keys = {name: job[name] for name in ("dataset", "method", "variant")}
    frames = [pd.DataFrame(columns=list(COLUMNS)).astype({"value": float})]
    for name, group, row in _rows(stores):
        frames.append(to_frame([row], pair=name, group=group, **keys))
        log.info("inverse %s: %.3g %s", name, row.value, row.unit)
    with replacing(output) as path:
        check_frame(pd.concat(frames[1:] or frames, ignore_index=True)).to_parquet(path, index=False)


def _rows(stores: Inputs) -> Iterator[tuple[str, str, MetricRow]]:
    names = stores.groups("pairs")
    for name in names:
        if f"{name}{REVERSED}" not in names:
            continue
        try:
            forward, backward = stores.ddf(name), stores.ddf(f"{name}{REVERSED}")
            pair = stores.pair(name)
        except NoResult as lost:
            log.info("inverse %s: %s", name, lost)
            continue
        errors = inverse_errors(forward, backward, body_mask(pair.fixed).cpu())
        if len(errors):
            mean = float(errors.mean())
            group = stores.attrs("pairs", name)["group"]
            yield name, group, MetricRow("", "inverse_consistency", mean, forward.grid.unit)
