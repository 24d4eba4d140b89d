"""An embedded image as the frames of a video, and prompts as clicks on them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptreg.models.slice_grids import plane_of, slicing_axis
from promptreg.models.video_net import Batched, Levels
from promptreg.types import Embedding, Grid


@dataclass(frozen=True, eq=False)
class Frames:
    """The slices of an embedded image; `axis` is the one across which they lie, None of a planar image.

    Attributes:
        levels: what the encoder made of all of them.
        plane: the grid of one.
    """

    levels: Levels
    plane: Grid
    axis: int | None

    @classmethod
    def of(cls, embedding: Embedding) -> Frames:
        """Take an embedding apart."""
        features, grid = embedding.features.float(), embedding.image_grid
        extras = [embedding.extras[name].to(features) for name in ("middle", "fine")]
        if grid.ndim == 2:
            return cls(Levels(features[None], *(one[None] for one in extras)), grid, None)
        axis = slicing_axis(grid)
        return cls(Levels(features.movedim(1 + axis, 0), *extras), plane_of(grid, axis), axis)

    def __len__(self) -> int:
        return len(self.levels.coarse)

    def nearest(self, points: Tensor) -> Tensor:
        """Frames (*batch,) in which points (*batch, ndim) in index coordinates of the image lie."""
        if self.axis is None:
            return torch.zeros(points.shape[:-1], dtype=torch.long, device=points.device)
        return points.detach()[..., self.axis].round().long().clamp(0, len(self) - 1)

    def in_plane(self, points: Tensor) -> Tensor:
        """Positions (*batch, 2) within their frames."""
        return points[..., [axis for axis in range(points.shape[-1]) if axis != self.axis]]

    def nowhere(self, n_regions: int, value: float) -> Tensor:
        """Masks (n_regions, n_frames, h, w) of one value."""
        fine = self.levels.fine
        return fine.new_full((n_regions, len(self), *fine.shape[2:]), value)

    def stacked(self, masks: Tensor) -> Tensor:
        """Masks (*batch, n_frames, h, w) as the axes of the image lie, (*batch, *mask_grid.shape)."""
        return masks.squeeze(-3) if self.axis is None else masks.movedim(-3, self.axis - 3)


@dataclass(frozen=True, eq=False)
class Clicks(Batched):
    """B prompts of P points.

    Attributes:
        places: (B, P, 2) x, y in pixels of the encoder's input.
        frames: (B, P) the frame of each point.
        labels: (B, P) 1 positive, 0 negative, -1 padding.
        start: (B,) the frame of the first positive point.
    """

    places: Tensor
    frames: Tensor
    labels: Tensor
    start: Tensor

    @classmethod
    def of(cls, places: Tensor, frames: Tensor, labels: Tensor) -> Clicks:
        """Find where prompts start; each has a positive point."""
        first = (labels == 1).long().argmax(1, keepdim=True)
        return cls(places, frames, labels, frames.gather(1, first)[:, 0])

    @classmethod
    def none(cls, start: Tensor) -> Clicks:
        """Prompts without points for regions that come from elsewhere, `start` (B,)."""
        empty = start.new_zeros(len(start), 0)
        return cls(empty[..., None].expand(-1, -1, 2).float(), empty, empty, start)

    def on(self, numbers: Tensor) -> Tensor:
        """Labels (B, P) of the points on a frame each, `numbers` (B,); of all others, padding."""
        return torch.where(self.frames == numbers[:, None], self.labels, -1)

    def beyond(self, numbers: Tensor, direction: int) -> Tensor:
        """Whether a positive point lies beyond the frames `numbers` (B,), (B,) bool."""
        ahead = (self.frames - numbers[:, None]) * direction > 0
        return (ahead & (self.labels == 1)).any(1)
