"""Masks by geodesic distance from the clicks, at the levels where growth meets a boundary.

Distances are computed for all prompts at once by raster sweeps (Criminisi, Sharp and Blake, GeoS,
ECCV 2008): each sweep carries the front across the whole grid along one axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from promptreg.types import Grid

FAR = 1e4
PASSES = 2
CELLS_TOGETHER = 1 << 20
"""Most cells, of all prompts, that are swept together: long rows for the loop, little memory."""

EDGE_COST = 1.0
CHANGE_COST = 4.0

RADII = (0.025, 0.05, 0.1, 0.3)
LEVELS = 16
STEEPNESS = 6.0


def geodesic_distance(seeds: Tensor, cost: Tensor, grid: Grid) -> Tensor:
    """Return the least cost of a path from the seeds to every cell, (B, *grid.shape).

    `seeds` (B, *grid.shape) bool; `cost` (B or 1, *grid.shape) is the cost of a world unit of path at a
    cell. A prompt without a seed is `FAR` from everywhere. Two passes of sweeps reach any path that
    turns back on itself at most once; a longer maze is overestimated.
    """
    shape = seeds.shape[1:]
    together = max(CELLS_TOGETHER // math.prod(shape), 1)
    costs = cost.expand(len(seeds), *shape).split(together)
    chunks = zip(seeds.split(together), costs, strict=True)
    return torch.cat([_swept(some, own, grid) for some, own in chunks])


def _swept(seeds: Tensor, cost: Tensor, grid: Grid) -> Tensor:
    """Return what `geodesic_distance` does, for prompts that are few enough to be swept together."""
    shape = seeds.shape[1:]
    margin = (1, 1) * len(shape)
    distance = functional.pad(torch.where(seeds, 0.0, FAR), margin, value=FAR)
    half_cost = functional.pad(cost / 2, margin, value=0.0)
    for _ in range(PASSES):
        for axis in range(len(shape)):
            _sweep(distance, half_cost, axis, grid.spacing)
    return distance[_inner(distance.shape[1:], (0,) * len(shape))]


def _sweep(distance: Tensor, half_cost: Tensor, axis: int, spacing: np.ndarray) -> None:
    """Carry distances forth and back along one axis, in place; arrays (B, *spatial) have a margin of one.

    What the steps cost is computed for all rows together. Rows are copied next to each other, since they
    are read and written one by one.
    """
    front, cost = (array.movedim(axis + 1, 0).contiguous() for array in (distance, half_cost))
    lateral, n_rows = np.delete(spacing, axis), len(front)
    middle = _inner(front.shape[2:], (0,) * len(lateral))
    here = front[:, *middle].unbind(0)
    path = torch.empty_like(here[0])
    for rows, back in ((range(2, n_rows - 1), -1), (range(n_rows - 3, 0, -1), 1)):
        moves = []
        for step in itertools.product((-1, 0, 1), repeat=len(lateral)):
            length = float(np.hypot(spacing[axis], np.linalg.norm(lateral * step)))
            window = _inner(front.shape[2:], step)
            price = (cost.roll(-back, 0)[:, *window] + cost[:, *middle]).mul_(length)
            moves.append((front[:, *window].unbind(0), price.unbind(0)))
        for row in rows:
            for there, prices in moves:
                torch.add(there[row + back], prices[row], out=path)
                torch.minimum(here[row], path, out=here[row])
    distance.movedim(axis + 1, 0).copy_(front)


def _inner(shape: Sequence[int], step: Sequence[int]) -> tuple[slice, ...]:
    """Index of the cells without the margin of one, moved by `step`, in an array (B, *shape)."""
    return (slice(None), *(slice(1 + s, n - 1 + s) for s, n in zip(step, shape, strict=True)))


def path_cost(appearance: Tensor, edges: Tensor, seeds: Tensor, longest: float) -> Tensor:
    """Return the cost of a world unit of path for each prompt, (B, *spatial).

    Length itself costs one over the image's longest side, an edge what it changes in `edges`
    (*spatial, standard deviations per world unit), and looking unlike the seeds a multiple of the
    difference. `appearance` (A, *spatial) standardized; `seeds` (B, *spatial) bool.
    """
    count = seeds.flatten(1).sum(1).clamp_min(1)
    mean = seeds.flatten(1).to(appearance) @ appearance.flatten(1).T / count[:, None]
    shape = (*mean.shape, *[1] * edges.ndim)
    change = (appearance[None] - mean.view(shape)).square().mean(1).sqrt()
    return (1 + CHANGE_COST * change) / longest + EDGE_COST * edges


def geodesic_logits(distance: Tensor, rival: Tensor, appearance: Tensor, edges: Tensor, grid: Grid) -> Tensor:
    """Return the logits of three masks for each prompt, small, medium and large, (B, 3, *grid.shape).

    `distance` and `rival` (B, *grid.shape) are the distances from positive and from negative clicks. In
    each band of sizes the level is taken at which the boundary is best: strong edges, growth that
    stalls, and an inside that differs from the shell around it.
    """
    own = torch.where(distance <= rival, distance, torch.full_like(distance, FAR))
    thresholds = _best_levels(own.flatten(1), appearance.flatten(1), edges.flatten(), grid)
    levels = thresholds.view(*thresholds.shape, *[1] * grid.ndim)
    grown = (levels - distance[:, None]) / levels
    ahead = (rival - distance)[:, None] / levels
    return STEEPNESS * torch.minimum(grown, ahead)


def level_sizes(grid: Grid) -> Tensor:
    """Return (3, LEVELS) numbers of cells of the balls whose radii span the three bands of sizes."""
    longest, ndim = grid.extent.max(), grid.ndim
    radii = np.stack([np.geomspace(low, high, LEVELS) for low, high in itertools.pairwise(RADII)]) * longest
    volume = (np.pi if ndim == 2 else 4 / 3 * np.pi) * radii**ndim
    cells = torch.as_tensor(np.round(volume / np.prod(grid.spacing))).long()
    return cells.clamp(2, max(math.prod(grid.shape) // 2 - 1, 2))


def _best_levels(distance: Tensor, appearance: Tensor, edges: Tensor, grid: Grid) -> Tensor:
    """Return (B, 3) distances at which to cut, from `distance` (B, N), `appearance` (A, N), `edges` (N)."""
    n_cells = distance.shape[1]
    sizes = level_sizes(grid).to(distance.device).clamp_max(n_cells - 1)
    ordered, order = distance.sort(dim=1, stable=True)
    inner, outer = (sizes * 0.85).long(), (sizes * 1.15).long().clamp_max(n_cells - 1)
    shell = (sizes * 2).clamp_max(n_cells - 1)
    edge_sum = _running_sum(edges[order])
    edge_here = _between(edge_sum, inner, outer)
    edge_rise = edge_here / (_between(edge_sum, torch.zeros_like(inner), inner) + edge_here + 1e-6)
    stall = 1 - ordered[:, inner] / ordered[:, outer].clamp_min(1e-6)
    contrast = torch.zeros_like(stall)
    for channel in appearance:
        values = channel[order]
        first, second = _running_sum(values), _running_sum(values**2)
        inside, around = (torch.zeros_like(sizes), sizes), (sizes, shell)
        mean_in, mean_out = _between(first, *inside), _between(first, *around)
        spread = _between(second, *inside) - mean_in**2 + _between(second, *around) - mean_out**2
        contrast = torch.maximum(contrast, (mean_in - mean_out) ** 2 / (spread.clamp_min(0) + 0.05))
    quality = edge_rise + stall + contrast / (1 + contrast)
    quality = torch.where(ordered[:, sizes] < FAR / 2, quality, torch.full_like(quality, -1.0))
    best = quality.argmax(dim=2, keepdim=True)
    cut = ordered[:, sizes].gather(2, best).squeeze(2)
    return torch.where(cut < FAR / 2, cut, _last_reached(ordered)[:, None]).clamp_min(1e-6)


def _last_reached(ordered: Tensor) -> Tensor:
    """Return (B,) the largest distance below `FAR` among ascending distances (B, N)."""
    last = (ordered < FAR / 2).sum(1, keepdim=True).sub(1).clamp_min(0)
    return ordered.gather(1, last).squeeze(1)


def _running_sum(values: Tensor) -> Tensor:
    """Return (B, N + 1) sums of the first 0, 1, ... N of (B, N)."""
    return functional.pad(values.cumsum(1), (1, 0))


def _between(running: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    """Return (B, *start.shape) means over ranks start to stop."""
    return (running[:, stop] - running[:, start]) / (stop - start).clamp_min(1)
