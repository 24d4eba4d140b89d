"""Read maps at points, by products with tent functions: every kind of derivative passes."""

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
    rows = torch.einsum("bnh,bchw->bncw", tents(cells[..., 0], height), maps)
    return torch.einsum("bncw,bnw->bnc", rows, tents(cells[..., 1], width))
