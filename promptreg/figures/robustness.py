"""Measures against how much of a known change an image has undergone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from promptreg.datasets.corrupted import LEVELS
from promptreg.figures.style import LOOK, PAGE_WIDTH, line_of
from promptreg.stats import HIGHER_IS_BETTER
from promptreg.tables import METRICS, metric_title
from promptreg.units import in_order

MOST_COLUMNS = 4
TITLE_LETTERS = 100
"""Of the titles of a row of panels together."""
MOST_BANDS = 2
"""Intervals of more methods would hide each other."""


@mpl.rc_context(LOOK)
def robustness_curves(data: pd.DataFrame, methods: Sequence[str], *, palette: str = "colorblind") -> Figure:
    """Draw the mean of every measure against the level of every change, a line a method.

    `data` is that of `robustness.robustness_table`. A row is a measure of a group, a column a change; where
    there is one change alone a row is a group, a column a measure. Bands, of few methods, are 95 % intervals,
    and a level at which a method failed on some pairs has an open marker. Methods keep their order and look.
    """
    known = _apart(data[data["mean"].notna()])
    one_change = known["kind"].nunique() < 2
    lead, along = (["group"], "metric") if one_change else (["group", "metric"], "kind")
    blocks = [block for _, block in known.groupby(lead, sort=False)]
    names = in_order(known["metric"], METRICS) if one_change else list(dict.fromkeys(known[along]))
    n_lines = max(-(-len(names) // MOST_COLUMNS), 1)
    n_columns = max(-(-len(names) // n_lines), 1)
    n_rows = max(len(blocks) * n_lines, 1)
    figure = Figure(figsize=(PAGE_WIDTH, 1.75 * n_rows + 0.4), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).reshape(-1, n_lines * n_columns)
    for ax in axes.flat:
        ax.set_axis_off()
    styles = line_of(list(methods), palette)
    for row, block in zip(axes, blocks, strict=False):
        for ax, name in zip(row, names, strict=False):
            part = block[block[along] == name]
            if len(part):
                _draw_panel(ax, part, styles)
                title = ": ".join(filter(None, part.iloc[0][["group", "kind"]]))
                ax.set_title(fill(title, TITLE_LETTERS // n_columns))
    handles = [mpl.lines.Line2D([], [], ms=4, **styles[name]) for name in methods]
    figure.legend(
        handles, list(methods), loc="outside upper center", ncols=min(len(methods), 5), frameon=False
    )
    return figure


def _apart(known: pd.DataFrame) -> pd.DataFrame:
    """Name the data set, too, where several have a group of one name under the same change."""
    several = known.groupby(["group", "kind"])["dataset"].transform("nunique") > 1
    return known.assign(group=known["group"].mask(several, known["dataset"] + ": " + known["group"]))


def _draw_panel(ax: Axes, part: pd.DataFrame, styles: Mapping[str, dict[str, Any]]) -> None:
    """One measure of one group against one change."""
    ax.set_axis_on()
    for name, style in styles.items():
        line = part[part["entry"] == name].sort_values("level")
        if len(line):
            _draw(ax, line, style, band=len(styles) <= MOST_BANDS)
    levels = sorted(set(part["level"]))
    ax.set_xticks(levels, [f"{one:g}" for one in levels])
    ax.set_xlabel(fill(LEVELS[part["kind"].iloc[0]], 22))
    ax.set_ylabel(_measure(part, part["metric"].iloc[0]))
    ax.grid(alpha=0.4)


def _draw(ax: Axes, line: pd.DataFrame, style: dict[str, Any], *, band: bool) -> None:
    ax.plot(line["level"], line["mean"], ms=4, **style)
    if band:
        ax.fill_between(line["level"], line["ci_low"], line["ci_high"], color=style["color"], alpha=0.1, lw=0)
    lost = line[line["n_failed"] + line["n_not_run"] > 0]
    ax.plot(lost["level"], lost["mean"], ms=4, mfc="white", **{**style, "linestyle": "none"})


def _measure(part: pd.DataFrame, metric: str) -> str:
    arrow = "↑" if metric in HIGHER_IS_BETTER else "↓"
    return f"{metric_title(part, metric)} {arrow}"
