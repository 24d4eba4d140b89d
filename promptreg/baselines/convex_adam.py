"""ConvexAdam on given features: a coupled convex search of displacements, then descent by Adam.

Siebert et al., Self-Configuring Dual Optimization, IEEE Trans. Med. Imaging 44(2), 2025. Both steps work on
features of a pair on one grid; the search on cells that average `POOL` of them along each axis. Defaults are
those of the authors' package, whose grid spacing of 6 voxels for the search and of 2 for the descent are
here `POOL` cells and one cell. It tells moving averages apart from the package that they leave the edges out,
rather than counting zeros there, which would pull the field to zero all around the image.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional

from promptreg.geometry import cell_indices, sample

POOL = 3
"""Cells of the descent in one cell of the search, along each axis."""
REACH = 4
"""Farthest displacement that is searched, in cells of the search, along each axis."""
WEIGHT = 1.25
"""Weight of the diffusion penalty in the descent."""
ITERATIONS = 80
COUPLINGS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Growing weights of the distance between displacements and their smooth mean in the search."""
STEP = 1.0
"""Step of Adam, cells."""
COST_SCALE = 12.0
"""Costs are sums over the 12 channels of MIND-SSC; other features count by their mean times as much."""
CONSISTENCY_ITERATIONS = 15


def convex_adam(
    fixed: Tensor,
    moving: Tensor,
    *,
    pool: int = POOL,
    reach: int = REACH,
    weight: float = WEIGHT,
    iterations: int = ITERATIONS,
) -> Tensor:
    """Return the displacement (ndim, *shape), voxel form on the grid of the features, array order.

    Args:
        fixed, moving: features (C, *shape) on one grid; what lies beyond it has the feature zero.

    Raises:
        ValueError: the shapes differ, or an axis is no multiple of `pool`.
    """
    if fixed.shape != moving.shape or any(n % pool for n in fixed.shape[1:]):
        msg = (
            f"features of shapes {tuple(fixed.shape)} and {tuple(moving.shape)}: "
            f"expected one shape, its axes multiples of {pool}"
        )
        raise ValueError(msg)
    coarse_fixed, coarse_moving = _pooled(fixed, pool), _pooled(moving, pool)
    there = search(coarse_fixed, coarse_moving, reach=reach)
    back = search(coarse_moving, coarse_fixed, reach=reach)
    start = functional.interpolate(
        inverse_consistent(there, back)[0][None] * pool,
        size=fixed.shape[1:],
        mode="bilinear" if fixed.ndim == 3 else "trilinear",
    )[0]
    return descend(fixed, moving, start, weight=weight, iterations=iterations)


def search(fixed: Tensor, moving: Tensor, *, reach: int = REACH) -> Tensor:
    """Return the best smooth displacement (ndim, *shape) within a window, in whole cells before smoothing.

    The costs of all displacements and the smoothness of the field are minimized in turn, coupled ever
    more tightly by the squared distance between the chosen displacements and their local mean.
    """
    window = displacement_window(reach, fixed.ndim - 1, fixed.device)
    cost = window_costs(fixed, moving, window)
    smooth = _chosen(cost, window)
    for coupling in COUPLINGS:
        smooth = _chosen(cost + coupling * _squared_distances(window, smooth), window)
    return smooth


def displacement_window(reach: int, ndim: int, device: torch.device | str = "cpu") -> Tensor:
    """Return every whole displacement of at most `reach` cells along each axis, (N, ndim) float32."""
    steps = list(itertools.product(range(-reach, reach + 1), repeat=ndim))
    return torch.tensor(steps, dtype=torch.float32, device=device)


def window_costs(fixed: Tensor, moving: Tensor, window: Tensor) -> Tensor:
    """Return the cost of each displacement at each cell, (N, *shape), smoothed twice over three cells."""
    reach, shape = int(window.abs().max()), fixed.shape[1:]
    padded = functional.pad(moving, (reach,) * (2 * len(shape)))
    costs = []
    for step in window.long().tolist():
        there = tuple(slice(reach + d, reach + d + n) for d, n in zip(step, shape, strict=True))
        costs.append(COST_SCALE * (fixed - padded[(slice(None), *there)]).square().mean(0))
    return _smoothed(_smoothed(torch.stack(costs)))


def inverse_consistent(
    there: Tensor, back: Tensor, *, iterations: int = CONSISTENCY_ITERATIONS
) -> tuple[Tensor, Tensor]:
    """Bring two displacements (ndim, *shape) nearer to being each other's inverse."""
    cells = cell_indices(there.shape[1:], there.device)

    def followed(first: Tensor, second: Tensor) -> Tensor:
        return sample(second, cells + first.movedim(0, -1), padding="border")

    for _ in range(iterations):
        there, back = (there - followed(there, back)) / 2, (back - followed(back, there)) / 2
    return there, back


def descend(fixed: Tensor, moving: Tensor, start: Tensor, *, weight: float, iterations: int) -> Tensor:
    """Refine a displacement (ndim, *shape) by Adam on the feature distance and a diffusion penalty.

    The field is the parameters smoothed three times, which is a cubic B-spline with a knot in every cell.
    """
    cells = cell_indices(fixed.shape[1:], fixed.device)
    parameters = start.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([parameters], lr=STEP)
    for _ in range(iterations):
        optimizer.zero_grad()
        field = _smooth_field(parameters)
        moved = sample(moving, cells + field.movedim(0, -1))
        loss = COST_SCALE * (moved - fixed).square().mean() + weight * _diffusion(field)
        loss.backward()
        optimizer.step()
    return _smooth_field(parameters.detach())


def _chosen(cost: Tensor, window: Tensor) -> Tensor:
    """The cheapest displacement at each cell, averaged over three cells; (ndim, *shape)."""
    return _smoothed(window[cost.argmin(0)].movedim(-1, 0))


def _squared_distances(window: Tensor, field: Tensor) -> Tensor:
    """Squared distances (N, *shape) between displacements (N, ndim) and a field (ndim, *shape)."""
    flat = field.flatten(1)
    squared = window.square().sum(1)[:, None] - 2 * window @ flat + flat.square().sum(0)
    return squared.view(-1, *field.shape[1:])


def _smooth_field(parameters: Tensor) -> Tensor:
    for _ in range(3):
        parameters = _smoothed(parameters)
    return parameters


def _diffusion(field: Tensor) -> Tensor:
    """Mean squared difference of neighbours, summed over the axes."""
    axes = [axis for axis in range(1, field.ndim) if field.shape[axis] > 1]
    return torch.stack([field.diff(dim=axis).square().mean() for axis in axes]).sum()


def _smoothed(data: Tensor) -> Tensor:
    """Mean over three cells along each axis, of those that there are; (C, *shape)."""
    mean = functional.avg_pool2d if data.ndim == 3 else functional.avg_pool3d
    return mean(data[None], 3, stride=1, padding=1, count_include_pad=False)[0]


def _pooled(data: Tensor, pool: int) -> Tensor:
    """Means over whole blocks of `pool` cells a side."""
    mean = functional.avg_pool2d if data.ndim == 3 else functional.avg_pool3d
    return mean(data[None], pool)[0]
