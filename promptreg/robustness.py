"""How measures change as one image of every pair is moved or spoilt by known amounts."""

from __future__ import annotations

import pandas as pd

from promptreg.config import Config, Corruption
from promptreg.datasets.corrupted import group_name
from promptreg.stats import SD_KIND, Subjects
from promptreg.tables import DASH, METRICS, Cell, Table, metric_title, table1
from promptreg.units import in_order


def robustness_table(frame: pd.DataFrame, config: Config, *, subjects: Subjects | None = None) -> Table:
    """Return mean and SD of every measure by what was done to an image, and how much of it.

    `frame` is the tidy frame of measures; only data sets with `corrupt` count. The data have one value a
    column, with the columns kind, level and group (as it was called without the change); for people a row is
    a measure at a level, and a column a method.
    """
    changed = {one.name: one.corrupt for one in config.datasets if one.corrupt is not None}
    part = frame[frame["dataset"].isin(list(changed))]
    data = table1(part, config.methods, subjects=subjects, seed=config.seed).data
    data = data.drop(columns="supervision")
    told = [
        _level(dataset, group, changed[dataset])
        for dataset, group in zip(data["dataset"], data["group"], strict=True)
    ]
    places = pd.DataFrame(told, columns=["group", "kind", "level"], index=data.index)
    data = pd.concat([data.drop(columns="group"), places], axis=1)
    lead = ["entry", "dataset", "group", "kind", "level", "metric"]
    data = data[[*lead, *(name for name in data if name not in lead)]]
    header = (*(("", title) for title in ("application", "change", "level", "measure", "pairs")),)
    columns = tuple(("", name) for name in config.methods)
    return Table(data, header + columns, tuple(_rows(data, list(config.methods))), _FOOTNOTE)


def _level(dataset: str, group: str, corruption: Corruption) -> tuple[str, str, float]:
    """The group without the change, its kind and level; groups of misaligned twins end in a word more."""
    pieces = group.split(", ")
    for level in corruption.levels:
        mark = group_name("", corruption, level)
        if mark in pieces:
            return ", ".join(one for one in pieces if one != mark), corruption.kind, level
    raise ValueError(f"data set '{dataset}': group '{group}' names no level of {corruption.kind}")


def _rows(data: pd.DataFrame, methods: list[str]) -> list[tuple[Cell, ...]]:
    """A row a group, kind, measure and level that any method has a value of."""
    order = {name: pd.factorize(data[name])[0] for name in ("dataset", "group")}
    places = {metric: place for place, metric in enumerate(in_order(data["metric"], METRICS))}
    measure = data["metric"].map(places)
    ordered = data.assign(first=order["dataset"], second=order["group"], third=measure)
    ordered = ordered.sort_values(["first", "second", "third"], kind="stable")
    rows = []
    for _, part in ordered.groupby(["first", "second", "third", "level"], sort=False):
        if not part["n"].any():
            continue
        one, cells = part.iloc[0], {row["entry"]: row for _, row in part.iterrows()}
        lead = (
            one["group"] or one["dataset"],
            one["kind"],
            f"{one['level']:g}",
            metric_title(part, one["metric"]),
            str(one["n_pairs"]),
        )
        rows.append((*map(Cell, lead), *(_value(cells[name]) for name in methods)))
    return rows


def _value(row: pd.Series) -> Cell:
    lost = row["n_failed"] + row["n_not_run"]
    short = f" ({row['n_pairs'] - lost})" if lost else ""
    return Cell(DASH if row["n"] == 0 else f"{row['mean']:.2f} ± {row['sd']:.2f}{short}", bool(row["best"]))


_FOOTNOTE = (
    f"Mean ± {SD_KIND}; the best of a row in bold. In brackets: pairs that a method registered, where it "
    "lost some. Levels: see `corrupt` of a data set in config/config.yaml; 0 is the pair as it was."
)
