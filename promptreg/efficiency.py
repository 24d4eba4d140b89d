"""What accuracy costs: seconds and operations for what a method gains over doing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from promptreg.records import entries
from promptreg.stats import GROUP, HIGHER_IS_BETTER, case_values, first_nonempty
from promptreg.tables import DASH, METRICS, Cell, Table, group_titles, groups_in, metric_title
from promptreg.units import in_order

NOTHING = "identity"
"""The method from whose measure the others' gain is counted."""
COSTS = {"seconds_": "seconds", "flops_": "gflop", "peak_memory": "memory_mb"}
"""Costs by how the names of their metrics begin; those of stages are summed."""
GIGA = 1e9
SHOWN = {
    "gain": "gain ({unit})",
    "seconds": "s",
    "seconds_per_gain": "s per {unit}",
    "gflop": "GFLOP",
    "gflop_per_gain": "GFLOP per {unit}",
    "memory_mb": "MB",
}


def efficiency_table(measures: pd.DataFrame, timings: pd.DataFrame, methods: Sequence[str]) -> Table:
    """Return what every method reaches, gains over the identity and takes, a row a method.

    Both frames are tidy. A group is judged by the first of Table 1's measures that it has. Costs are medians
    over pairs; the gain is the mean over pairs that both the method and the identity were measured on, and
    what a unit of it takes is undefined where nothing is gained. The data have one value a column.
    """
    groups = groups_in(measures)
    cases, costs = case_values(measures, METRICS), _costs(timings)
    data = pd.DataFrame(
        [
            {"entry": row.pop("entry"), "dataset": dataset, "group": group, **row}
            for dataset, group in groups
            for row in _rows(_part(cases, dataset, group), _part(costs, dataset, group), methods)
        ]
    )
    header, cells = [("", "method")], {name: [Cell(name)] for name in methods}
    for title, (dataset, group) in zip(group_titles(groups), groups, strict=True):
        part = _part(data, dataset, group).set_index("entry")
        shown = [column for column in SHOWN if "gflop" not in column or part["gflop"].notna().any()]
        unit = first_nonempty(part["unit"])
        header.append((title, metric_title(part.reset_index(), part["metric"].iloc[0])))
        header += [(title, SHOWN[column].format(unit=unit)) for column in shown]
        for name in methods:
            cells[name] += [_cell(float(part[column].loc[name])) for column in ("mean", *shown)]
    return Table(data, tuple(header), tuple(map(tuple, cells.values())), _FOOTNOTE)


def _costs(timings: pd.DataFrame) -> pd.DataFrame:
    """Costs of every pair and entry: dataset, group, entry, pair, and a column each of `COSTS`."""
    named = timings.assign(entry=entries(timings), cost="")
    for start, cost in COSTS.items():
        named.loc[named["metric"].str.startswith(start), "cost"] = cost
    keys = [*GROUP, "entry", "pair"]
    wide = named.pivot_table(index=keys, columns="cost", values="value", aggfunc="sum", min_count=1)
    wide = wide.reindex(columns=list(COSTS.values())).reset_index()
    return wide.assign(gflop=wide["gflop"] / GIGA)


def _rows(cases: pd.DataFrame, costs: pd.DataFrame, methods: Sequence[str]) -> list[dict[str, Any]]:
    """The numbers of one group, a row a method."""
    measured = cases.dropna(subset="value")
    metric = next(iter(in_order(measured["metric"], METRICS)), METRICS[0])
    here = cases[cases["metric"] == metric]
    values = here.pivot(index="pair", columns="entry", values="value").reindex(columns=list(methods))
    sign = 1 if metric in HIGHER_IS_BETTER else -1
    nothing = values[NOTHING] if NOTHING in values else pd.Series(np.nan, index=values.index)
    medians = costs.groupby("entry")[list(COSTS.values())].median().reindex(list(methods))
    rows = []
    for name in methods:
        gain = float((sign * (values[name] - nothing)).mean())
        price: dict[Any, Any] = medians.loc[name].to_dict()
        row: dict[str, Any] = {"entry": name}
        row |= {"metric": metric, "unit": first_nonempty(here["unit"]), "n": int(values[name].count())}
        row |= {"mean": float(values[name].mean()), "gain": gain}
        row |= {cost: float(price[cost]) for cost in COSTS.values()}
        for cost in ("seconds", "gflop"):
            row[f"{cost}_per_gain"] = price[cost] / gain if gain > 0 else float("nan")
        rows.append(row)
    return rows


def _part(frame: pd.DataFrame, dataset: str, group: str) -> pd.DataFrame:
    return frame[(frame["dataset"] == dataset) & (frame["group"] == group)]


def _cell(value: float) -> Cell:
    return Cell(DASH if np.isnan(value) else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}")


_FOOTNOTE = (
    "Measures are means, costs medians over pairs; seconds and operations are summed over the stages of a "
    "method, and embeddings that pairs share count for each. The gain is that over "
    f"{NOTHING} on the same pairs; a dash where there is none. GFLOP: matrix products, convolutions and "
    "attention that PyTorch ran in the method's own process, where counted (`count_flops`); external tools, "
    "sampling and sorting are not among them. Seconds are of the machine that ran."
)
