"""A tiny random promptable model for tests, equivariant by construction."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize, softplus

from promptreg.geometry import cell_indices, resized
from promptreg.models.base import check_prompts
from promptreg.types import Candidates, Embedding, Image


class ToyModel:
    """Random Fourier features of the image and its blurs; soft masks by similarity near the click.

    Features commute exactly with whole-cell shifts (edges wrap around), flips and rotations by 90
    degrees of the image; with `stride` > 1 with shifts by whole strides, on shapes that it divides.
    The mask of a click is `sharpness * (cosine - threshold) - (distance / radius)^2`, a smooth
    function of the point; `radius` is given in image cells. The mask grid is the image grid.
    """

    name = "toy"
    differentiable = True
    negative_points = True
    threshold = 0.6
    sharpness = 12.0
    window = 0.7
    contrast = 2.5
    context = 0.3

    def __init__(
        self, ndim: int, channels: int = 24, *, seed: int = 0, stride: int = 1, radius: float = 12.0
    ):
        self.ndim = (ndim,)
        self.channels = channels
        self.seed = seed
        self.stride = stride
        self.radius = radius

    def embed(self, image: Image) -> Embedding:
        """Encode an image of any number of channels, whatever its brightness and contrast."""
        if image.grid.ndim not in self.ndim:
            raise ValueError(f"this toy model takes {self.ndim[0]}D images, got {image.grid.ndim}D")
        data = image.data
        spatial = tuple(range(1, data.ndim))
        centred = data - data.mean(spatial, keepdim=True)
        scales = [self.contrast * centred / centred.abs().amax(spatial, keepdim=True).clamp_min(1e-6)]
        for step in (1, 2, 4):
            scales.append(_blur(scales[-1], step))
        fine = self._project(torch.cat(scales))
        shape = [-(-n // self.stride) for n in image.grid.shape]
        coarse = interpolate(fine[None], size=shape, mode="area")[0]
        return Embedding(coarse, resized(image.grid, shape), image.grid, image.grid, {"fine": fine})

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode one candidate mask for each prompt."""
        check_prompts(points, labels, ndim=embedding.image_grid.ndim)
        fine = embedding.extras["fine"].flatten(1).to(points)
        cells = cell_indices(embedding.image_grid.shape, points.device).flatten(0, -2).to(points)
        squared = (points[:, :, None] - cells).square().sum(-1)
        window = torch.softmax(-squared / (2 * self.window**2), dim=-1)
        query = normalize(torch.einsum("bpn,cn->bpc", window, fine), dim=-1)
        cosine = torch.einsum("bpc,cn->bpn", query, normalize(fine, dim=0))
        logits = self.sharpness * (cosine - self.threshold) - squared / self.radius**2
        masks = _combine(logits, labels).reshape(len(points), 1, *embedding.mask_grid.shape)
        certainty = (masks.sigmoid() - 0.5).abs().flatten(2).mean(-1)
        return Candidates(masks, certainty)

    def _project(self, scales: Tensor) -> Tensor:
        """Random Fourier features of every cell, (channels, *spatial)."""
        generator = torch.Generator().manual_seed(self.seed)
        weights = torch.randn(self.channels, 4, len(scales) // 4, generator=generator)
        weights[:, 1:] *= self.context
        phases = 2 * torch.pi * torch.rand(self.channels, generator=generator)
        angles = torch.einsum("ks,s...->k...", weights.flatten(1).to(scales), scales)
        return torch.cos(angles + phases.to(scales).reshape(-1, *[1] * (scales.ndim - 1)))


def _blur(data: Tensor, step: int) -> Tensor:
    """Binomial blur with holes of `step` cells along every spatial axis, edges wrapped."""
    for axis in range(1, data.ndim):
        data = (data.roll(step, axis) + 2 * data + data.roll(-step, axis)) / 4
    return data


def _combine(logits: Tensor, labels: Tensor) -> Tensor:
    """Smooth union of the positive points' logits (B, P, N) less what the negative ones claim, (B, N)."""
    kind = labels[:, :, None]
    union = torch.where(kind == 1, logits, -torch.inf).logsumexp(dim=1)
    return union - torch.where(kind == 0, softplus(logits), 0.0).sum(dim=1)
