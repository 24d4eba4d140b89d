"""Intensities that compare between images: working resolution, foreground, contrast, colour."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from promptreg.geometry import antialiased, resample, resized
from promptreg.types import Grid, Image

CORNER = 0.125
BACKGROUND_TOLERANCE = 0.06
N_BINS = 129


def resampled_onto(image: Image, target: Grid) -> Tensor:
    """Return the image on a grid over the same field of view, (C, *target.shape).

    Axes that get coarser are averaged over areas, the others interpolated linearly.
    """
    coarse = resized(image.grid, np.minimum(image.grid.shape, target.shape).tolist())
    return resample(antialiased(image.data.float(), image.grid, coarse), coarse, target, padding="border")


def luminance_and_chroma(data: Tensor) -> tuple[Tensor, Tensor]:
    """Split (C, *spatial) into luminance (*spatial) in about [0, 1] and chroma (C - 1, *spatial).

    Three channels are read as colours of one range: luma and two opponent axes. Any other number is
    scaled channel by channel: their mean, and what each of the first C - 1 differs from it.
    """
    n_channels = len(data)
    if n_channels == 3:
        red, green, blue = _to_unit_range(data[None])[0]
        luminance = 0.299 * red + 0.587 * green + 0.114 * blue
        return luminance, torch.stack([red - green, (red + green) / 2 - blue])
    scaled = _to_unit_range(data)
    luminance = scaled.mean(0)
    return luminance, scaled[: n_channels - 1] - luminance


def _to_unit_range(data: Tensor) -> Tensor:
    """Map the 0.5 and 99.5 % quantiles of each item of (N, ...) to 0 and 1, clipped."""
    flat = data.flatten(1).float()
    low, high = torch.quantile(flat, flat.new_tensor([0.005, 0.995]), dim=1)
    low, high = torch.where(high > low, low, flat.amin(1)), torch.where(high > low, high, flat.amax(1))
    shape = (-1, *[1] * (data.ndim - 1))
    span = (high - low).clamp_min(torch.finfo(torch.float32).tiny)
    return ((data - low.view(shape)) / span.view(shape)).clamp(0, 1)


def foreground(luminance: Tensor) -> Tensor:
    """Return (*spatial) bool: the body, where the corners show a plain background; else everything.

    A scan's or a slide's background fills the corners with one level; what differs from it by more
    than noise, with holes filled, is the body.
    """
    values = luminance.detach().cpu().numpy()
    corners = np.ones(values.shape, bool)
    for axis, n in enumerate(values.shape):
        position = np.arange(n)
        outer = np.minimum(position, n - 1 - position) < max(round(n * CORNER), 1)
        corners &= np.expand_dims(outer, [a for a in range(values.ndim) if a != axis])
    level = np.median(values[corners])
    differs = np.abs(values - level) > BACKGROUND_TOLERANCE
    body = ndimage.binary_fill_holes(ndimage.binary_opening(differs))
    convincing = differs[corners].mean() < 0.25 and 0.05 < body.mean() < 0.95
    return torch.from_numpy(body if convincing else np.ones_like(body)).to(luminance.device)


def half_equalized(luminance: Tensor, body: Tensor) -> Tensor:
    """Average the luminance (*spatial) with its rank among the body's values.

    Ranks do not change under any monotone change of contrast (gamma, window, scanner gain); the
    other half keeps noise in flat regions from being stretched.
    """
    return (luminance + _rank(luminance, luminance[body])) / 2


def _rank(values: Tensor, reference: Tensor) -> Tensor:
    """Return the share of `reference` (N) below each of `values`, both in [0, 1].

    Counts are shared between neighbouring bins and interpolated, so that rounding cannot move a rank.
    """
    low, fraction = _bins(reference)
    counts = torch.bincount(low, 1 - fraction, N_BINS) + torch.bincount(low + 1, fraction, N_BINS)
    below = (counts.cumsum(0) - counts / 2) / counts.sum()
    low, fraction = _bins(values)
    return torch.lerp(below[low], below[low + 1], fraction)


def _bins(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lower of the two bins next to each value in [0, 1], and the way to the upper one."""
    position = values * (N_BINS - 1)
    low = position.long().clamp(0, N_BINS - 2)
    return low, position - low


def resized_mask(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a boolean mask (*spatial) on another shape over the same field of view, by nearest cells."""
    return functional.interpolate(mask[None, None].float(), size=shape, mode="nearest-exact")[0, 0] > 0.5
