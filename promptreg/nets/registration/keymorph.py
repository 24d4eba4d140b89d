"""KeyMorph: keypoints of each image and a closed-form map between them (Wang et al., MELBA 2, 2023).

Positions are counted from the middle of the grid, in halves of its longest side, in array order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm, max_pool2d, max_pool3d

from promptreg.geometry import cell_indices
from promptreg.nets.registration.voxelmorph import scaled

KEYPOINTS = 128
CHANNELS = (32, 64, 64, 128, 128, 256, 256, 512)
"""After every second convolution the map is halved."""

RIDGE = 1e-4
"""Pull of the affine part towards the identity, which decides while keypoints still lie together."""

REACH = 0.8
"""Share of the grid, about its middle, in which the first keypoints lie."""

STIFFNESS = 0.1
"""Regularization of the spline in use; 0 would pass through every keypoint, 10 is nearly affine."""

DRAWN_STIFFNESS = (1e-6, 10.0)
DRAWN_KEYPOINTS = 64
"""In training the stiffness is drawn between these, uniform in its logarithm, and so many keypoints are."""


class KeyMorphNet(nn.Module):
    """Convolutions, a centre of mass for each keypoint, then an affine map or a thin-plate spline.

    `reference` (128, ndim) are random positions at which training first teaches it to put the keypoints.
    """

    reference: Tensor

    def __init__(self, shape: Sequence[int], width: float, *, spline: bool) -> None:
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[len(shape)]
        widths = [1, *(scaled(n, width) for n in CHANNELS), KEYPOINTS]
        self.layers = nn.ModuleList(conv(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.spline = spline
        inside = torch.tensor(shape) / max(shape)
        self.register_buffer("reference", REACH * inside * (2 * torch.rand(KEYPOINTS, len(shape)) - 1))

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Return the voxel-form field (B, ndim, *shape) of images (B, 1, *shape), sides multiples of 32."""
        shape = fixed.shape[2:]
        cells = positions(shape, fixed.device).flatten(0, -2)
        moved = self._map(self.keypoints(fixed), self.keypoints(moving), cells)
        field = (moved - cells) * max(shape) / 2
        return field.mT.unflatten(2, shape)

    def keypoints(self, images: Tensor) -> Tensor:
        """Return the keypoints (B, 128, ndim), as positions, of images (B, 1, *shape)."""
        halved = {4: max_pool2d, 5: max_pool3d}[images.ndim]
        x = images
        for number, layer in enumerate(self.layers):
            x = instance_norm(layer(x)).relu()
            if number % 2:
                x = halved(x, 2)
        heat = x.float().flatten(2) + 1e-6
        weights = heat / heat.sum(-1, keepdim=True)
        return weights @ positions(x.shape[2:], x.device, images.shape[2:]).flatten(0, -2)

    def _map(self, fixed: Tensor, moving: Tensor, cells: Tensor) -> Tensor:
        """Map cells (N, ndim) by keypoints (B, 128, ndim); in training by some, more or less stiffly."""
        if not self.spline:
            return affine(fixed, moving, cells)
        if not self.training:
            return thin_plate(fixed, moving, cells)
        chosen = torch.randperm(KEYPOINTS)[:DRAWN_KEYPOINTS].to(fixed.device)
        low, high = map(math.log, DRAWN_STIFFNESS)
        stiffness = math.exp(low + (high - low) * torch.rand(()).item())
        return thin_plate(fixed[:, chosen], moving[:, chosen], cells, stiffness)


def positions(
    cells: Sequence[int], device: torch.device | str = "cpu", shape: Sequence[int] | None = None
) -> Tensor:
    """Return where the cells of a map lie, (*cells, ndim), that covers an image of `shape`."""
    shape = cells if shape is None else shape
    sizes = torch.tensor([n / m for n, m in zip(shape, cells, strict=True)], device=device)
    middle = torch.tensor(list(cells), device=device) / 2 - 0.5
    return (cell_indices(cells, device) - middle) * sizes * 2 / max(shape)


def affine(fixed: Tensor, moving: Tensor, points: Tensor) -> Tensor:
    """Map points (N, ndim) by the best affine map from `fixed` to `moving` (B, K, ndim); (B, N, ndim).

    A ridge on the change from a mere translation keeps it solvable.
    """
    from_center, to_center = fixed.mean(1, keepdim=True), moving.mean(1, keepdim=True)
    a, b = fixed - from_center, moving - to_center
    ridge = RIDGE * torch.eye(a.shape[-1], device=a.device)
    slope = torch.linalg.solve(a.mT @ a + ridge, a.mT @ b + ridge)
    return (points - from_center) @ slope + to_center


def thin_plate(fixed: Tensor, moving: Tensor, points: Tensor, stiffness: float = STIFFNESS) -> Tensor:
    """Map points (N, ndim) by the thin-plate spline from `fixed` to `moving` (B, K, ndim); (B, N, ndim)."""
    n, ndim = fixed.shape[1:]
    one = torch.ones_like(fixed[..., :1])
    flat = torch.cat([one, fixed], dim=-1)
    bent = _kernel(torch.cdist(fixed, fixed), ndim) + stiffness * torch.eye(n, device=fixed.device)
    ridge = RIDGE * torch.eye(ndim + 1, device=fixed.device).expand(len(fixed), -1, -1)
    system = torch.cat([torch.cat([bent, flat], 2), torch.cat([flat.mT, -ridge], 2)], 1)
    # Solved for the displacement, so that the ridge pulls towards the identity.
    wanted = torch.cat([moving - fixed, torch.zeros_like(flat.mT[..., :ndim])], 1)
    solved = torch.linalg.solve(system, wanted)
    away = torch.cdist(points.expand(len(fixed), -1, -1), fixed)
    outer = torch.cat([torch.ones_like(points[:, :1]), points], 1)
    return points + _kernel(away, ndim) @ solved[:, :n] + outer @ solved[:, n:]


def _kernel(distance: Tensor, ndim: int) -> Tensor:
    """r^2 log r in the plane, -r in space: conditionally of the sign that the regularization needs."""
    return distance.square() * (distance + 1e-6).log() if ndim == 2 else -distance
