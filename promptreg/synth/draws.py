"""Random tensors from one generator on one device."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Draws:
    """A seeded generator; every method returns a tensor of the given shape on its device."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        self.generator = torch.Generator(device=device).manual_seed(seed)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return float32 values of equal density between `low` and `high`."""
        return torch.empty(shape, device=self.device).uniform_(low, high, generator=self.generator)

    def log_uniform(self, *shape: int, low: float, high: float) -> Tensor:
        """Return float32 values whose logarithms have equal density."""
        return self.uniform(*shape, low=math.log(low), high=math.log(high)).exp()

    def normal(self, *shape: int) -> Tensor:
        """Return float32 values of a standard normal distribution."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """Return bool values that are true with a probability."""
        return self.uniform(*shape) < probability

    def integers(self, *shape: int, low: int, high: int) -> Tensor:
        """Return int64 values from `low` to `high`, both included."""
        return torch.randint(low, high + 1, shape, generator=self.generator, device=self.device)

    def signs(self, *shape: int) -> Tensor:
        """Return float32 values -1 or 1."""
        return self.integers(*shape, low=0, high=1) * 2.0 - 1

    def directions(self, *shape: int) -> Tensor:
        """Return float32 unit vectors along the last axis."""
        return torch.nn.functional.normalize(self.normal(*shape), dim=-1)

    def rotations(self, angles: Tensor, ndim: int) -> Tensor:
        """Return (*angles.shape, ndim, ndim) rotations by `angles` in radians, in 3D about random axes."""
        axes = self.directions(*angles.shape, 3)
        zero = torch.zeros_like(angles)
        if ndim == 2:
            cross = torch.stack((zero, zero - 1, zero + 1, zero), -1).unflatten(-1, (2, 2))
        else:
            x, y, z = axes.unbind(-1)
            cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).unflatten(-1, (3, 3))
        eye = torch.eye(ndim, device=self.device)
        sine, cosine = angles.sin()[..., None, None], angles.cos()[..., None, None]
        return eye + sine * cross + (1 - cosine) * (cross @ cross)
