"""Read maps at points by linear interpolation; every kind of derivative passes, in maps and in points."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def to_cells(points: Tensor, stride: int) -> Tensor:
    """Index coordinates in the input (..., 2) as index coordinates in a map of a stride."""
    return (points + 0.5) / stride - 0.5


def tents(position: Tensor, n: int) -> Tensor:
    """Weights of linear interpolation (..., n) at positions (...) along an axis of n cells, clamped to it."""
    cells = torch.arange(n, device=position.device, dtype=position.dtype)
    return functional.relu(1 - (position.clamp(0, n - 1)[..., None] - cells).abs())


def read_at(maps: Tensor, cells: Tensor) -> Tensor:
    """Interpolate maps (B, C, H, W) at index coordinates (B, N, 2), y before x; (B, N, C)."""
    height, width = maps.shape[-2:]
    y, x = cells[..., 0].clamp(0, height - 1), cells[..., 1].clamp(0, width - 1)
    top, left = (at.detach().floor().long().clamp(0, max(n - 2, 0)) for at, n in ((y, height), (x, width)))
    bottom, right = (top + 1).clamp_max(height - 1), (left + 1).clamp_max(width - 1)
    flat = maps.flatten(2).mT
    corners = torch.stack([_rows(flat, r * width + c) for r in (top, bottom) for c in (left, right)], dim=2)
    dy, dx = y - top, x - left
    weights = torch.stack([(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx], dim=2)
    return (weights[..., None] * corners).sum(2)


def _rows(flat: Tensor, index: Tensor) -> Tensor:
    """Rows `index` (B, N) of (B, H W, C): (B, N, C)."""
    return flat.gather(1, index[..., None].expand(-1, -1, flat.shape[-1]))
