"""One pair before and after registration: overlays, checkerboards and the deformed grid."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from promptreg.figures.sections import (
    Section,
    deformation_lines,
    grey,
    picture,
    section,
    shape_ratio,
    show,
    stretched,
)
from promptreg.figures.style import FIXED_TINT, LOOK, MOVING_TINT, PAGE_WIDTH
from promptreg.geometry import affine_to_ddf, warp
from promptreg.types import Ddf, Image, Pair


@mpl.rc_context(LOOK)
def before_and_after(pair: Pair, ddf: Ddf, *, center: Tensor | None = None) -> Figure:
    """Draw the pair after the pre-alignment (above) and after the registration (below).

    Columns: the fixed image and the deformed grid, the moved image, the overlay (moving orange, fixed blue,
    white where they agree), the checkerboard. `center` is the fixed world point through which a volume
    is cut; the middle if absent.
    """
    plane = section(pair.fixed.grid, center)
    before = affine_to_ddf(pair.prealignment, plane.grid)
    fixed = picture(pair.fixed, plane)
    figure = Figure(
        figsize=(PAGE_WIDTH, PAGE_WIDTH / 4 * shape_ratio(plane) * 2 + 0.45), layout="constrained"
    )
    axes = figure.subplots(2, 4)
    for row, (field, state) in zip(axes, ((before, "before"), (ddf, "after")), strict=True):
        moved = moved_picture(pair.moving, field, plane)
        for ax, shown in zip(
            row[1:], (moved, overlay(moved, fixed), checkerboard(moved, fixed)), strict=True
        ):
            show(ax, shown, plane)
        row[1].set_title(f"moving, {state}")
        row[2].set_title(f"overlay, {state}")
        row[3].set_title(f"checkerboard, {state}")
    show(axes[0, 0], fixed, plane)
    axes[0, 0].set_title("fixed")
    show(axes[1, 0], 0.55 + 0.35 * moved_picture(pair.moving, ddf, plane), plane)
    deformation_lines(axes[1, 0], ddf, plane, colors="#204a87", linewidths=0.6)
    axes[1, 0].set_title("deformed grid")
    return figure


def moved_picture(moving: Image, ddf: Ddf, plane: Section) -> np.ndarray:
    """Return the moving image as moved onto a section of the fixed image, for display."""
    return stretched(plane.flatten(warp(moving.data.float(), moving.grid, plane.field(ddf))))


def overlay(moved: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Return both pictures in complementary tints, (rows, columns, 3)."""
    both = grey(moved)[..., None] * np.array(MOVING_TINT) + grey(fixed)[..., None] * np.array(FIXED_TINT)
    return np.clip(both, 0, 1)


def checkerboard(first: np.ndarray, second: np.ndarray, *, n_tiles: int = 8) -> np.ndarray:
    """Return tiles of two grey or colour pictures in turn; `n_tiles` along the longer side."""
    if first.ndim != second.ndim:
        first, second = grey(first), grey(second)
    side = max(first.shape[:2]) / n_tiles
    rows, columns = (np.arange(n) // side for n in first.shape[:2])
    turn = ((rows[:, None] + columns[None]) % 2).astype(bool)
    return np.where(turn if first.ndim == 2 else turn[..., None], first, second)
