"""Tables of intervals, differences and ranks: what Table 1 has no room for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from promptreg.comparison import MIN_PAIRS, outcomes
from promptreg.ranking import ALPHA, TEST
from promptreg.records import entries
from promptreg.resampling import INTERVAL_KIND, N_RESAMPLES
from promptreg.stats import GROUP
from promptreg.tables import DASH, METRICS, Cell, Table, group_titles, metric_title
from promptreg.units import in_order, without_unit

LEAD = (("", "application"), ("", "measure"), ("", "method"))
_STATISTICS = (
    *(
        "dataset",
        "group",
        "metric",
        "entry",
        "unit",
        "n",
        "mean",
        "sd",
        "ci_low",
        "ci_high",
        "median",
        "best",
    ),
    *("n_paired", "n_worst", "difference", "difference_low", "difference_high", "effect", "p", "p_holm"),
)


def statistics_table(data: pd.DataFrame, groups: Sequence[tuple[str, str]]) -> Table:
    """Show intervals and the comparison with the best, one row a group, metric and method.

    `data` is that of `tables.table1`; a metric that no method has in a group has no rows there.
    """
    parts = _parts(data, groups, value="n")
    rows = tuple(
        (Cell(title), Cell(metric_title(part, metric)), Cell(row["entry"], bool(row["best"])), *_cells(row))
        for title, metric, part in parts
        for _, row in part.iterrows()
    )
    header = (
        *LEAD,
        *(("alone", one) for one in ("n", "mean [95 %]", "median")),
        *(
            ("minus the best", one)
            for one in ("pairs", "failed", "median difference [95 %]", "effect", "p (Holm)")
        ),
    )
    chosen = pd.concat([part for *_, part in parts]) if parts else data[:0]
    return Table(chosen[list(_STATISTICS)].reset_index(drop=True), header, rows, _statistics_footnote())


def ranking_table(ranks: pd.DataFrame, methods: Sequence[str], groups: Sequence[tuple[str, str]]) -> Table:
    """Show mean ranks, the places that 95 % of the resamples give, and letters; `ranks` is of `ranking`.

    A row a method, a column a group and metric.
    """
    order = {name: n for n, name in enumerate(methods)}
    known = ranks[ranks["entry"].isin(order)]
    data = known.sort_values("entry", key=lambda names: names.map(order), kind="stable")
    parts = _parts(data, groups, value="mean_rank")
    header = [
        LEAD[2],
        *((title, metric_title(part.assign(unit=""), metric)) for title, metric, part in parts),
    ]
    rows = tuple(
        (Cell(name), *(_rank_cell(part[part["entry"] == name]) for *_, part in parts)) for name in methods
    )
    shown = pd.concat([part for *_, part in parts]) if parts else data[:0]
    return Table(shown.reset_index(drop=True), tuple(header), rows, _ranking_footnote(data))


def _parts(
    data: pd.DataFrame, groups: Sequence[tuple[str, str]], *, value: str
) -> list[tuple[str, str, pd.DataFrame]]:
    """Title, metric and rows of each group and metric that has a value; metrics in the order of Table 1."""
    found = []
    for title, (dataset, group) in zip(group_titles(groups), groups, strict=True):
        here = data[(data["dataset"] == dataset) & (data["group"] == group)]
        for metric in in_order(here["metric"], METRICS):
            part = here[here["metric"] == metric]
            if part[value].fillna(0).any():
                found.append((title, metric, part))
    return found


def _cells(row: pd.Series) -> list[Cell]:
    """The numbers of one row of the table of statistics."""
    alone = [
        Cell(str(row["n"])),
        Cell(_with_interval(row["mean"], row["ci_low"], row["ci_high"])),
        Cell(_number(row["median"])),
    ]
    if row["best"] or not row["n_paired"]:
        return [*alone, Cell("best" if row["best"] else "0"), *[Cell(DASH)] * 4]
    difference = _with_interval(row["difference"], row["difference_low"], row["difference_high"], signed=True)
    return [
        *alone,
        Cell(str(row["n_paired"])),
        Cell(str(row["n_worst"])),
        Cell(difference),
        Cell(_number(row["effect"], signed=True)),
        Cell(_p(row["p_holm"])),
    ]


def _rank_cell(part: pd.DataFrame) -> Cell:
    if part.empty or np.isnan(part.iloc[0]["mean_rank"]):
        return Cell(DASH)
    row = part.iloc[0]
    places = "" if np.isnan(row["place_low"]) else f" ({row['place_low']:.0f}{DASH}{row['place_high']:.0f})"
    letters = f" {row['alike']}" if row["alike"] else ""
    return Cell(f"{row['mean_rank']:.2f}{places}{letters}", row["place"] == 1)


def _with_interval(middle: float, low: float, high: float, *, signed: bool = False) -> str:
    text = _number(middle, signed=signed)
    if np.isnan(low):
        return text
    return f"{text} [{_number(low, signed=signed)}, {_number(high, signed=signed)}]"


def _number(value: float, *, signed: bool = False) -> str:
    if np.isnan(value):
        return DASH
    text = "∞" if np.isinf(value) else f"{abs(value):.2f}"
    sign = "−" if value < 0 and text != "0.00" else "+" if signed and text != "0.00" else ""
    return sign + text


def _p(value: float) -> str:
    return DASH if np.isnan(value) else f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _statistics_footnote() -> str:
    return (
        f"Intervals: {INTERVAL_KIND}; pairs that share a subject are drawn together. They are too narrow "
        "where pairs are few. The best has the best mean. Differences are method minus best, the median over "
        "the pairs that both were run on; a pair that the method failed on counts as its worst, and ∞ says "
        "that failures prevail. Effect: matched-pairs rank-biserial correlation, +1 where every pair is "
        "worse than the best's. p: Wilcoxon signed-rank, Holm-corrected within application and measure, from "
        f"{MIN_PAIRS} pairs on; it takes the pairs for independent, whoever was imaged."
    )


def _ranking_footnote(data: pd.DataFrame) -> str:
    left_out = sorted(set(data.loc[data["mean_rank"].isna(), "entry"]))
    absent = f" Not run on every pair of some application, and not ranked there: {', '.join(left_out)}."
    return (
        "Mean over pairs of the rank on each (1 is best; a failed pair is the last), best in bold. In "
        f"brackets: the places that 95 % of the resamples give ({N_RESAMPLES} draws of the subjects). "
        f"Methods that share a letter cannot be told apart at {100 * ALPHA:g} % ({TEST}; from "
        f"three methods and {MIN_PAIRS} pairs on, taken for independent)." + (absent if left_out else "")
    )


def per_pair(frame: pd.DataFrame) -> pd.DataFrame:
    """Return every value of every pair of a tidy frame, one a row, and why there is none.

    A pair that a method lost has a row of the metric "registration" besides those that others have.
    """
    found = outcomes(frame, [one for one in dict.fromkeys(frame["metric"]) if one != "registration"])
    lost = frame[frame["metric"] == "registration"]
    both = pd.concat([found, lost.assign(entry=entries(lost))], ignore_index=True)
    both["metric"] = both["metric"].map(without_unit)
    return both[[*GROUP, "pair", "entry", "metric", "unit", "value", "status"]]
