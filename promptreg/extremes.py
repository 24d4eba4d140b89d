"""Which pairs to show of a method: its worst, its median and its best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from promptreg.stats import ENTRY, GROUP
from promptreg.units import in_order

KINDS = {1: ("only",), 2: ("worst", "best")}
USUAL = ("worst", "median", "best")
COLUMNS = (*ENTRY, "metric", "unit", "kind", "pair", "value")


def primary_metric(part: pd.DataFrame, metrics: Sequence[str]) -> str:
    """Return the first of the metrics that any entry has on any pair of a group, "" if none."""
    return next(iter(in_order(part.loc[np.isfinite(part["loss"]), "metric"], metrics)), "")


def extreme_pairs(found: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Choose the worst, median and best pair of every entry in each group, by its primary metric.

    `found` is of `comparison.outcomes`; a failed pair is the worst, and of an even number the better middle
    is the median. Pairs that a method was not run on are left out. Columns: dataset, group, entry, metric,
    unit, kind ("worst", "median", "best"; "only" of one), pair, value (NaN of a failed pair).
    """
    rows = []
    for (dataset, group), part in found.groupby(GROUP, sort=False):
        metric = primary_metric(part, metrics)
        judged = part[(part["metric"] == metric) & part["loss"].notna()]
        for entry, own in judged.groupby("entry", sort=False):
            ordered = own.sort_values(["loss", "pair"], ascending=[False, True])
            kinds = KINDS.get(len(own), USUAL)
            places = np.linspace(0, len(own) - 1, len(kinds))
            for kind, place in zip(kinds, np.ceil(places).astype(int), strict=True):
                one = ordered.iloc[place]
                rows.append((dataset, group, entry, metric, one["unit"], kind, one["pair"], one["value"]))
    return pd.DataFrame(rows, columns=list(COLUMNS))
