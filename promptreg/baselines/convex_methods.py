"""ConvexAdam as a method: on MIND-SSC of the images, or on the features of a promptable model's encoder.

Both images are brought to one nearly isotropic grid over the fixed field of view, the moving one through the
pre-alignment, as the published method asks for. Its voxels are the images' own, or larger where the longest
side would have more than `VOXELS`, so that a volume takes less than a minute on one core.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from promptreg.baselines.convex_adam import POOL, convex_adam
from promptreg.baselines.handover import one_channel
from promptreg.config import Baselines
from promptreg.device import choose_device
from promptreg.geometry import antialiased, resized, voxel_to_ddf
from promptreg.mind import mind_ssc
from promptreg.regrid import brought
from promptreg.types import Ddf, Grid, Image, Pair

VOXELS = {2: 256, 3: 128}
"""Most voxels along the longest side of the grid on which MIND-SSC is computed."""
PER_CELL = 2
"""Voxels in one cell of the descent, along each axis; published default."""


class ConvexAdam:
    """ConvexAdam on MIND-SSC descriptors, with the published defaults."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return pre-alignment and deformation as one canonical field."""
        del workdir
        device = choose_device(settings.device)
        cells = descent_grid(pair.fixed.grid)
        voxels = resized(cells, [PER_CELL * n for n in cells.shape])
        fixed = antialiased(_mind(pair.fixed, voxels, np.eye(voxels.ndim + 1), device), voxels, cells)
        moving = antialiased(_mind(pair.moving, voxels, pair.prealignment, device), voxels, cells)
        return registered(fixed, moving, cells, pair, settings)


def descent_grid(grid: Grid) -> Grid:
    """Return the grid of the descent over the field of view of `grid`: whole cells of the search."""
    step = max(grid.extent.max() / VOXELS[grid.ndim], grid.spacing.min()) * PER_CELL * POOL
    blocks = np.maximum(np.round(grid.extent / step), 1).astype(int)
    return resized(grid, (POOL * blocks).tolist())


def registered(fixed: Tensor, moving: Tensor, cells: Grid, pair: Pair, settings: Baselines) -> Ddf:
    """Register features (C, *cells.shape) of a pair, the moving ones pre-aligned; the canonical field."""
    displacement = convex_adam(
        fixed,
        moving,
        reach=settings.convexadam_reach,
        weight=settings.convexadam_weight,
        iterations=settings.convexadam_iterations,
    )
    return voxel_to_ddf(displacement, cells, pair.fixed.grid, then=pair.prealignment)


def _mind(image: Image, voxels: Grid, transform: np.ndarray, device: torch.device) -> Tensor:
    """MIND-SSC (C, *voxels.shape) of an image brought to a grid."""
    grey = torch.as_tensor(one_channel(image.data), dtype=torch.float32, device=device)
    return mind_ssc(brought(grey[None], image.grid, voxels, transform)[0])
