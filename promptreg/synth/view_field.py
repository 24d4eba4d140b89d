"""Fields of view: beyond them an image is filled, so that no absolute position can be learned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptreg.synth.draws import Draws

CROPPED_SHARE, BORDERED_SHARE = 0.2, 0.6


@dataclass(frozen=True, eq=False)
class Frame:
    """The fields of view of N pairs, fixed to the first image's scene.

    Attributes:
        cropped: (N,) bool, whether both images show nothing beyond `radius`.
        radius: (N,) in units of the longest side; `roundness` (N,) 0 for a box to 1 for a ball.
        bordered: (N,) bool, whether the second image shows nothing beyond the border of the first.
        fills: (N, 2) tone beyond the field of view of the first and of the second image.
    """

    cropped: Tensor
    radius: Tensor
    roundness: Tensor
    bordered: Tensor
    fills: Tensor

    def first(self, places: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return (N, P) bool, where the first image shows its scene, at its own places (N or 1, ndim, P)."""
        half = places.new_tensor(shape)[:, None] / max(shape) / 2
        relative = places / (2 * half)
        reach = torch.lerp(relative.abs().amax(1), relative.square().sum(1).sqrt(), self.roundness[:, None])
        return (reach < self.radius[:, None]) | ~self.cropped[:, None]

    def second(self, places: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return (N, P) bool, where the second image shows the scene, at places (N, ndim, P) of the first."""
        half = places.new_tensor(shape)[:, None] / max(shape) / 2
        framed = (places.abs() <= half).all(1)
        return self.first(places, shape) & (framed | ~self.bordered[:, None])


def draw_frames(draws: Draws, n: int) -> Frame:
    """Draw the fields of view of N pairs."""
    black_or_white = draws.chance(0.2, n, 2) * 1.0
    fills = torch.where(draws.chance(0.6, n, 2), black_or_white, draws.uniform(n, 2))
    return Frame(
        cropped=draws.chance(CROPPED_SHARE, n),
        radius=draws.uniform(n, low=0.4, high=0.52),
        roundness=draws.chance(0.6, n) * 1.0,
        bordered=draws.chance(BORDERED_SHARE, n),
        fills=torch.where(draws.chance(0.5, n, 1), fills[:, :1], fills),
    )
