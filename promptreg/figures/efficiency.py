"""Accuracy against cost."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from promptreg.figures.style import GREY, LOOK, PAGE_WIDTH, line_of, plain_log_ticks
from promptreg.stats import HIGHER_IS_BETTER
from promptreg.tables import group_titles, groups_in, metric_title

COSTS = {"seconds": "seconds per pair", "gflop": "GFLOP per pair"}
MOST_COLUMNS = 3


@mpl.rc_context(LOOK)
def cost_accuracy(data: pd.DataFrame, methods: Sequence[str], *, palette: str = "colorblind") -> Figure:
    """Draw the mean measure of every method against its median cost: a panel a group, a row of them a cost.

    `data` is that of `efficiency.efficiency_table`. A grey line joins the methods that no other beats in
    both; operations have panels where they were counted at all.
    """
    groups = groups_in(data)
    panels = [
        (cost, title, data[(data["dataset"] == dataset) & (data["group"] == group)])
        for cost in COSTS
        if data[cost].notna().any()
        for title, (dataset, group) in zip(group_titles(groups), groups, strict=True)
    ]
    n_columns = len(groups) if 1 < len(groups) <= MOST_COLUMNS else min(MOST_COLUMNS, max(len(panels), 1))
    n_rows = max(-(-len(panels) // n_columns), 1)
    figure = Figure(figsize=(PAGE_WIDTH, 2.2 * n_rows + 0.5), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    styles = line_of(list(methods), palette)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    for ax, (cost, title, part) in zip(axes, panels, strict=False):
        known = part[part["mean"].notna() & (part[cost] > 0)]
        _draw_front(ax, known, cost)
        for row in known.to_dict("records"):
            style = {key: styles[row["entry"]][key] for key in ("color", "marker")}
            ax.plot(row[cost], row["mean"], ls="none", ms=6, **style)
        ax.set(xscale="log", xlabel=COSTS[cost], ylabel=_measure(part))
        plain_log_ticks(ax.xaxis)
        ax.set_title(title)
        ax.grid(alpha=0.4)
    handles = [mpl.lines.Line2D([], [], ms=5, **{**styles[name], "linestyle": "none"}) for name in methods]
    figure.legend(handles, list(methods), loc="outside upper center", ncols=4, frameon=False)
    return figure


def front(costs: np.ndarray, losses: np.ndarray) -> list[int]:
    """Return which of N methods no other beats in both cost and loss, by rising cost."""
    chosen: list[int] = []
    for number in np.lexsort((losses, costs)):
        if not chosen or losses[number] < losses[chosen[-1]]:
            chosen.append(int(number))
    return chosen


def _draw_front(ax: Axes, known: pd.DataFrame, cost: str) -> None:
    if known.empty:
        return
    sign = -1 if known["metric"].iloc[0] in HIGHER_IS_BETTER else 1
    best = known.iloc[front(known[cost].to_numpy(), sign * known["mean"].to_numpy())]
    ax.plot(best[cost], best["mean"], color=GREY, lw=1, drawstyle="steps-post", zorder=0)


def _measure(part: pd.DataFrame) -> str:
    metric = part["metric"].iloc[0]
    arrow = "↑" if metric in HIGHER_IS_BETTER else "↓"
    return f"{metric_title(part, metric)} {arrow}"
