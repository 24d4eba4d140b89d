"""How much the views disagree, shown on the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from promptreg.figures.sections import busiest_section, grey, outline, picture, shape_ratio, show
from promptreg.figures.style import LOOK, PAGE_WIDTH
from promptreg.types import Pair

if TYPE_CHECKING:
    from promptreg.correspond import Correspondences

LARGEST_VARIANCE = 0.25
"""Variance of a probability that is 0 in half of the views and 1 in the others."""


@mpl.rc_context(LOOK)
def uncertainty_maps(pair: Pair, found: Correspondences) -> Figure:
    """Draw the largest variance over views of the accepted ROIs on both images, with their contours.

    Where every pair was rejected, all of them are drawn.
    """
    kept = torch.tensor([not reason for reason in found.reasons], dtype=torch.bool)
    if not kept.any():
        kept = ~kept
    rois = found.rois
    sides = (
        ("moving", pair.moving, rois.moving[kept], found.moving_variance[kept], rois.moving_grid),
        ("fixed", pair.fixed, rois.fixed[kept], found.fixed_variance[kept], rois.fixed_grid),
    )
    planes = [busiest_section(image.grid, masks, grid) for _, image, masks, _, grid in sides]
    height = (PAGE_WIDTH - 0.7) / 2 * max(map(shape_ratio, planes)) + 0.3
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    axes = figure.subplots(1, 2)
    heat = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, LARGEST_VARIANCE), "inferno")
    for ax, plane, (name, image, masks, variance, grid) in zip(axes, planes, sides, strict=True):
        show(ax, 0.75 * grey(picture(image, plane)), plane)
        limits = ax.get_xlim(), ax.get_ylim()
        worst = plane.read(variance.amax(0, keepdim=True), grid)[0]
        ax.imshow(
            worst,
            norm=heat.norm,
            cmap=heat.cmap,
            alpha=np.clip(worst / (0.2 * LARGEST_VARIANCE), 0, 0.9),
            aspect=ax.get_aspect(),
        )
        for mask in plane.read(masks, grid):
            outline(ax, mask, colors=["white"], linewidths=0.7)
        ax.set_xlim(limits[0])
        ax.set_ylim(limits[1])
        ax.set_title(name)
    bar = figure.colorbar(heat, ax=axes, shrink=0.75, pad=0.01)
    bar.set_label("variance of the ROI probability over views")
    return figure
