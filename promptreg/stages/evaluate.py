"""Measure the fields of one method on the pairs of a shard; gather the measures of all."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from promptreg.atomic import replacing
from promptreg.config import Evaluate
from promptreg.metrics import evaluate_pair
from promptreg.records import MetricRow, check_frame, cost_rows, to_frame, unregistered
from promptreg.stages.inputs import Inputs, grid_from

log = logging.getLogger("promptreg")

_COSTS = ("seconds_", "peak_memory", "flops_")


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the measures of one shard as parquet, from its ddf and pairs stores."""
    stores = Inputs(inputs)
    config = Evaluate.model_validate(job["evaluate"])
    frames = []
    for name in stores.groups("pairs"):
        if job["unavailable"]:
            rows = [unregistered("not run", job["unavailable"])]
        else:
            rows = measure(stores, name, config)
        group = stores.attrs("pairs", name).get("group", "")
        keys = {"dataset": job["dataset"], "group": group, "method": job["method"], "variant": job["variant"]}
        frames.append(to_frame(rows, pair=name, **keys))
        log.info("evaluate %s: %d rows", name, len(rows))
    with replacing(output) as path:
        check_frame(pd.concat(frames, ignore_index=True)).to_parquet(path, index=False)


def measure(stores: Inputs, name: str, config: Evaluate) -> list[MetricRow]:
    """Return all rows of one pair: its measures and costs, or the one row that says why there are none."""
    attrs = stores.attrs("ddf", name)
    if attrs["status"] != "ok":
        return [unregistered(attrs["status"], attrs["reason"])]
    record = stores.read("pairs", name)
    rows = evaluate_pair(
        stores.ddf(name),
        moving_grid=grid_from(record.attrs["moving_grid"]),
        moving_labels=_values(record, "moving_labels"),
        fixed_labels=_values(record, "fixed_labels"),
        moving_landmarks=_values(record, "moving_landmarks"),
        fixed_landmarks=_values(record, "fixed_landmarks"),
        label_names={int(key): text for key, text in record.attrs["label_names"].items()},
        config=config,
    )
    return (
        rows
        + prompt_rows(attrs)
        + cost_rows(attrs["seconds"], peak_memory_mb=attrs["peak_memory_mb"], flops=attrs.get("flops", {}))
    )


def prompt_rows(attrs: dict[str, Any]) -> list[MetricRow]:
    """Return the shares of prompts accepted and finding back; nothing for a method without prompts."""
    if "reasons" not in attrs:
        return []
    rows = [MetricRow("", "accepted", 100 * attrs["accepted"] / len(attrs["reasons"]), "%")]
    if attrs["returning"] is not None:
        rows.append(MetricRow("", "cycle", 100 * attrs["returning"], "%"))
    return rows


def gather(inputs: list[str], metrics: str, timings: str) -> None:
    """Join all shards' measures; costs go to a file of their own, since they differ from run to run."""
    frame = pd.concat([pd.read_parquet(Path(one)) for one in inputs], ignore_index=True)
    costs = frame["metric"].str.startswith(_COSTS)
    for path, part in ((metrics, frame[~costs]), (timings, frame[costs])):
        with replacing(path) as temporary:
            part.to_parquet(temporary, index=False)


def _values(record: xr.Dataset, name: str) -> np.ndarray | None:
    return record[name].values if name in record else None
