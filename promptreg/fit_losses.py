"""What the fit makes small: disagreement of corresponding regions, and of intensities.

Every region counts by its own weight, never by its size.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

SDF_BAND = 0.1
"""Distances are clipped at this fraction of the longest side: the reach of the signed-distance loss."""
PERCENTILES = (1.0, 99.0)
SMOOTH = 1e-5


def soft_dice_loss(moved: Tensor, fixed: Tensor) -> Tensor:
    """Return 1 - soft Dice of each pair of masks (K, *spatial) in [0, 1]; (K,).

    With squared denominators, so that equal soft masks are the optimum (Milletari et al., 3DV 2016).
    """
    moved, fixed = moved.flatten(1), fixed.flatten(1)
    overlap = (moved * fixed).sum(1)
    size = moved.square().sum(1) + fixed.square().sum(1)
    return 1 - (2 * overlap + SMOOTH) / (size + SMOOTH)


def sdf_loss(moved: Tensor, fixed: Tensor) -> Tensor:
    """Return the mean squared difference of clipped signed distances (K, *spatial) in [-1, 1]; (K,).

    The mean is over the band of the fixed region, so that large and small regions weigh the same.
    """
    band = (fixed.abs() < 1).flatten(1).sum(1).clamp(min=1)
    return (moved - fixed).square().flatten(1).sum(1) / band


def signed_distances(masks: Tensor, spacing: np.ndarray, reach: float) -> Tensor:
    """Return distances to the 0.5 level over `reach`, positive inside, clipped to [-1, 1]; (K, *spatial).

    `spacing` (ndim,) and `reach` share a unit.
    """
    inside = masks.detach().cpu().numpy() > 0.5
    half = float(np.min(spacing)) / 2
    distance = np.stack([_signed_distance(mask, spacing, half) for mask in inside])
    return torch.as_tensor(np.clip(distance / reach, -1, 1), dtype=torch.float32, device=masks.device)


def _signed_distance(mask: np.ndarray, spacing: np.ndarray, half: float) -> np.ndarray:
    """Signed distance to the boundary, which lies half a cell from the nearest cells of either side."""
    if mask.all() or not mask.any():
        return np.full(mask.shape, np.inf if mask.all() else -np.inf)
    inner = distance_transform_edt(mask, sampling=spacing)
    outer = distance_transform_edt(~mask, sampling=spacing)
    return np.where(mask, inner - half, half - outer)


def normalized_intensity(data: Tensor) -> Tensor:
    """Return one grey channel (*spatial) in [0, 1] of an image (C, *spatial), cut at two percentiles."""
    grey = data.float().mean(0)
    low, high = np.percentile(grey.cpu().numpy(), PERCENTILES)
    return ((grey - low) / max(high - low, 1e-6)).clamp(0, 1)


def image_loss(moved: Tensor, fixed: Tensor, inside: Tensor, *, kind: str) -> Tensor:
    """Return the dissimilarity of intensities (*spatial) over the cells `inside` (*spatial) bool.

    `kind` is "ncc" (local, 9 cells wide) or "mi" (global mutual information).
    """
    # Imported where it is used: MONAI takes longer to import than a small pair takes to fit.
    from monai.losses import GlobalMutualInformationLoss, LocalNormalizedCrossCorrelationLoss

    if kind == "mi":
        return GlobalMutualInformationLoss()(moved[inside][None, None], fixed[inside][None, None])
    loss = LocalNormalizedCrossCorrelationLoss(spatial_dims=fixed.ndim, kernel_size=9, reduction="none")
    dissimilarity = loss((moved * inside)[None, None], (fixed * inside)[None, None])[0, 0]
    return dissimilarity[inside].mean()
