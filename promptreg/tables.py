"""Tables of the paper: what is shown of the statistics, and what is said beneath.

A `Table` holds a machine-readable frame (one value a column) and the cells that people read; the writers
are in `promptreg.table_formats`. Equal input gives equal bytes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from promptreg.comparison import MIN_PAIRS, compare_to_best, outcomes
from promptreg.stats import ENTRY, GROUP, SD_KIND, Subjects, case_values, counts, summarize
from promptreg.units import in_order, unit_in, without_unit

METRIC_TITLES = {
    "dice": "Dice",
    "centroid_tre": "centroid TRE",
    "centroid_tre_px": "centroid TRE",
    "centroid_tre_penalized": "penalized centroid TRE",
    "landmark_tre": "landmark TRE",
    "landmark_tre_median": "median landmark TRE",
    "landmark_tre_max": "largest landmark TRE",
    "hd95": "HD95",
    "nsd": "NSD",
    "folds": "folds",
    "sdlogj": "SDlogJ",
    "cycle": "returning prompts",
    "accepted": "accepted",
    "inverse_consistency": "inverse inconsistency",
}
METRICS = ("dice", "centroid_tre", "landmark_tre")
SIGNIFICANT = 0.05
MARK = "*"
SEEN = "†"
DASH = "–"
LONGEST_REASON = 80
"""Characters of a reason that a cell shows; the data and the list of failures keep it whole."""


@dataclass(frozen=True)
class Cell:
    """The text of one cell; bold where it is the best of its column, foreign where it is not ours."""

    text: str
    bold: bool = False
    foreign: bool = False


@dataclass(frozen=True)
class Table:
    """A table: `data` for machines; `header` (group, title) pairs, `rows` and `footnote` for people."""

    data: pd.DataFrame
    header: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]
    footnote: str = ""


def table1(
    frame: pd.DataFrame,
    methods: Sequence[str],
    *,
    groups: Sequence[tuple[str, str]] | None = None,
    metrics: Sequence[str] = METRICS,
    supervision: Mapping[str, str] | None = None,
    seen: Collection[tuple[str, str, str]] = (),
    prealign: str = "",
    subjects: Subjects | None = None,
    seed: int = 0,
) -> Table:
    """Compare all methods on all groups: mean and SD of each metric, counts, test against the best.

    `methods` are baselines and variants in table order; `groups` are (dataset, group) in column order, as
    they appear if absent; a metric without any value in a group has no column there. `supervision` says
    what each method was trained or told with, and `seen` lists (method, dataset, group) where it has seen the
    data in training; see `promptreg.disclosure`. `subjects` says who was imaged, for the intervals in `data`.
    """
    lead = {"supervision": supervision or {}}
    return _comparison(
        frame,
        methods,
        lead,
        groups=groups,
        metrics=metrics,
        prealign=prealign,
        seen=seen,
        subjects=subjects,
        seed=seed,
    )


def ablation_table(
    frame: pd.DataFrame,
    variants: Mapping[str, Mapping[str, str]],
    *,
    groups: Sequence[tuple[str, str]] | None = None,
    metrics: Sequence[str] = METRICS,
    prealign: str = "",
    subjects: Subjects | None = None,
    seed: int = 0,
) -> Table:
    """Compare variants, one a row; `variants` maps each to the settings in which it differs, if any."""
    factors = dict.fromkeys(factor for settings in variants.values() for factor in settings)
    lead = {f: {name: settings.get(f, DASH) for name, settings in variants.items()} for f in factors}
    return _comparison(
        frame,
        list(variants),
        lead,
        groups=groups,
        metrics=metrics,
        prealign=prealign,
        subjects=subjects,
        seed=seed,
    )


def seconds_table(frame: pd.DataFrame, methods: Sequence[str]) -> Table:
    """Show the median wall-clock seconds per pair of every method and stage, and the sum of the medians."""
    stages = [m for m in dict.fromkeys(frame["metric"]) if str(m).startswith("seconds_")]
    cases = case_values(frame, stages)
    grouped = cases.groupby(["entry", "metric"], sort=False)["value"]
    found = grouped.agg(n="count", median="median", lowest="min", highest="max").reset_index()
    order = pd.MultiIndex.from_product([methods, stages], names=["entry", "metric"])
    data = found.set_index(["entry", "metric"]).reindex(order).reset_index()
    data["n"] = data["n"].fillna(0).astype(int)
    data.insert(1, "stage", data.pop("metric").str.removeprefix("seconds_"))
    names = [str(stage).removeprefix("seconds_") for stage in stages]
    medians = data.pivot(index="entry", columns="stage", values="median").reindex(
        index=list(methods), columns=names
    )
    rows = tuple(
        (Cell(name), *map(_seconds, [*values, _total(values)]))
        for name, values in zip(methods, medians.to_numpy(), strict=True)
    )
    header = (("", "method"), *(("seconds per pair", name) for name in [*names, "total"]))
    return Table(data, header, rows, "Median over pairs; the total is the sum of the medians.")


def _comparison(
    frame: pd.DataFrame,
    names: Sequence[str],
    lead: Mapping[str, Mapping[str, str]],
    *,
    groups: Sequence[tuple[str, str]] | None,
    metrics: Sequence[str],
    prealign: str,
    seed: int,
    seen: Collection[tuple[str, str, str]] = (),
    subjects: Subjects | None = None,
) -> Table:
    """Build the table whose rows are `names`, led by the columns `lead` (title to text by name)."""
    chosen = list(groups) if groups is not None else groups_in(frame)
    data = _comparison_data(frame, names, chosen, metrics=metrics, subjects=subjects, seed=seed)
    data["seen_in_training"] = [
        key in seen for key in zip(*(data[name] for name in ("entry", *GROUP)), strict=True)
    ]
    for position, (factor, texts) in enumerate(lead.items(), start=1):
        data.insert(position, factor, [texts.get(name, "") for name in data["entry"]])
    header = [("", "method"), *(("", factor) for factor in lead)]
    rows = {name: [Cell(name), *(Cell(texts.get(name, "")) for texts in lead.values())] for name in names}
    for title, (dataset, group) in zip(group_titles(chosen), chosen, strict=True):
        part = data[(data["dataset"] == dataset) & (data["group"] == group)]
        listed = list(dict.fromkeys(part["metric"]))
        shown = [m for m in listed if part.loc[part["metric"] == m, "n"].any()] or listed[:1]
        header += [(title, metric_title(part, metric)) for metric in shown] + [(title, "pairs")]
        for name in names:
            rows[name] += _cells(part[part["entry"] == name], shown)
    return Table(data, tuple(header), tuple(map(tuple, rows.values())), _footnote(data, prealign))


def _comparison_data(
    frame: pd.DataFrame,
    names: Sequence[str],
    groups: Sequence[tuple[str, str]],
    *,
    metrics: Sequence[str],
    subjects: Subjects | None,
    seed: int,
) -> pd.DataFrame:
    """All statistics, one row an entry, dataset, group and metric, in the order given."""
    found = outcomes(frame, metrics)
    found = found[found["entry"].isin(list(names))]
    cases = found[found["status"].isin(["ok", "empty", "absent"])]
    keys = [*ENTRY, "metric"]
    listed = {group: _metrics_in(found, group, metrics) for group in groups}
    rows = [(*group, name, metric) for name in names for group in groups for metric in listed[group]]
    data = pd.DataFrame(rows, columns=keys)
    data = data.merge(summarize(cases, subjects=subjects, seed=seed), on=keys, how="left")
    data = data.merge(compare_to_best(found, subjects=subjects, seed=seed), on=keys, how="left")
    data = data.merge(counts(frame), on=ENTRY, how="left")
    for column in [name for name in data if str(name).startswith("n_") or name == "n"]:
        data[column] = data[column].fillna(0).astype(int)
    data["best"] = data["best"].eq(True)
    data = data.fillna({"unit": "", "reason": "no results"})
    return data[["entry", *(name for name in data if name != "entry")]]


def _metrics_in(found: pd.DataFrame, group: tuple[str, str], metrics: Sequence[str]) -> list[str]:
    """The metrics of a group: those asked for, each in all the units that the group has it in."""
    here = found.loc[(found["dataset"] == group[0]) & (found["group"] == group[1]), "metric"].unique()
    return [name for metric in metrics for name in in_order(here, [metric]) or [metric]]


def _cells(part: pd.DataFrame, metrics: Sequence[str]) -> list[Cell]:
    """The cells of one entry in one group: each metric, then the number of pairs."""
    first = part.iloc[0]
    lost = first["n_failed"] + first["n_not_run"]
    if lost == first["n_pairs"]:
        state = "failed" if first["n_failed"] > first["n_not_run"] else "not run"
        return [
            Cell(f"{state} ({_shortened(first['reason'])})"),
            *[Cell(DASH)] * (len(metrics) - 1),
            Cell(f"0/{first['n_pairs']}"),
        ]
    cells = [_value(part[part["metric"] == metric].iloc[0]) for metric in metrics]
    return [*cells, Cell(f"{first['n_pairs'] - lost}/{first['n_pairs']}")]


def _shortened(reasons: str) -> str:
    """The most frequent of the reasons, cut to a cell, and how many others there are."""
    first, *others = reasons.split("; ")
    words = textwrap.shorten(first, LONGEST_REASON, placeholder=" …")
    return f"{words}; and {len(others)} more" if others else words


def _value(row: pd.Series) -> Cell:
    if row["n"] == 0:
        return Cell(DASH)
    mark = MARK if row["p_holm"] < SIGNIFICANT and row["effect"] > 0 else ""
    mark += SEEN if row["seen_in_training"] else ""
    return Cell(f"{row['mean']:.2f} ± {row['sd']:.2f}{mark}", bool(row["best"]))


def _footnote(data: pd.DataFrame, prealign: str) -> str:
    per_entry = data.drop_duplicates(ENTRY)
    total = {name: int(per_entry[name].sum()) for name in ("n_failed", "n_not_run", "n_empty", "n_absent")}
    pieces = [
        f"Mean ± {SD_KIND} (structures are averaged to one value a pair first); best in bold.",
        f"{MARK} Worse than the best, p < {SIGNIFICANT}: paired Wilcoxon signed-rank, Holm-corrected within "
        f"group and metric, from {MIN_PAIRS} common pairs on; a failed pair counts as the worst.",
        f"{SEEN} The method has seen this data set in training." if data["seen_in_training"].any() else "",
        "Pairs: registered/all.",
        f"Pre-alignment of every method: {prealign}." if prealign else "",
        f"Registrations failed: {total['n_failed']}; not run: {total['n_not_run']}; with an empty warped "
        f"structure (Dice 0, distances undefined): {total['n_empty']}; with an absent annotation: "
        f"{total['n_absent']}.",
    ]
    return " ".join(piece for piece in pieces if piece)


def groups_in(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the (dataset, group) of a frame, as they appear."""
    return list(frame[["dataset", "group"]].drop_duplicates().itertuples(index=False, name=None))


def group_titles(groups: Sequence[tuple[str, str]]) -> list[str]:
    """Return a group's own name where only one data set has it, else both names."""
    names = [group or dataset for dataset, group in groups]
    return [
        name if names.count(name) == 1 else f"{dataset}: {name}"
        for name, (dataset, _) in zip(names, groups, strict=True)
    ]


def metric_title(part: pd.DataFrame, metric: str) -> str:
    """Return what a metric is called, with the unit that `part` (columns metric, unit) states for it."""
    unit = next((unit for unit in part.loc[part["metric"] == metric, "unit"] if unit), "")
    return f"{title_of(without_unit(metric))} ({unit})" if unit else title_of(metric)


def title_of(metric: str) -> str:
    """Return what a metric is called, with a unit only where its group has several."""
    name = without_unit(metric)
    return METRIC_TITLES.get(name, name) + unit_in(metric)


def _seconds(value: float) -> Cell:
    return Cell(DASH if np.isnan(value) else f"{value:.3g}" if value < 100 else f"{value:.0f}")


def _total(medians: np.ndarray) -> float:
    return float(np.nansum(medians)) if np.isfinite(medians).any() else float("nan")
