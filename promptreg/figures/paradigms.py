"""What other paradigms take for the region that a prompt points at, after the paper's Fig. 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from promptreg.figures.sections import (
    Section,
    busiest_section,
    grey,
    outline,
    picture,
    section,
    shape_ratio,
    show,
)
from promptreg.figures.style import GREY, LOOK, PAGE_WIDTH, colors
from promptreg.types import Grid, Image, Pair

ARROW = 0.16
"""Length of an arrow, of the longer side of its panel."""


@dataclass(frozen=True, eq=False)
class Regions:
    """K regions of one paradigm on one image.

    Attributes:
        title: what the paradigm is called.
        masks: (K, *grid.shape) probabilities.
        points: (K, ndim) prompts, world; None for a paradigm without prompts.
        reasons: K texts, why a region is none; empty where there is one.
    """

    title: str
    masks: Tensor
    grid: Grid
    points: Tensor | None
    reasons: tuple[str, ...]


@mpl.rc_context(LOOK)
def paradigms_side_by_side(
    pair: Pair, target: Regions, found: Sequence[Regions], *, palette: str = "colorblind"
) -> Figure:
    """Draw a row a prompt: its region on the moving image, and on the fixed one what each paradigm finds.

    Arrows point at prompts, given on the moving image and found on the fixed one. Volumes are cut where most
    of the regions of a row are seen.
    """
    n_rows, n_columns = len(target.masks), 1 + len(found)
    cuts = [_planes(pair, target, found, k) for k in range(n_rows)]
    panel = min(PAGE_WIDTH / n_columns, 2.2)
    heights = [panel * max(map(shape_ratio, one)) for one in cuts]
    figure = Figure(figsize=(panel * n_columns, sum(heights) + 0.3), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, height_ratios=heights)
    hue = colors(4, palette)[3]
    for k, (row, (moving, fixed)) in enumerate(zip(axes, cuts, strict=True)):
        _draw(row[0], pair.moving, moving, target, k, hue)
        for ax, one in zip(row[1:], found, strict=True):
            _draw(ax, pair.fixed, fixed, one, k, hue)
    for ax, one in zip(axes[0], (target, *found), strict=True):
        ax.set_title(fill(one.title, 20))
    return figure


def _planes(pair: Pair, target: Regions, found: Sequence[Regions], k: int) -> tuple[Section, Section]:
    """Sections of both images that show most of the regions of prompt k."""
    seen = [one for one in found if not one.reasons[k]]
    moving = busiest_section(pair.moving.grid, target.masks[[k]], target.grid)
    if not seen:
        return moving, section(pair.fixed.grid)
    best = max(seen, key=lambda one: float(one.masks[k].sum()) * one.grid.spacing.prod())
    return moving, busiest_section(pair.fixed.grid, best.masks[[k]], best.grid)


def _draw(ax: Axes, image: Image, plane: Section, regions: Regions, k: int, hue: Any) -> None:
    show(ax, 0.25 + 0.75 * grey(picture(image, plane)), plane)
    if regions.reasons[k]:
        _say(ax, regions.reasons[k])
        return
    mask = plane.read(regions.masks[[k]], regions.grid)[0]
    tint = np.zeros((*mask.shape, 4))
    tint[..., :3], tint[..., 3] = hue, 0.45 * (mask >= 0.5)
    limits = ax.get_xlim(), ax.get_ylim()
    ax.imshow(tint, aspect=ax.get_aspect(), interpolation="nearest")
    outline(ax, mask, colors=[hue], linewidths=1.2)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])
    if regions.points is not None and torch.isfinite(regions.points[k]).all():
        _point_at(ax, plane.project(regions.points[[k]])[0][0])


def _point_at(ax: Axes, place: np.ndarray) -> None:
    """An arrow to a place (column, row), from above and the side that has more room."""
    (left, right), (bottom, top) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    length = ARROW * max(right - left, top - bottom)
    sideways = length if place[0] < (left + right) / 2 else -length
    upwards = length if place[1] < (bottom + top) / 2 else -length
    halo = [patheffects.Stroke(linewidth=3.0, foreground="white"), patheffects.Normal()]
    look = {"arrowstyle": "-|>", "color": "black", "lw": 1.3, "shrinkA": 0, "shrinkB": 0}
    ax.annotate(
        "",
        xy=(float(place[0]), float(place[1])),
        xytext=(place[0] + sideways, place[1] + upwards),
        arrowprops={**look, "path_effects": halo},
    )


def _say(ax: Axes, reason: str) -> None:
    ax.text(
        0.5, 0.5, fill(reason, 22), transform=ax.transAxes, ha="center", va="center",
        color=GREY, fontsize=6.5, bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none"},
    )  # fmt: skip
