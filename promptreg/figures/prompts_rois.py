"""Corresponding prompts and regions in both images, after the paper's Fig. 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from promptreg.figures.sections import Section, busiest_section, outline, picture, shape_ratio, show
from promptreg.figures.style import GREY, LOOK, PAGE_WIDTH, colors
from promptreg.types import Pair

if TYPE_CHECKING:
    from promptreg.correspond import Correspondences

NEAR_CELLS = 1.5
"""A point this close to the section is drawn full, one farther away faint."""


@mpl.rc_context(LOOK)
def prompts_and_rois(pair: Pair, found: Correspondences, *, palette: str = "colorblind") -> Figure:
    """Draw the numbered prompts and ROI contours of all pairs on the moving and the fixed image.

    Accepted pairs have one colour in both images; circles are given and found prompts, + and - auxiliary
    points. Rejected pairs are dashed grey, with their reasons beneath. Volumes are cut where most of the
    accepted ROIs are seen; points off that plane are faint.
    """
    rois, kept = found.rois, torch.tensor([not reason for reason in found.reasons], dtype=torch.bool)
    chosen = kept if kept.any() else torch.ones_like(kept)
    planes = (
        busiest_section(pair.moving.grid, rois.moving[chosen], rois.moving_grid),
        busiest_section(pair.fixed.grid, rois.fixed[chosen], rois.fixed_grid),
    )
    notes = [f"{k + 1} rejected: {reason}" for k, reason in enumerate(found.reasons) if reason]
    ratio = max(map(shape_ratio, planes))
    figure = Figure(
        figsize=(PAGE_WIDTH, PAGE_WIDTH / 2 * ratio + 0.3 + 0.14 * len(notes)), layout="constrained"
    )
    axes = figure.subplots(1, 2)
    hues = iter(colors(int(kept.sum()), palette))
    hue_of = [next(hues) if accepted else GREY for accepted in kept.tolist()]
    show(axes[0], picture(pair.moving, planes[0]), planes[0])
    show(axes[1], picture(pair.fixed, planes[1]), planes[1])
    _draw_rois(axes[0], planes[0].read(rois.moving, rois.moving_grid), hue_of, kept)
    _draw_rois(axes[1], planes[1].read(rois.fixed, rois.fixed_grid), hue_of, kept)
    for k, hue in enumerate(hue_of):
        _draw_prompt(axes[0], planes[0], found.prompts.points[k, 0], number=k + 1, hue=hue)
        _draw_prompt(axes[1], planes[1], found.points[k, 0], number=k + 1, hue=hue)
        given = found.prompts
        _draw_auxiliary(axes[0], planes[0], given.points[k, 1:], labels=given.labels[k, 1:], hue=hue)
        _draw_auxiliary(axes[1], planes[1], found.points[k, 1:], labels=found.labels[k, 1:], hue=hue)
    axes[0].set_title("moving: given prompts $Z^x$", parse_math=True)
    axes[1].set_title("fixed: corresponding prompts $Z^y$", parse_math=True)
    if notes:
        figure.supxlabel("\n".join(notes), fontsize=6.5, color=GREY, x=0.02, ha="left")
    return figure


def _draw_rois(ax: Axes, masks: np.ndarray, hues: list, kept: Tensor) -> None:
    for mask, hue, accepted in zip(masks, hues, kept.tolist(), strict=True):
        line: dict[str, Any] = (
            {"linestyles": "-", "linewidths": 1.6} if accepted else {"linestyles": "--", "linewidths": 0.9}
        )
        outline(ax, mask, colors=[hue], **line)


def _draw_prompt(ax: Axes, plane: Section, point: Tensor, *, number: int, hue: Any) -> None:
    places, off = plane.project(point[None])
    alpha = 1.0 if off[0] <= NEAR_CELLS else 0.45
    ax.text(
        places[0, 0],
        places[0, 1],
        str(number),
        color="white",
        fontsize=6.5,
        fontweight="bold",
        ha="center",
        va="center",
        alpha=alpha,
        clip_on=True,
        bbox={
            "boxstyle": "circle,pad=0.25",
            "facecolor": hue,
            "edgecolor": "white",
            "linewidth": 0.8,
            "alpha": alpha,
        },
    )


def _draw_auxiliary(ax: Axes, plane: Section, points: Tensor, *, labels: Tensor, hue: Any) -> None:
    halo = [patheffects.Stroke(linewidth=3.2, foreground="white"), patheffects.Normal()]
    for label, marker in ((1, "+"), (0, "_")):
        chosen = points[labels == label]
        if len(chosen):
            places, off = plane.project(chosen)
            for place, distance in zip(places, off, strict=True):
                alpha = 1.0 if distance <= NEAR_CELLS else 0.45
                ax.plot(*place, marker, color=hue, ms=7, mew=1.8, alpha=alpha, path_effects=halo)
