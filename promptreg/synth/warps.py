"""Smooth maps of the plane or of space as formulas: an affine map, then a sum of sine waves.

Places are (N, ndim, P) float32, array order, in units of the longest side, 0 in the middle of the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from promptreg.synth.draws import Draws

ANGLE, FULL_TURN_SHARE = 30.0, 0.2
SCALE, WIDE_SCALE, WIDE_SCALE_SHARE = 1.4, 2.0, 0.25
SHIFT = 0.25
CLOSE_UP_SHARE = 0.25
ELASTIC = ((0.04, 0.6, 1.4), (0.02, 1.5, 3.0))
STEEPEST = 0.7


@dataclass(frozen=True, eq=False)
class Warp:
    """N maps x = E(A (q - t)), with E(y) = y + sum over W waves of a_w sin(f_w . y + phase_w).

    Attributes:
        matrix: (N, ndim, ndim), A.
        shift: (N, ndim), t.
        amplitudes, frequencies: (N, W, ndim), a and f.
        phases: (N, W) radians.
    """

    matrix: Tensor
    shift: Tensor
    amplitudes: Tensor
    frequencies: Tensor
    phases: Tensor

    def __call__(self, places: Tensor) -> Tensor:
        """Return the images (N, ndim, P) of places (N, ndim, P)."""
        straight = self.matrix @ (places - self.shift[:, :, None])
        return straight + self._waves(straight)

    def inverse(self, places: Tensor, n_iterations: int = 12) -> Tensor:
        """Return the places (N, ndim, P) whose images are `places`, by fixed-point iteration."""
        straight = places
        for _ in range(n_iterations):
            straight = places - self._waves(straight)
        return torch.linalg.inv(self.matrix) @ straight + self.shift[:, :, None]

    def _waves(self, places: Tensor) -> Tensor:
        angles = torch.baddbmm(self.phases[:, :, None], self.frequencies, places)
        return self.amplitudes.mT @ angles.sin()


def identity(n: int, ndim: int, device: torch.device) -> Warp:
    """Return N maps that leave every place where it is."""
    still = torch.zeros(n, 1, ndim, device=device)
    return Warp(torch.eye(ndim, device=device).repeat(n, 1, 1), still[:, 0], still, still, still[:, :, 0])


def draw_warp(draws: Draws, n: int, ndim: int) -> Warp:
    """Draw N maps from a second image to its first: rotation, scale, shift and elastic waves."""
    angle = math.radians(ANGLE) * draws.uniform(n, low=-1, high=1)
    angle = torch.where(draws.chance(FULL_TURN_SHARE, n), math.pi * draws.uniform(n, low=-1, high=1), angle)
    scale = draws.log_uniform(n, low=1 / SCALE, high=SCALE)
    wide = draws.log_uniform(n, low=1 / WIDE_SCALE, high=WIDE_SCALE)
    scale = torch.where(draws.chance(WIDE_SCALE_SHARE, n), wide, scale)
    matrix = draws.rotations(angle, ndim) / scale[:, None, None]
    shift = draws.uniform(n, ndim, low=-SHIFT, high=SHIFT)
    return Warp(matrix, shift, *draw_waves(draws, n, ndim))


def draw_view(draws: Draws, n: int, ndim: int) -> Warp:
    """Draw N maps from a first image to its scene: milder, or a close-up of the middle."""
    angle = math.radians(15) * draws.normal(n)
    scale = draws.log_uniform(n, low=0.85, high=1.35)
    near = draws.log_uniform(n, low=1.4, high=2.4)
    scale = torch.where(draws.chance(CLOSE_UP_SHARE, n), near, scale)
    stretch = torch.diag_embed(draws.log_uniform(n, ndim, low=0.87, high=1.15))
    matrix = draws.rotations(angle, ndim) @ stretch / scale[:, None, None]
    return Warp(matrix, draws.uniform(n, ndim, low=-0.1, high=0.1), *draw_waves(draws, n, ndim))


def draw_waves(draws: Draws, n: int, ndim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw amplitudes and frequencies (N, W, ndim) and phases (N, W) of waves that never fold."""
    amplitudes, frequencies = [], []
    for largest, low, high in ELASTIC:
        size = largest * draws.uniform(n, 2, 1)
        amplitudes.append(size * draws.directions(n, 2, ndim))
        frequencies.append(
            2 * math.pi * draws.uniform(n, 2, 1, low=low, high=high) * draws.directions(n, 2, ndim)
        )
    amplitude, frequency = torch.cat(amplitudes, 1), torch.cat(frequencies, 1)
    steepness = (amplitude.norm(dim=-1) * frequency.norm(dim=-1)).sum(1)
    amplitude = amplitude * (STEEPEST / steepness).clamp_max(1)[:, None, None]
    return amplitude, frequency, 2 * math.pi * draws.uniform(n, amplitude.shape[1])


def image_places(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return the (1, ndim, P) places of the cells of an image, P in array order."""
    axes = [torch.arange(n, device=device, dtype=torch.float32) - (n - 1) / 2 for n in shape]
    return torch.stack(torch.meshgrid(axes, indexing="ij")).flatten(1)[None] / max(shape)


def to_index(places: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return places (N, ndim, P) as index coordinates (N, *shape, ndim) of an image of P cells."""
    middle = (torch.tensor(shape, device=places.device) - 1) / 2
    return (places.mT * max(shape) + middle).unflatten(1, shape)
