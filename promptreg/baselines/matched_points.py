"""From matched points to the canonical field: what matchers of planar images share.

A global affine map first, on which most matches agree; then a thin-plate spline through what it leaves. The
spline is as stiff as it can be without predicting matches worse that were held out; where it predicts them no
better, the affine map stays alone. Matches that agree on no map are a failure, not a field.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.interpolate import RBFInterpolator
from scipy.spatial import KDTree
from torch import Tensor

from promptreg.baselines.contrario import agreed_affine
from promptreg.geometry import apply_affine, limited, voxel_to_ddf, world_coordinates
from promptreg.seeds import derive_seed
from promptreg.types import Ddf, Grid, Pair

FARTHEST = 0.1
"""Largest distance of a match from the affine map, of the fixed image's diagonal: the warp it may leave."""
NEIGHBOURS = 8
"""Matches by which one is judged."""
APART = 3.0
"""Robust standard deviations that a match may differ from its neighbours."""
CELLS = 32
"""Cells along the longest side in which matches are averaged, and those of the spline twice as many."""
FEWEST = 10
"""Averaged matches below which there is no spline."""
STIFFNESS = (1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
FOLDS = 5
TOLERATED = 1.05
"""How much farther from held-out matches than the best spline a stiffer one may be."""


def field_of_matches(fixed: Tensor, moving: Tensor, pair: Pair, *, precision: float) -> Ddf:
    """Return the canonical field of matched world points (N, 2), of which most may be wrong.

    `moving` lies in the pre-aligned world; `precision` is the distance, in world units, below which no match
    can be better than another. Raises RuntimeError where matches agree on no affine map, or are too few to.
    """
    grid = pair.fixed.grid
    diagonal = float(np.linalg.norm(grid.extent))
    found = agreed_affine(
        fixed,
        moving,
        area=_area(pair),
        precision=precision,
        farthest=FARTHEST * diagonal,
        seed=derive_seed("matches"),
    )
    if found is None:
        raise RuntimeError(f"of {len(fixed)} matches too few agree on one affine map, no more than by chance")
    matrix = found.matrix.numpy()
    here = fixed.double().cpu()[found.agree]
    left = moving.double().cpu()[found.agree] - apply_affine(matrix, here)
    kept = consistent(here, left, precision)
    coarse = limited(grid, 2 * CELLS)
    world = world_coordinates(coarse).double()
    rest = smooth_rest(here[kept], left[kept], world, diagonal)
    displacement = apply_affine(matrix, world) + rest - world
    return voxel_to_ddf(_in_voxels(displacement, coarse), coarse, grid, then=pair.prealignment)


def consistent(points: Tensor, vectors: Tensor, precision: float) -> Tensor:
    """Return which vectors (N, 2) at `points` (N, 2) are like those of their neighbours, (N,) bool."""
    if len(points) <= NEIGHBOURS:
        return torch.ones(len(points), dtype=torch.bool)
    _, near = KDTree(points.numpy()).query(points.numpy(), NEIGHBOURS + 1)
    others = vectors[torch.as_tensor(near[:, 1:])]
    apart = (vectors - others.median(dim=1).values).norm(dim=-1)
    return apart <= APART * 1.4826 * max(float(apart.median()), precision)


def smooth_rest(points: Tensor, vectors: Tensor, world: Tensor, size: float) -> Tensor:
    """Return a smooth field (*shape, 2) at `world` (*shape, 2) through vectors (N, 2) at `points` (N, 2).

    Zero where nothing smooth predicts vectors better than zero does. `size` is that of the image.
    """
    points, vectors = averaged(points / size, vectors, 1 / CELLS)
    nothing = torch.zeros_like(world)
    if len(points) < FEWEST:
        return nothing
    errors = [float(vectors.norm(dim=-1).mean()), *(held_out(points, vectors, one) for one in STIFFNESS)]
    first = next(number for number, error in enumerate(errors) if error <= TOLERATED * min(errors))
    if first == 0:
        return nothing
    spline = _spline(points, vectors, STIFFNESS[first - 1])
    return torch.as_tensor(spline((world / size).reshape(-1, 2).numpy())).view_as(world)


def averaged(points: Tensor, vectors: Tensor, cell: float) -> tuple[Tensor, Tensor]:
    """Average points (N, 2) and their vectors (N, 2) over the squares of side `cell` that they lie in."""
    _, number = (points / cell).floor().unique(dim=0, return_inverse=True)
    n_cells = int(number.max()) + 1 if len(number) else 0
    count = torch.bincount(number, minlength=n_cells).to(points)[:, None]
    sums = torch.zeros(2, n_cells, 2, dtype=points.dtype)
    for one, total in zip((points, vectors), sums, strict=True):
        total.index_add_(0, number, one)
    return sums[0] / count, sums[1] / count


def held_out(points: Tensor, vectors: Tensor, stiffness: float) -> float:
    """Return the mean distance of vectors (N, 2) from the splines that the others state, in five parts."""
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(derive_seed("held out")))
    distances = []
    for fold in range(FOLDS):
        out = torch.zeros(len(points), dtype=torch.bool)
        out[order[fold::FOLDS]] = True
        predicted = _spline(points[~out], vectors[~out], stiffness)(points[out].numpy())
        distances.append((torch.as_tensor(predicted) - vectors[out]).norm(dim=-1))
    return float(torch.cat(distances).mean())


def _spline(points: Tensor, vectors: Tensor, stiffness: float) -> RBFInterpolator:
    return RBFInterpolator(points.numpy(), vectors.numpy(), smoothing=stiffness, kernel="thin_plate_spline")


def _area(pair: Pair) -> float:
    """Area of the moving image in the pre-aligned world."""
    return float(np.prod(pair.moving.grid.extent) / abs(np.linalg.det(pair.prealignment)))


def _in_voxels(displacement: Tensor, grid: Grid) -> Tensor:
    """World displacements (*grid.shape, 2) in voxels of the grid, (2, *grid.shape)."""
    inverse = torch.as_tensor(np.linalg.inv(grid.affine[:-1, :-1]))
    return (displacement @ inverse.T).movedim(-1, 0)
