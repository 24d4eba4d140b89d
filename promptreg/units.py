"""Measures that the pairs of one group have in several units: they are kept apart, as measures of their own.

A group holds pairs in millimetres and in pixels where some of its images state no spacing. A mean over both
has no unit, so each unit's values count by themselves, under a name that ends in the unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

_GROUP = ["dataset", "group"]


def apart_by_unit(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return the rows of `metrics` of a tidy frame with the unit in the name where a group has several.

    "centroid_tre" becomes "centroid_tre (mm)" and "centroid_tre (px)". A row without a unit, of an absent
    annotation, goes with its pair's other rows, or else with the first unit. Names that have a unit stay.
    """
    chosen = frame[frame["metric"].isin(in_order(frame["metric"].unique(), metrics))]
    known = chosen.loc[chosen["unit"] != "", [*_GROUP, "pair", "metric", "unit"]]
    per_group = known.drop_duplicates([*_GROUP, "metric", "unit"]).groupby([*_GROUP, "metric"], sort=False)
    found = per_group["unit"].agg(n="size", first="first").query("n > 1").reset_index()
    if found.empty:
        return chosen
    per_pair = known.drop_duplicates([*_GROUP, "pair", "metric"])
    of_group = chosen[[*_GROUP, "metric"]].merge(found, "left", [*_GROUP, "metric"])
    of_pair = chosen[[*_GROUP, "pair", "metric"]].merge(per_pair, "left", [*_GROUP, "pair", "metric"])
    unit = of_pair["unit"].fillna(of_group["first"]).to_numpy()
    several = of_group["n"].notna().to_numpy()
    apart = chosen["metric"].astype(object) + " (" + pd.Series(unit, chosen.index) + ")"
    return chosen.assign(metric=chosen["metric"].astype(object).mask(several, apart))


def without_unit(metric: str) -> str:
    """Return what a metric is called where its group has one unit."""
    return metric.partition(" (")[0]


def unit_in(metric: str) -> str:
    """Return the unit that a metric's name ends in, with its brackets and a blank; "" if there is none."""
    return metric.removeprefix(without_unit(metric))


def in_order(found: Iterable[str], metrics: Sequence[str]) -> list[str]:
    """Return the metrics of `found` that are among `metrics`, units aside, in the order of these."""
    names = list(dict.fromkeys(found))
    return [name for metric in metrics for name in names if without_unit(name) == metric]
