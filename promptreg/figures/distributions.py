"""Metrics by method and group, and where the time goes."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from promptreg.figures.style import LOOK, PAGE_WIDTH, color_of
from promptreg.stats import HIGHER_IS_BETTER
from promptreg.tables import metric_title, title_of

MOST_COLUMNS = 4


@mpl.rc_context(LOOK)
def metric_distributions(
    cases: pd.DataFrame, methods: Sequence[str], *, metrics: Sequence[str], palette: str = "colorblind"
) -> Figure:
    """Draw a box and all pairs of every method: a block of panels a metric, a panel a group.

    `cases` is that of `stats.case_values`; methods keep their order and colour, and one without values
    keeps its empty place. A metric leaves out the groups in which it was not measured.
    """
    hues = color_of(list(methods), palette)
    blocks = [_panels(cases, metric) for metric in metrics]
    n_columns = min(MOST_COLUMNS, max(map(len, blocks)))
    rows = [block[start : start + n_columns] for block in blocks for start in range(0, len(block), n_columns)]
    height = 0.17 * len(methods) + 0.6
    figure = Figure(figsize=(PAGE_WIDTH, height * len(rows) + 0.2), layout="constrained")
    axes = figure.subplots(len(rows), n_columns, squeeze=False, sharey=True)
    for ax in axes.flat:
        ax.set_axis_off()
    for row, panels in zip(axes, rows, strict=False):
        for ax, (metric, title, part) in zip(row, panels, strict=False):
            ax.set_axis_on()
            if part is None:
                ax.text(0.1, 0.5, f"{title_of(metric)}: not measured")
                continue
            _draw_boxes(ax, part, hues)
            ax.set_yticks(range(len(methods)), list(methods))
            ax.set_ylim(len(methods) - 0.5, -0.5)
            ax.grid(axis="x", alpha=0.4)
            ax.set_axisbelow(True)
            ax.set(xlabel=_axis_title(part, metric), ylabel="")
            ax.set_title(title)
    return figure


def _panels(cases: pd.DataFrame, metric: str) -> list[tuple[str, str, pd.DataFrame | None]]:
    """The groups in which a metric was measured: metric, title, values; one empty panel if there are none."""
    measured = cases[cases["metric"] == metric].dropna(subset="value")
    parts = measured.groupby(["dataset", "group"], sort=False)
    panels = [(metric, str(group or dataset), part) for (dataset, group), part in parts]
    return [*panels] or [(metric, "", None)]


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


def _axis_title(part: pd.DataFrame, metric: str) -> str:
    """Name the metric, its unit, and which way is better."""
    better = "higher is better" if metric in HIGHER_IS_BETTER else "lower is better"
    return f"{metric_title(part, metric)}\n{better}"
