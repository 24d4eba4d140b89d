"""Reliability: the error that came true against what was foretold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from textwrap import fill

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from promptreg.figures.style import GREY, LOOK, PAGE_WIDTH, line_of
from promptreg.tables import group_titles, groups_in

AXES = {
    "views": "variance over views around",
    "prompts": "misfit of region pairs around",
    "distance": "distance to the nearest region",
    "variance": "variance over views, region",
}


@mpl.rc_context(LOOK)
def reliability_curves(data: pd.DataFrame, methods: Sequence[str], *, palette: str = "colorblind") -> Figure:
    """Draw mean error against mean prediction in tenths of the points: a row a group, a line a method.

    `data` is that of `calibration_table.calibration_table`. Numbers are median rank correlations within
    pairs. Grey lines say where the variance of a region equals its squared error.
    """
    groups = groups_in(data)
    names = [name for name in methods if name in set(data["entry"])]
    styles = line_of(names, palette)
    figure = Figure(figsize=(PAGE_WIDTH, 2.0 * max(len(groups), 1) + 0.4), layout="constrained")
    axes = figure.subplots(max(len(groups), 1), len(AXES), squeeze=False)
    places = product(zip(groups, group_titles(groups), strict=True), AXES)
    for ax, (((dataset, group), title), predictor) in zip(axes.ravel(), places, strict=False):
        here = data[
            (data["dataset"] == dataset) & (data["group"] == group) & (data["predictor"] == predictor)
        ]
        for name in names:
            line = here[here["entry"] == name]
            if len(line):
                rho = line["rho_within"].iloc[0]
                ax.plot(
                    line["predicted"],
                    line["error"],
                    ms=3.5,
                    label=f"ρ = {rho:+.2f}".replace("-", "−"),
                    **styles[name],
                )
        if predictor == "variance" and len(here):
            top = here["predicted"].max()
            ax.plot([0, top], [0, top], color=GREY, lw=0.8, zorder=0)
        ax.set_xlabel(fill(_with_unit(AXES[predictor], here["unit"]), 24))
        ax.set_ylim(bottom=0)
        ax.grid(alpha=0.4)
        if len(here):
            ax.legend(handlelength=1.2, edgecolor="none", framealpha=0.7)
        if predictor == "views":
            ax.set_ylabel(_with_unit("error of the field", here["error_unit"]))
            ax.set_title(title, loc="left")
        if predictor == "variance":
            ax.set_ylabel("squared error of the region")
    handles = [mpl.lines.Line2D([], [], ms=4, **styles[name]) for name in names]
    if names:
        figure.legend(handles, names, loc="outside upper center", ncols=5, frameon=False)
    return figure


def _with_unit(text: str, units: pd.Series) -> str:
    unit = next((unit for unit in units if unit), "")
    return f"{text} ({unit})" if unit else text
