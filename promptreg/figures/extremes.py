"""A few pairs of one method, a row each: what moves, where to, and how it lies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from promptreg.figures.methods import LabelContours, label_plane
from promptreg.figures.overlays import moved_picture, overlay
from promptreg.figures.sections import picture, shape_ratio, show
from promptreg.figures.style import GREY, LOOK
from promptreg.geometry import affine_to_ddf
from promptreg.types import Ddf, Pair

WIDTH = 6.0
TITLES = ("moving", "fixed", "moved", "overlay")


@dataclass(frozen=True, eq=False)
class Case:
    """A pair, its field or the reason why there is none, and its label maps, if any."""

    title: str
    pair: Pair
    field: Ddf | str
    moving_labels: np.ndarray | None = None
    fixed_labels: np.ndarray | None = None


@mpl.rc_context(LOOK)
def case_rows(cases: Sequence[Case], *, palette: str = "colorblind") -> Figure:
    """Draw a row a pair: the pre-aligned moving image, the fixed one, the moved one, and both in one.

    The overlay has the moved image in orange and the fixed one in blue, with the fixed labels solid and the
    warped ones dashed. Volumes are cut where most of the fixed labels are seen.
    """
    values = [_values(case.fixed_labels) for case in cases]
    planes = [
        label_plane(case.pair.fixed.grid, case.fixed_labels, own)
        for case, own in zip(cases, values, strict=True)
    ]
    heights = [min(WIDTH / 4 * shape_ratio(plane), 3.0) + 0.22 for plane in planes]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.1), layout="constrained")
    rows = figure.subplots(len(cases), 4, squeeze=False, height_ratios=heights)
    for row, case, plane, own in zip(rows, cases, planes, values, strict=True):
        fixed = picture(case.pair.fixed, plane)
        before = affine_to_ddf(case.pair.prealignment, plane.grid)
        show(row[0], moved_picture(case.pair.moving, before, plane), plane)
        show(row[1], fixed, plane)
        row[0].set_title(case.title, loc="left", fontsize=7).set_in_layout(False)
        if isinstance(case.field, str):
            _say(row[2:], case.field)
            continue
        moved = moved_picture(case.pair.moving, case.field, plane)
        show(row[2], moved, plane)
        show(row[3], overlay(moved, fixed), plane)
        contours = LabelContours(
            plane, case.pair, own, moving=case.moving_labels, fixed=case.fixed_labels, palette=palette
        )
        contours.draw_fixed(row[3])
        contours.draw_warped(row[3], case.field)
    for ax, title in zip(rows[-1], TITLES, strict=True):
        ax.set_xlabel(title)
    return figure


def _values(labels: np.ndarray | None) -> list[int]:
    return [] if labels is None else [int(value) for value in np.unique(labels)[:8] if value > 0]


def _say(axes: Sequence[Axes], reason: str) -> None:
    for ax in axes:
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_visible(False)
    axes[0].text(
        0.05, 0.5, fill(reason, 26), transform=axes[0].transAxes, va="center", color=GREY, fontsize=7
    )
