"""What an imaging device does to an ideal image: blur, bias field, coarse or anisotropic sampling, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from promptreg.synth.draws import Draws
from promptreg.synth.warps import image_places

BLUR = 0.008
COARSE_SHARE, COARSEST = 0.3, 3.0


@dataclass(frozen=True, eq=False)
class Sensor:
    """N devices.

    Attributes:
        blur: (N,) standard deviation of the blur, in cells.
        bias_waves: (N, ndim) angular frequency of the bias field and `bias_phase` (N,).
        bias: (N,) strength of the bias field.
        coarseness: (N, ndim) cells of the image for each cell that was measured along an axis, 1 or more.
        noise, speckle: (N,) standard deviation of additive noise of grey and of multiplicative noise; a
            channel in colour has a third of the former.
        rician: (N,) bool, whether the noise is that of a magnitude.
    """

    blur: Tensor
    bias_waves: Tensor
    bias_phase: Tensor
    bias: Tensor
    coarseness: Tensor
    noise: Tensor
    speckle: Tensor
    rician: Tensor

    def measured(self, image: Tensor, draws: Draws) -> Tensor:
        """Return the images (N, C, *shape) in [0, 1] that the devices make of ideal ones."""
        n, n_channels, *shape = image.shape
        places = image_places(tuple(shape), image.device)
        each = (slice(None), *[None] * (image.ndim - 1))
        image = blurred(image, self.blur, math.ceil(2 * BLUR * max(shape)) + 1)
        wave = (self.bias_waves[:, None] @ places + self.bias_phase[:, None, None]).sin()
        image = image * (1 + self.bias[each] * wave.reshape(n, 1, *shape))
        image = image * (1 + self.speckle[each] * draws.normal(n, n_channels, *shape))
        noise = self.noise[each] / n_channels
        first = image + noise * draws.normal(n, n_channels, *shape)
        second = noise * draws.normal(n, n_channels, *shape)
        image = torch.where(self.rician[each], (first.square() + second.square()).sqrt(), first)
        for axis in range(len(shape)):
            image = _coarse(image, self.coarseness[:, axis], axis + 2)
        return image.clamp(0, 1)


def draw_sensor(draws: Draws, n: int, shape: tuple[int, ...]) -> Sensor:
    """Draw the devices of N images of a shape."""
    ndim = len(shape)
    coarse = draws.chance(COARSE_SHARE, n, 1) & draws.chance(0.6, n, ndim)
    coarseness = torch.where(coarse, draws.log_uniform(n, ndim, low=1.3, high=COARSEST), 1)
    noisy = draws.chance(0.8, n)
    speckled = draws.chance(0.2, n)
    return Sensor(
        blur=max(shape) * BLUR * draws.uniform(n) ** 2 + 0.35,
        bias_waves=2 * math.pi * draws.uniform(n, 1, low=0.3, high=1.0) * draws.directions(n, ndim),
        bias_phase=2 * math.pi * draws.uniform(n),
        bias=draws.chance(0.6, n) * draws.uniform(n, high=0.35),
        coarseness=coarseness,
        noise=noisy * draws.log_uniform(n, low=0.004, high=0.05),
        speckle=speckled * draws.uniform(n, low=0.03, high=0.12),
        rician=draws.chance(0.4, n),
    )


def blurred(image: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Return images (N, C, *shape) blurred by Gaussians of `sigma` (N,) cells, cut off at `radius` cells."""
    steps = torch.arange(-radius, radius + 1, device=image.device)
    weights = (-0.5 * (steps / sigma[:, None]) ** 2).exp()
    weights = weights / weights.sum(1, keepdim=True)
    for axis in range(2, image.ndim):
        size = image.shape[axis]
        middle = torch.arange(size, device=image.device)
        total = torch.zeros_like(image)
        for step, weight in zip(range(-radius, radius + 1), weights.T, strict=True):
            moved = image.index_select(axis, (middle + step).clamp(0, size - 1))
            total.addcmul_(moved, weight.view(-1, *[1] * (image.ndim - 1)))
        image = total
    return image


def _coarse(image: Tensor, coarseness: Tensor, axis: int) -> Tensor:
    """Return images interpolated linearly between samples `coarseness` (N,) cells apart along an axis."""
    size = image.shape[axis]
    position = torch.arange(size, device=image.device) / coarseness[:, None]
    below = position.floor()
    share = position - below
    ends = [(node * coarseness[:, None]).round().long().clamp(0, size - 1) for node in (below, below + 1)]
    view = [len(image), *[1] * (image.ndim - 1)]
    view[axis] = size
    low, high = (image.take_along_dim(end.view(view), axis) for end in ends)
    return torch.lerp(low, high, share.view(view))
