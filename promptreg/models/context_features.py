"""Hand-made dense features: what a place looks like, and what lies around it.

Appearance alone does not tell one organ from another; what surrounds a place, near and far and in
which direction, does. All lengths are fractions of the image's longest extent and all directions are
world directions, so that a flipped or transposed array with the matching affine gives the same features.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from promptreg.geometry import blurred, cell_indices, padded_rows, resized, sample
from promptreg.models.intensities import (
    foreground,
    half_equalized,
    luminance_and_chroma,
    resampled_onto,
    resized_mask,
)
from promptreg.types import Grid, Image

MAX_LONGEST = {2: 64, 3: 96}
MAX_CELLS = {2: 64**2, 3: 60_000}
MAX_STRIDE = {2: 4, 3: 2}

FINE_SCALES = (1 / 128, 1 / 64)
COARSE_SCALES = (1 / 32, 1 / 16, 1 / 8)
NEIGHBOUR_RADII = (1 / 32, 1 / 14, 1 / 7)
RING_RADII = (0.23, 0.375)
OUTLINE_RADII = (0.15, 0.23, 0.375)
CHROMA_SCALES = (1 / 64, 1 / 16)
CLIP = 4.0
FLOOR = 1e-2
NOISE = 3e-3

# Share of each group in the squared length of a feature. Surroundings identify a place, looks only
# narrow it down; the outline is the one cue that no change of contrast touches.
GROUP_WEIGHTS = {
    "appearance": 1.0,
    "structure": 1.0,
    "chroma": 1.0,
    "neighbours": 3.0,
    "rings": 3.0,
    "outline": 1.5,
}


@dataclass(frozen=True, eq=False)
class Maps:
    """Single-channel maps of one image that features and masks are made from.

    `luminance` (*working.shape) and `chroma` (C - 1, *working.shape) lie on the working grid, `body`
    (*cells.shape) bool on the feature grid; both grids share a field of view, and `working` has a whole
    number of cells in each feature cell.
    """

    luminance: Tensor
    chroma: Tensor
    body: Tensor
    working: Grid
    cells: Grid


def feature_grids(grid: Grid) -> tuple[Grid, Grid]:
    """Return the working grid and the feature grid of an image grid.

    Feature cells are isotropic in the world as far as the image resolves them: no axis is made finer
    than it is. In 2D the longest side has 64 cells, in 3D there are at most 60,000 cells.
    """
    ndim, extent = grid.ndim, grid.extent
    step = max(extent.max() / MAX_LONGEST[ndim], float(np.prod(extent) / MAX_CELLS[ndim]) ** (1 / ndim))
    native = np.asarray(grid.shape)
    cells = _cell_counts(native, extent, step)
    while np.prod(cells) > MAX_CELLS[ndim]:
        step *= 1.02
        cells = _cell_counts(native, extent, step)
    stride = np.minimum(2 ** np.ceil(np.log2(native / cells)), MAX_STRIDE[ndim]).astype(int)
    return resized(grid, (cells * stride).tolist()), resized(grid, cells.tolist())


def _cell_counts(native: np.ndarray, extent: np.ndarray, step: float) -> np.ndarray:
    return np.clip(np.round(extent / step), 1, native).astype(int)


def image_maps(image: Image) -> Maps:
    """Bring an image of any number of channels to its working grid and to comparable intensities."""
    working, cells = feature_grids(image.grid)
    luminance, chroma = luminance_and_chroma(resampled_onto(image, working))
    body = foreground(pooled(luminance[None], cells.shape)[0])
    luminance = half_equalized(luminance, resized_mask(body, working.shape))
    return Maps(luminance, chroma, body, working, cells)


def pooled(data: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Average (C, *spatial) over the cells of a coarser shape whose cells hold a whole number of these."""
    return functional.interpolate(data[None], size=shape, mode="area")[0]


def gradient(data: Tensor, grid: Grid) -> Tensor:
    """Return central differences (ndim, C, *grid.shape) per world unit along array axes."""
    parts = []
    for axis, spacing in enumerate(grid.spacing):
        rows = padded_rows(data, axis, 1)
        parts.append(((rows[..., 2:] - rows[..., :-2]) / (2 * spacing)).movedim(-1, axis + 1))
    return torch.stack(parts)


def directions(ndim: int) -> np.ndarray:
    """Return unit world directions: the 8 compass points in 2D; the axes and diagonals, 14, in 3D."""
    steps = np.array([s for s in itertools.product((-1, 0, 1), repeat=ndim) if sum(map(abs, s)) in (1, ndim)])
    return steps / np.linalg.norm(steps, axis=1, keepdims=True)


def around(data: Tensor, grid: Grid, radius: float) -> Tensor:
    """Read (C, *grid.shape) at a world distance from every cell in each direction; (C * D, *grid.shape)."""
    offsets = directions(grid.ndim) @ np.linalg.inv(grid.affine[:-1, :-1]).T * radius
    shifts = torch.as_tensor(offsets, dtype=data.dtype, device=data.device)
    index = cell_indices(grid.shape, data.device) + shifts.view(-1, *[1] * grid.ndim, grid.ndim)
    return sample(data, index, padding="border").flatten(0, 1)


def context_features(maps: Maps) -> Tensor:
    """Return the feature stack (C, *cells.shape) float32.

    Each channel is centred and scaled over the body and clipped to 4 standard deviations; each group
    then gets its share of the squared length, however many channels it has.
    """
    weighted = []
    for name, channels in _channel_groups(maps).items():
        if len(channels):
            scale = (GROUP_WEIGHTS[name] / len(channels)) ** 0.5
            weighted.append(scale * standardized(channels, maps.body).clamp(-CLIP, CLIP))
    return torch.cat(weighted)


def standardized(channels: Tensor, body: Tensor) -> Tensor:
    """Centre and scale each of (C, *spatial) over the body; one that varies less than noise becomes zero."""
    inside = channels[:, body]
    mean, deviation = inside.mean(1), inside.std(1, correction=0)
    shape = (-1, *[1] * body.ndim)
    scale = torch.where(deviation > NOISE, 1 / deviation.clamp_min(NOISE), torch.zeros_like(deviation))
    return (channels - mean.view(shape)) * scale.view(shape)


def _channel_groups(maps: Maps) -> dict[str, Tensor]:
    longest = maps.cells.extent.max()
    fine = maps.luminance[None]
    cell = pooled(fine, maps.cells.shape)
    fine_blurs = [blurred(fine, maps.working, s * longest) for s in FINE_SCALES]
    coarse_blurs = [blurred(cell, maps.cells, s * longest) for s in COARSE_SCALES]
    appearance = [pooled(b, maps.cells.shape) for b in fine_blurs] + coarse_blurs
    neighbours = []
    for radius in NEIGHBOUR_RADII:
        smooth = blurred(cell, maps.cells, radius / 2 * longest)
        neighbours.append(around(smooth, maps.cells, radius * longest) - smooth)
    return {
        "appearance": torch.cat(appearance),
        "structure": _structure(maps, fine_blurs, coarse_blurs[0]),
        "chroma": _chroma(maps),
        "neighbours": torch.cat(neighbours),
        "rings": _rings(cell, maps.cells, RING_RADII),
        "outline": _rings(maps.body[None].to(cell), maps.cells, OUTLINE_RADII),
    }


def _rings(data: Tensor, grid: Grid, radii: tuple[float, ...]) -> Tensor:
    """Means of (1, *grid.shape) around each cell at large radii; (len(radii) * D, *grid.shape)."""
    longest = grid.extent.max()
    return torch.cat([around(blurred(data, grid, r / 3 * longest), grid, r * longest) for r in radii])


def _structure(maps: Maps, fine_blurs: list[Tensor], coarse_blur: Tensor) -> Tensor:
    """Gradient and Laplacian magnitude and local deviation at three scales; blind to the sign of contrast.

    Derivatives are scale-normalized, and below the floor differences do not count: that is noise.
    """
    longest = maps.cells.extent.max()
    levels = [(blur, maps.working, s) for blur, s in zip(fine_blurs, FINE_SCALES, strict=True)]
    levels.append((coarse_blur, maps.cells, COARSE_SCALES[0]))
    channels = []
    for blur, grid, scale in levels:
        sigma = scale * longest
        source = maps.luminance[None] if grid is maps.working else pooled(maps.luminance[None], grid.shape)
        variance = blurred(source**2, grid, sigma) - blur**2
        slopes = gradient(blur, grid) * sigma
        laplacian = torch.stack([gradient(slope, grid)[axis] for axis, slope in enumerate(slopes)]).sum(0)
        magnitudes = [slopes.norm(dim=0), laplacian.abs() * sigma, variance.clamp_min(0).sqrt()]
        channels += [(pooled(m, maps.cells.shape) + FLOOR).sqrt() for m in magnitudes]
    return torch.cat(channels)


def _chroma(maps: Maps) -> Tensor:
    """Each chroma channel at two scales; no channel for a grey image."""
    if not len(maps.chroma):
        return maps.chroma.new_zeros(0, *maps.cells.shape)
    cell = pooled(maps.chroma, maps.cells.shape)
    return torch.cat([blurred(cell, maps.cells, s * maps.cells.extent.max()) for s in CHROMA_SCALES])
