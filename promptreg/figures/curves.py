"""How a training run went."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from promptreg.figures.style import LOOK, PAGE_WIDTH, color_of, plain_log_ticks

LOSSES = ("mask", "iou", "peak", "region", "point")
MEASURES = {
    "one_click": "IoU, one click",
    "best_of_3": "IoU, best of three",
    "several": "IoU, several clicks",
    "proto_hit": "hits of regions",
    "point_hit": "hits of points",
}


@mpl.rc_context(LOOK)
def training_curves(log: pd.DataFrame, *, palette: str = "colorblind") -> Figure:
    """Draw the losses, and the measures on the fixed validation set, against the images seen.

    `log` has the columns of the log that training writes, one row every few steps.
    """
    figure = Figure(figsize=(PAGE_WIDTH, 0.4 * PAGE_WIDTH), layout="constrained")
    left, right = figure.subplots(1, 2)
    for ax, names in ((left, dict(zip(LOSSES, LOSSES, strict=True))), (right, MEASURES)):
        hues = color_of(list(names), palette)
        for name, title in names.items():
            shown = log[["n_images", name]].dropna()
            ax.plot(shown["n_images"], shown[name], color=hues[name], label=title)
        ax.set_xlabel("images seen")
        ax.legend()
    left.set(yscale="log", ylabel="loss")
    plain_log_ticks(left.yaxis)
    right.set(ylim=(0, 1), ylabel="validation")
    return figure


@mpl.rc_context(LOOK)
def registration_curves(log: pd.DataFrame, *, palette: str = "colorblind") -> Figure:
    """Draw what decides about a registration network, and Dice on validation pairs, against steps.

    `log` has the columns step, seen, validation and dice, one row every few steps.
    """
    figure = Figure(figsize=(PAGE_WIDTH, 0.4 * PAGE_WIDTH), layout="constrained")
    left, right = figure.subplots(1, 2)
    losses = {"seen": "pairs trained on", "validation": "pairs kept for validation"}
    for ax, names in ((left, losses), (right, {"dice": "pairs kept for validation"})):
        hues = color_of(list(names), palette)
        for name, title in names.items():
            shown = log[["step", name]].dropna()
            ax.plot(shown["step"], shown[name], color=hues[name], label=title)
        ax.set_xlabel("steps")
        ax.legend()
    left.set(ylabel="loss")
    right.set(ylim=(0, 1), ylabel="Dice of the labels")
    return figure


@mpl.rc_context(LOOK)
def adapter_curves(log: pd.DataFrame, *, palette: str = "colorblind") -> Figure:
    """Draw the losses of a model trained on labels, and Dice of one click, against steps.

    `log` has the columns step, loss, mask, score, dice and seen_dice, one row every few steps.
    """
    figure = Figure(figsize=(PAGE_WIDTH, 0.4 * PAGE_WIDTH), layout="constrained")
    left, right = figure.subplots(1, 2)
    measures = {"dice": "subjects kept for validation", "seen_dice": "subjects trained on"}
    for ax, names in ((left, {name: name for name in ("loss", "mask", "score")}), (right, measures)):
        hues = color_of(list(names), palette)
        for name, title in names.items():
            shown = log[["step", name]].dropna()
            ax.plot(shown["step"], shown[name], color=hues[name], label=title)
        ax.set_xlabel("steps")
        ax.legend()
    left.set(yscale="log", ylabel="loss")
    plain_log_ticks(left.yaxis)
    right.set(ylim=(0, 1), ylabel="Dice, one click")
    return figure
