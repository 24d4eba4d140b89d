"""Measures against how much of a known change an image has undergone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from promptreg.datasets.corrupted import LEVELS
from promptreg.figures.style import LOOK, PAGE_WIDTH, line_of
from promptreg.stats import HIGHER_IS_BETTER
from promptreg.tables import METRIC_TITLES

MOST_COLUMNS = 4
MOST_BANDS = 2
"""Intervals of more methods would hide each other."""


@mpl.rc_context(LOOK)
def robustness_curves(data: pd.DataFrame, methods: Sequence[str], *, palette: str = "colorblind") -> Figure:
    """Draw the mean of every measure against the level of every change, a line a method.

    `data` is that of `robustness.robustness_table`; bands, of few methods, are 95 % intervals, and a level at
    which a method failed on some pairs has an open marker. Methods keep their order and look.
    """
    known = data[data["mean"].notna()]
    keys = [dict.fromkeys(known[name]) for name in ("group", "metric", "kind")]
    panels = [
        (group, metric, kind, part)
        for group, metric, kind in product(*keys)
        if len(
            part := known[(known["group"] == group) & (known["metric"] == metric) & (known["kind"] == kind)]
        )
    ]
    n_columns = min(MOST_COLUMNS, max(len(keys[2]), 1))
    n_rows = max(-(-len(panels) // n_columns), 1)
    figure = Figure(figsize=(PAGE_WIDTH, 1.65 * n_rows + 0.4), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    styles = line_of(list(methods), palette)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, (group, metric, kind, part) in zip(axes, panels, strict=False):
        for name in methods:
            line = part[part["entry"] == name].sort_values("level")
            if len(line):
                _draw(ax, line, styles[name], band=len(methods) <= MOST_BANDS)
        ax.set_title(f"{group}: {kind}" if group else kind)
        levels = sorted(set(part["level"]))
        ax.set_xticks(levels, [f"{one:g}" for one in levels])
        ax.set_xlabel(LEVELS[kind])
        ax.set_ylabel(_measure(part, metric))
        ax.grid(alpha=0.4)
    if panels:
        handles = [mpl.lines.Line2D([], [], ms=4, **styles[name]) for name in methods]
        figure.legend(
            handles, list(methods), loc="outside upper center", ncols=min(len(methods), 5), frameon=False
        )
    return figure


def _draw(ax: mpl.axes.Axes, line: pd.DataFrame, style: dict, *, band: bool) -> None:
    ax.plot(line["level"], line["mean"], ms=4, **style)
    if band:
        ax.fill_between(line["level"], line["ci_low"], line["ci_high"], color=style["color"], alpha=0.1, lw=0)
    lost = line[line["n_failed"] + line["n_not_run"] > 0]
    ax.plot(lost["level"], lost["mean"], ms=4, mfc="white", **{**style, "linestyle": "none"})


def _measure(part: pd.DataFrame, metric: str) -> str:
    unit = next((unit for unit in part["unit"] if unit), "")
    arrow = "↑" if metric in HIGHER_IS_BETTER else "↓"
    return METRIC_TITLES.get(metric, metric) + (f" ({unit})" if unit else "") + f" {arrow}"
