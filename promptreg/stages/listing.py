"""The pairs of a benchmark on one sheet: which images, and whose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from promptreg.atomic import replacing
from promptreg.datasets.base import MISALIGNED
from promptreg.stats import Subjects
from promptreg.store import open_store

SIDES = ("moving", "fixed")
COLUMNS = (
    *("dataset", "group", "pair", "dimension", "moving", "fixed", "moving_subject", "fixed_subject"),
    *("status", "reason"),
)


def run(job: dict[str, Any], inputs: list[str], output: str) -> None:
    """Write the pairs of all pairs stores as CSV; an image of which no pair says whose it is, is its own."""
    rows = [row for path in inputs for row in _rows(path)]
    said = {
        (row["dataset"], _source(row[side])): row[f"{side}_subject"]
        for row in rows
        for side in SIDES
        if row[f"{side}_subject"]
    }
    for row in rows:
        for side in SIDES:
            row[f"{side}_subject"] = said.get((row["dataset"], _source(row[side])), _source(row[side]))
    with replacing(output) as path:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False, lineterminator="\n")


def subjects_in(path: str | Path) -> Subjects:
    """Return who was imaged in every pair of a list of pairs."""
    listed = pd.read_csv(path, dtype=str, keep_default_na=False)
    names = ("dataset", "pair", "moving_subject", "fixed_subject")
    columns = (listed[name].tolist() for name in names)
    return {(dataset, pair): (moving, fixed) for dataset, pair, moving, fixed in zip(*columns, strict=True)}


def _rows(path: str) -> Iterator[dict[str, Any]]:
    store = open_store(path, "pairs")
    for spec in store.signature.params["pairs"]:
        attrs = store.attrs(spec["pair"])
        row = {name: spec.get(name, "") for name in COLUMNS}
        dataset = store.signature.params["dataset"]["name"]
        yield row | {"dataset": dataset, "status": attrs["status"], "reason": attrs["reason"]}


def _source(image: str) -> str:
    """The image itself, also of its misaligned twin."""
    return image.removesuffix(MISALIGNED)
