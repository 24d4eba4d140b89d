"""Tell the body (or tissue) from the background of an image of any modality."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from skimage.filters import threshold_otsu
from torch import Tensor

from promptreg.types import Grid, Image

AIR_HU = -1000.0
BORDER_SHARE = 0.02
FLAT_TOLERANCE = 0.04
FLAT_SHARE = 2 / 3
MIN_COMPONENT_SHARE = 0.1


def in_plane_axes(grid: Grid) -> tuple[int, ...]:
    """Return the two array axes of a slice: all but the axis of largest spacing (the first of equals)."""
    if grid.ndim == 2:
        return (0, 1)
    through = int(np.argmax(grid.spacing >= 0.99 * grid.spacing.max()))
    return tuple(axis for axis in range(grid.ndim) if axis != through)


def background_value(image: Image) -> Tensor:
    """Return (C,) the median over the image's border, its in-plane edges.

    It is air in CT and MR, glass in bright-field histology, and a neutral grey where an image is filled
    to its edges. The end slices of a volume do not count: the body continues through them.
    """
    border = torch.as_tensor(_border(image.grid), device=image.data.device)
    return image.data[:, border].median(dim=1).values


def body_mask(image: Image) -> Tensor:
    """Return (*shape) bool: body or tissue against background; everything where no background is evident.

    The background is evident when two thirds of the border are flat (within 4 % of the intensity range
    of their median). Then Otsu's threshold splits the departures from it, holes are filled slice by
    slice, and small components are dropped. Dark and bright backgrounds are treated alike.
    """
    departure = _departure(image)
    everything = torch.ones(image.grid.shape, dtype=torch.bool, device=image.data.device)
    if departure.max() == 0 or (departure[_border(image.grid)] <= FLAT_TOLERANCE**0.5).mean() < FLAT_SHARE:
        return everything
    body = departure > threshold_otsu(departure)
    body = _without_crumbs(_filled(body, in_plane_axes(image.grid)))
    return torch.as_tensor(body, device=image.data.device) if body.any() else everything


def _border(grid: Grid) -> np.ndarray:
    """(*shape) bool, the outer 2 % of each in-plane axis."""
    border = np.zeros(grid.shape, bool)
    for axis in in_plane_axes(grid):
        width = max(1, round(BORDER_SHARE * grid.shape[axis]))
        view = np.moveaxis(border, axis, 0)
        view[:width] = True
        view[-width:] = True
    return border


def _departure(image: Image) -> np.ndarray:
    """(*shape) root of the absolute difference from the background, over the channels' range; smoothed.

    Intensities of MR are skewed towards bright fat and fluid: the root keeps dark tissue in the body.
    """
    # CT scanners pad outside their round field of view with values below air.
    data = image.data.clamp(min=AIR_HU)
    background = background_value(Image(data, image.grid)).cpu().numpy()[:, None]
    flat = data.flatten(1).cpu().numpy()
    low, high = np.percentile(flat, [0.5, 99.5], axis=1)
    low, high = np.where(high > low, (low, high), (flat.min(1), flat.max(1)))
    span = np.where(high > low, high - low, 1.0).astype(flat.dtype)[:, None]
    normalized = np.clip((flat - background) / span, -1, 1)
    root = np.sqrt(np.sqrt(np.mean(normalized**2, axis=0)))
    sigma = [float(axis in in_plane_axes(image.grid)) for axis in range(image.grid.ndim)]
    return ndimage.gaussian_filter(root.reshape(image.grid.shape), sigma)


def _filled(mask: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Fill the holes of every slice: lungs and bowel open at a volume's ends, but not within a slice."""
    structure = ndimage.generate_binary_structure(len(axes), 1)
    if mask.ndim == 2:
        return ndimage.binary_fill_holes(mask, structure)
    through = next(axis for axis in range(3) if axis not in axes)
    slices = [ndimage.binary_fill_holes(part, structure) for part in np.moveaxis(mask, through, 0)]
    return np.moveaxis(np.stack(slices), 0, through)


def _without_crumbs(mask: np.ndarray) -> np.ndarray:
    """Keep the components of at least a tenth of the largest one's size."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= max(MIN_COMPONENT_SHARE * sizes.max(), 1))[labels]
