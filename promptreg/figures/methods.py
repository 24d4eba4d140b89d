"""All methods side by side on one pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from textwrap import fill

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from promptreg.figures.overlays import moved_picture
from promptreg.figures.sections import (
    Section,
    busiest_section,
    deformation_lines,
    outline,
    picture,
    section,
    shape_ratio,
    show,
)
from promptreg.figures.style import GREY, LOOK, PAGE_WIDTH, colors
from promptreg.geometry import warp
from promptreg.labelmaps import one_hot
from promptreg.types import Ddf, Grid, Pair

N_COLUMNS = 4


@mpl.rc_context(LOOK)
def methods_side_by_side(
    pair: Pair,
    fields: Mapping[str, Ddf | str],
    *,
    moving_labels: np.ndarray | None = None,
    fixed_labels: np.ndarray | None = None,
    notes: Mapping[str, str] | None = None,
    palette: str = "colorblind",
) -> Figure:
    """Draw the fixed image, then the moved image of every method, with the deformed grid and the labels.

    `fields` maps a method's name to its field, or to the reason why it has none; their order is kept. Label
    contours are solid for the fixed image, dashed for the warped labels. `notes` are added to the titles.
    """
    values = [int(v) for v in np.unique(fixed_labels)[:8] if v > 0] if fixed_labels is not None else []
    plane = label_plane(pair.fixed.grid, fixed_labels, values)
    contours = LabelContours(plane, pair, values, moving=moving_labels, fixed=fixed_labels, palette=palette)
    n_panels = 1 + len(fields)
    n_columns = min(N_COLUMNS, n_panels)
    n_rows = -(-n_panels // n_columns)
    panel = PAGE_WIDTH / N_COLUMNS
    size = (panel * n_columns, n_rows * (panel * shape_ratio(plane) + 0.22) + 0.25)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    show(axes[0], picture(pair.fixed, plane), plane)
    axes[0].set_title("fixed")
    contours.draw_fixed(axes[0])
    for ax, (name, field) in zip(axes[1:], fields.items(), strict=False):
        note = (notes or {}).get(name, "")
        ax.set_title(f"{name}\n{note}" if note else name)
        _draw_method(ax, pair, field, plane=plane, contours=contours)
    for ax in axes[n_panels:]:
        ax.set_axis_off()
    if values:
        lines = [Line2D([], [], color="black", ls=style) for style in ("-", "--")]
        figure.legend(
            lines,
            ["fixed labels", "warped moving labels"],
            loc="outside lower center",
            ncols=2,
            frameon=False,
        )
    return figure


def _draw_method(ax: Axes, pair: Pair, field: Ddf | str, *, plane: Section, contours: LabelContours) -> None:
    if isinstance(field, str):
        show(ax, np.full([plane.grid.shape[a] for a in plane.in_plane], 0.94), plane)
        ax.text(
            0.5,
            0.5,
            fill(field, 24),
            transform=ax.transAxes,
            ha="center",
            va="center",
            color=GREY,
            fontsize=7,
        )
        return
    show(ax, moved_picture(pair.moving, field, plane), plane)
    deformation_lines(ax, field, plane, colors="white", linewidths=0.35, alpha=0.55)
    contours.draw_fixed(ax)
    contours.draw_warped(ax, field)


class LabelContours:
    """Label contours on one section, in one colour a structure."""

    def __init__(
        self,
        plane: Section,
        pair: Pair,
        values: list[int],
        *,
        moving: np.ndarray | None,
        fixed: np.ndarray | None,
        palette: str,
    ) -> None:
        self.plane, self.moving_grid = plane, pair.moving.grid
        self.hues = colors(len(values), palette)
        self.fixed: Iterable[np.ndarray] = (
            [] if fixed is None or not values else plane.read(one_hot(fixed, values).float(), pair.fixed.grid)
        )
        self.moving = None if moving is None or not values else one_hot(moving, values).float()

    def draw_fixed(self, ax: Axes) -> None:
        """Draw the fixed labels, solid."""
        for mask, hue in zip(self.fixed, self.hues, strict=True):
            outline(ax, mask, colors=[hue], linewidths=1.3)

    def draw_warped(self, ax: Axes, ddf: Ddf) -> None:
        """Draw the moving labels as a field moves them, dashed."""
        if self.moving is not None:
            warped = self.plane.flatten(warp(self.moving, self.moving_grid, self.plane.field(ddf)))
            for mask, hue in zip(warped, self.hues, strict=True):
                outline(ax, mask, colors=[hue], linewidths=1.3, linestyles="--")


def label_plane(grid: Grid, labels: np.ndarray | None, values: list[int]) -> Section:
    """Return the section that shows most of the labels `values`, the middle one without any."""
    if labels is None or not values:
        return section(grid)
    return busiest_section(grid, one_hot(labels, values).to(torch.float32), grid)
