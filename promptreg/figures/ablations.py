"""Ablations: measures along one setting, or one setting below the other; published numbers in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from promptreg.figures.style import GREY, LOOK, PAGE_WIDTH, line_of
from promptreg.stats import HIGHER_IS_BETTER
from promptreg.tables import DASH, group_titles, metric_title

MOST_COLUMNS = 5
TITLE_LETTERS = 100
"""Of the titles of a row of panels together."""
SETTING = "setting"
SMALL: dict[str, Any] = {"fontsize": 6.5, "va": "bottom"}
INFINITE = "∞"


@mpl.rc_context(LOOK)
def ablation_curves(
    data: pd.DataFrame, factors: Sequence[str], *, along: str, palette: str = "colorblind"
) -> Figure:
    """Draw the mean of every measure against the factor `along`: a row a measure, a column a group.

    `data` is that of `ablation.ablation`, with a column of texts for each of the `factors`. Lines are the
    combinations of the other factors; a line that is alone has the 95 % interval as a band, which says
    little of differences within pairs. Methods that have no such setting are dotted across. Published
    numbers have panels of their own, in grey, with the same markers.
    """
    others = [one for one in factors if one != along]
    data = data.assign(**{SETTING: data[others].agg(", ".join, axis=1) if others else ""})
    curved = data[along] != DASH
    places = positions(data.loc[curved, along])
    styles = line_of(list(dict.fromkeys(data.loc[curved, SETTING])), palette)
    figure, panels = _panels(data, 1.75)
    for ax, part in panels:
        for row in part[part[along] == DASH].to_dict("records"):
            ax.axhline(row["mean"], color="black", lw=0.8, ls=":")
            ax.annotate(row["entry"], (0.01, row["mean"]), xycoords=("axes fraction", "data"), **SMALL)
        for name, line in part[part[along] != DASH].groupby(SETTING, sort=False):
            placed = line.assign(place=line[along].map(places))
            _draw_curve(ax, placed, styles[str(name)], band=len(styles) == 1)
        ax.set_xticks(list(places.values()), list(places))
        ax.set_xlabel(along)
        ax.grid(alpha=0.4)
    if others and panels:
        handles, labels = panels[0][0].get_legend_handles_labels()
        _legend(figure, dict(zip(labels, handles, strict=True)), ", ".join(others))
    return figure


@mpl.rc_context(LOOK)
def ablation_rows(data: pd.DataFrame, *, palette: str = "colorblind") -> Figure:
    """Draw the mean of every measure and its 95 % interval, methods one below the other in their order.

    `data` is that of `ablation.ablation`; published numbers have panels of their own, in grey.
    """
    names = list(dict.fromkeys(data["entry"]))
    styles = line_of(names, palette)
    figure, panels = _panels(data, 0.17 * len(names) + 0.75, sharey=True)
    for ax, part in panels:
        for row in part.to_dict("records"):
            style = _grey(styles[row["entry"]], row["published"])
            place = names.index(row["entry"])
            ax.plot([row["ci_low"], row["ci_high"]], [place] * 2, color=style["color"], lw=1.2)
            ax.plot(row["mean"], place, style["marker"], color=style["color"], ms=4.5)
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.grid(axis="x", alpha=0.4)
    return figure


def positions(values: Sequence[str] | pd.Series) -> dict[str, float]:
    """Return where texts stand on an axis: numbers at their value, infinity a step beyond, words in turn."""
    texts = list(dict.fromkeys(values))
    try:
        numbers = {text: float(text.replace(INFINITE, "inf")) for text in texts}
    except ValueError:
        return {text: float(place) for place, text in enumerate(texts)}
    finite = sorted(value for value in numbers.values() if np.isfinite(value))
    step = (finite[-1] - finite[0]) / max(len(finite) - 1, 1) if len(finite) > 1 else 1.0
    beyond = (finite[-1] if finite else 0.0) + step
    return {text: value if np.isfinite(value) else beyond for text, value in numbers.items()}


def _panels(
    data: pd.DataFrame, height: float, *, sharey: bool = False
) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """A figure with a panel for each metric and group that has values; published groups come last.

    Every measure begins a row of its own, but where there is one group.
    """
    chosen = _chosen(data[data["mean"].notna()])
    per_row = [len(parts) for parts in chosen.values()] if len(chosen) else [1]
    if max(per_row) == 1:
        per_row = [len(chosen) or 1]
        chosen = {"": [one for parts in chosen.values() for one in parts]}
    n_lines = -(-max(per_row) // MOST_COLUMNS)
    n_columns = -(-max(per_row) // n_lines)
    n_rows = sum(-(-count // n_columns) for count in per_row)
    figure = Figure(figsize=(PAGE_WIDTH, height * n_rows + 0.3), layout="constrained")
    grid = iter(figure.subplots(n_rows, n_columns, squeeze=False, sharey=sharey).ravel())
    panels = []
    for parts in chosen.values():
        for title, part in parts:
            ax = next(grid)
            wrapped = fill(title, TITLE_LETTERS // n_columns)
            ax.set_title(wrapped, color=GREY if part["published"].any() else "black")
            (ax.set_xlabel if sharey else ax.set_ylabel)(_measure(part, part["metric"].iloc[0]))
            panels.append((ax, part))
        for _ in range(-len(parts) % n_columns):
            next(grid).set_axis_off()
    for ax in grid:
        ax.set_axis_off()
    return figure, panels


def _chosen(known: pd.DataFrame) -> dict[str, list[tuple[str, pd.DataFrame]]]:
    """Titles and values of the panels of every measure."""
    listed = known[["published", "dataset", "group"]].drop_duplicates()
    groups = listed.sort_values("published", kind="stable").to_dict("records")
    ours = [(one["dataset"], one["group"]) for one in groups if not one["published"]]
    titles = [*group_titles(ours), *(f"{one['group']}, as published" for one in groups[len(ours) :])]
    found: dict[str, list[tuple[str, pd.DataFrame]]] = {}
    for metric in dict.fromkeys(known["metric"]):
        for one, title in zip(groups, titles, strict=True):
            here = (known["dataset"] == one["dataset"]) & (known["group"] == one["group"])
            part = known[here & (known["metric"] == metric)]
            if len(part):
                found.setdefault(metric, []).append((title, part))
    return found


def _draw_curve(ax: Axes, line: pd.DataFrame, style: Mapping[str, Any], *, band: bool) -> None:
    line = line.sort_values("place")
    style = _grey(style, bool(line["published"].any()))
    name = str(line[SETTING].iloc[0])
    ax.plot(line["place"], line["mean"], ms=4, label=name, **style)
    if band and line["ci_low"].notna().any():
        ax.fill_between(
            line["place"], line["ci_low"], line["ci_high"], color=style["color"], alpha=0.12, lw=0
        )


def _grey(style: Mapping[str, Any], published: bool) -> dict[str, Any]:
    return {**style, "color": GREY} if published else dict(style)


def _legend(figure: Figure, handles: Mapping[str, Any], title: str) -> None:
    figure.legend(
        list(handles.values()),
        list(handles),
        title=title,
        loc="outside upper center",
        ncols=min(len(handles), 5),
        frameon=False,
    )


def _measure(part: pd.DataFrame, metric: str) -> str:
    """Name the metric and its unit, and which way is better."""
    arrow = "↑" if metric in HIGHER_IS_BETTER else "↓"
    return fill(f"{metric_title(part, metric)} {arrow}", 24)
