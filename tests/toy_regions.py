"""Regions for tests: balls and random blobs."""

from __future__ import annotations

import torch


def ball(shape: tuple[int, ...], center: tuple[float, ...], radius: float) -> torch.Tensor:
    """Ball (*shape) bool about a centre in index coordinates."""
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in shape], indexing="ij")
    return sum((a - c) ** 2 for a, c in zip(axes, center, strict=True)) <= radius**2


def blobs(shape: tuple[int, ...], n: int, *, seed: int) -> torch.Tensor:
    """Random smooth regions (n, *shape), often of several components."""
    data = torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))
    for _ in range(12):
        for axis in range(1, data.ndim):
            data = (data.roll(1, axis) + 2 * data + data.roll(-1, axis)) / 4
    return data > data.flatten(1).std(1).reshape(-1, *[1] * len(shape))
