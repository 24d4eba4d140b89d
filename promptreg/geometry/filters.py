"""Linear filters on grids, in world units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from promptreg.types import Grid


def blurred(data: Tensor, grid: Grid, sigma: float | Sequence[float]) -> Tensor:
    """Smooth (C, *grid.shape) with a Gaussian, edges repeated; `sigma` in world units, one or one an axis."""
    out = data
    for axis, cells in enumerate((np.broadcast_to(sigma, grid.ndim) / grid.spacing).tolist()):
        radius = min(int(np.ceil(3 * cells)), 4 * grid.shape[axis])
        offsets = torch.arange(-radius, radius + 1, device=data.device, dtype=data.dtype)
        kernel = torch.exp(-0.5 * (offsets / max(cells, 1e-3)) ** 2)
        rows = padded_rows(out, axis, radius)
        smooth = functional.conv1d(rows.flatten(0, -2)[:, None], (kernel / kernel.sum())[None, None])
        out = smooth.view(*rows.shape[:-1], -1).movedim(-1, axis + 1)
    return out


def padded_rows(data: Tensor, axis: int, margin: int) -> Tensor:
    """Move a spatial axis of (C, *spatial) last and repeat its edges `margin` times."""
    rows = data.movedim(axis + 1, -1)
    padded = functional.pad(rows.reshape(-1, 1, rows.shape[-1]), (margin, margin), mode="replicate")
    return padded.view(*rows.shape[:-1], -1)
