"""What a matcher of planar images is given, and what its matches become.

Both images are brought to cells of one size, grey and between 0 and 1. The moving one is turned by the
pre-alignment and kept whole: a part that the pre-alignment puts outside the fixed image may be what matches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.handover import one_channel
from promptreg.baselines.matched_points import field_of_matches
from promptreg.baselines.working import PERCENTILES
from promptreg.geometry import index_to_world, limited, resized, world_to_index
from promptreg.regrid import brought
from promptreg.types import Ddf, Grid, Image, Pair

CELLS = 640
"""Most cells along the longest side of the images that are matched, as LoFTR's published settings have it."""
MARGIN = 4.0
"""Cells from the edge of an image within which matches are left out: it may be the edge that matches."""

Match = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Of two images (1, 1, Y, X), fixed and moving, the matched points (N, 2), x and y of cells."""


@dataclass(frozen=True, eq=False)
class View:
    """An image as it is matched: `data` (1, 1, *grid.shape) in [0, 1]; `frame` is the image's own grid.

    `frame` and `grid` lie in one world, the pre-aligned one for the moving image.
    """

    data: Tensor
    grid: Grid
    frame: Grid


def registered(pair: Pair, match: Match, device: torch.device) -> Ddf:
    """Return the canonical field of a pair by its matches.

    Raises BaselineUnavailable for volumes, and RuntimeError where too few matches agree.
    """
    if pair.fixed.grid.ndim != 2:
        raise BaselineUnavailable("matches planar images alone")
    views = both_views(pair, device)
    with torch.inference_mode():
        found = match(views[0].data, views[1].data)
    world = [
        index_to_world(view.grid, xy.double().cpu().flip(-1)) for view, xy in zip(views, found, strict=True)
    ]
    inside = torch.stack([_inside(view, xy) for view, xy in zip(views, world, strict=True)]).all(0)
    return field_of_matches(
        world[0][inside], world[1][inside], pair, precision=float(views[0].grid.spacing.max())
    )


def both_views(pair: Pair, device: torch.device) -> tuple[View, View]:
    """Return the fixed and the moving image as they are matched, on a device."""
    fixed, moving = pair.fixed.grid, pair.moving.grid
    turned = Grid(moving.shape, np.linalg.inv(pair.prealignment) @ moving.affine, moving.unit)
    step = max(fixed.spacing.min(), fixed.extent.max() / CELLS)
    cells = resized(fixed, np.maximum(np.round(fixed.extent / step), 1).astype(int).tolist())
    around = _covering(turned, cells)
    return (
        View(_grey(pair.fixed, fixed, cells).to(device), cells, fixed),
        View(_grey(pair.moving, turned, around).to(device), around, turned),
    )


def _covering(image: Grid, cells: Grid) -> Grid:
    """Return the cells, continued or cut along their axes, that cover an image; coarser if they are many."""
    edges = np.array([[-0.5, n - 0.5] for n in image.shape])
    corners = torch.tensor(np.stack(np.meshgrid(*edges, indexing="ij"), -1).reshape(-1, 2))
    index = world_to_index(cells, index_to_world(image, corners)).numpy()
    first = np.floor(index.min(0))
    shift = np.eye(3)
    shift[:-1, -1] = first
    shape = tuple(int(n) for n in np.ceil(index.max(0)) - first + 1)
    return limited(Grid(shape, cells.affine @ shift, cells.unit), CELLS)


def _grey(image: Image, frame: Grid, cells: Grid) -> Tensor:
    """One grey channel between two percentiles of the image, (1, 1, *cells.shape); its edge continues."""
    grey = torch.as_tensor(one_channel(image.data), dtype=torch.float32)
    low, high = np.percentile(grey.numpy(), PERCENTILES)
    grey = ((grey - low) / max(high - low, 1e-6)).clamp(0, 1)
    return brought(grey[None], frame, cells, np.eye(3))[None]


def _inside(view: View, world: Tensor) -> Tensor:
    """Which points (N, 2) lie inside the image, farther than a margin from its edge; (N,) bool."""
    index = world_to_index(view.frame, world)
    margin = MARGIN * torch.as_tensor(view.grid.spacing.max() / view.frame.spacing)
    last = torch.tensor(view.frame.shape, dtype=torch.float64) - 1
    return ((index >= margin) & (index <= last - margin)).all(-1)
