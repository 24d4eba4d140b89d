"""Metrics by method and group, and where the time goes."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from promptreg.figures.style import GREY, LOOK, PAGE_WIDTH, color_of
from promptreg.stats import HIGHER_IS_BETTER
from promptreg.tables import METRIC_TITLES


@mpl.rc_context(LOOK)
def metric_distributions(
    cases: pd.DataFrame, methods: Sequence[str], *, metrics: Sequence[str], palette: str = "colorblind"
) -> Figure:
    """Draw a box and all pairs of every method: one row of panels a metric, one column a group.

    `cases` is that of `stats.case_values`; methods keep their order and colour, and one without values
    keeps its empty place; a metric that no pair has is left out.
    """
    groups = list(cases[["dataset", "group"]].drop_duplicates().itertuples(index=False, name=None)) or [
        ("", "")
    ]
    metrics = [m for m in metrics if cases.loc[cases["metric"] == m, "value"].notna().any()] or list(
        metrics[:1]
    )
    hues = color_of(list(methods), palette)
    height = 0.19 * len(methods) + 0.55
    figure = Figure(figsize=(PAGE_WIDTH, height * len(metrics) + 0.2), layout="constrained")
    axes = figure.subplots(len(metrics), len(groups), squeeze=False, sharex="row", sharey=True)
    for row, metric in zip(axes, metrics, strict=True):
        for ax, (dataset, group) in zip(row, groups, strict=True):
            chosen = (cases["metric"] == metric) & (cases["dataset"] == dataset) & (cases["group"] == group)
            part = cases[chosen].dropna(subset="value")
            if part.empty:
                ax.text(
                    0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", va="center", color=GREY
                )
            else:
                _draw_boxes(ax, part, hues)
            ax.set_yticks(range(len(methods)), list(methods))
            ax.set_ylim(len(methods) - 0.5, -0.5)
            ax.grid(axis="x", alpha=0.4)
            ax.set_axisbelow(True)
            ax.set(xlabel="", ylabel="")
        _label_row(row, cases[cases["metric"] == metric], metric)
    for ax, (dataset, group) in zip(axes[0], groups, strict=True):
        ax.set_title(group or dataset)
    return figure


@mpl.rc_context(LOOK)
def stage_times(seconds: pd.DataFrame, methods: Sequence[str], *, palette: str = "colorblind") -> Figure:
    """Draw the median seconds per pair of every method as bars stacked by stage.

    `seconds` is the data of `tables.seconds_table` (columns entry, stage, median).
    """
    stages = list(dict.fromkeys(seconds["stage"]))
    wide = seconds.pivot(index="entry", columns="stage", values="median").reindex(
        index=list(methods), columns=stages
    )
    wide = wide.fillna(0.0)
    figure = Figure(figsize=(PAGE_WIDTH, 0.24 * len(methods) + 0.9), layout="constrained")
    ax = figure.subplots()
    left = np.zeros(len(methods))
    for stage, hue in color_of(stages, palette).items():
        ax.barh(
            range(len(methods)),
            wide[stage],
            left=left,
            height=0.7,
            color=hue,
            label=stage,
            edgecolor="white",
            lw=0.4,
        )
        left += wide[stage].to_numpy()
    for position, total in enumerate(left):
        ax.text(
            total, position, f" {total:.3g} s" if total > 0 else " no time measured", va="center", fontsize=7
        )
    ax.set_yticks(range(len(methods)), list(methods))
    ax.set_ylim(len(methods) - 0.4, -0.6)
    ax.margins(x=0.12)
    ax.set_xlabel("median seconds per pair")
    if stages:
        figure.legend(loc="outside upper center", ncols=min(len(stages), 7), frameon=False)
    return figure


def _draw_boxes(ax: mpl.axes.Axes, part: pd.DataFrame, hues: dict[str, tuple[float, float, float]]) -> None:
    shared = {
        "data": part,
        "x": "value",
        "y": "entry",
        "order": list(hues),
        "hue": "entry",
        "hue_order": list(hues),
    }
    sns.boxplot(
        **shared, palette=hues, ax=ax, width=0.62, fliersize=0, linewidth=0.7, saturation=0.9, legend=False
    )
    sns.stripplot(
        **shared, palette=["0.15"] * len(hues), ax=ax, size=2.2, alpha=0.6, jitter=False, legend=False
    )


def _label_row(row: np.ndarray, part: pd.DataFrame, metric: str) -> None:
    """Name the metric beneath its panels, and which way is better."""
    unit = next((unit for unit in part["unit"] if unit), "")
    better = "higher is better" if metric in HIGHER_IS_BETTER else "lower is better"
    title = METRIC_TITLES.get(metric, metric) + (f" ({unit})" if unit else "")
    for ax in row:
        ax.set_xlabel(f"{title}, {better}")
