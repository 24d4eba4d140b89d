"""Does the uncertainty that comes with regions foretell the error? Asked at landmarks, where truth is known.

Of a field: its error at a landmark against what the accepted region pairs around foretell, by how much views
disagree on them, by how far they are from the field that was fitted to all, and, for comparison, by how far
off the nearest of them is. Of a region: the stored variance over views against the squared difference of
the averaged probabilities at two points that correspond.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from promptreg.alignment import moments
from promptreg.correspond import Correspondences
from promptreg.geometry import sample, transform_points, world_to_index
from promptreg.types import Ddf, Grid

REACH = 0.15
"""Width of the Gaussian with which region pairs around a point are weighed, share of the longest side."""
LEAST_PROBABILITY = 0.01
"""A region has a say at two corresponding points if either is in it with at least this probability."""


@dataclass(frozen=True, eq=False)
class Foretold:
    """What is foretold at N points, and what came true: `predicted` and `error`, (N,) each."""

    predictor: str
    predicted: Tensor
    error: Tensor
    unit: str


def of_field(found: Correspondences, field: Ddf, fixed: Tensor, moving: Tensor) -> list[Foretold]:
    """Return the error of a field at landmarks (N, ndim), and what foretells it; [] without a region pair.

    `views` is the variance over views per cell of the region, `prompts` the distance between where the field
    takes a region's centroid and where its partner lies, both averages over the accepted pairs around;
    `distance` is that to the nearest region's centroid.
    """
    kept = found.rois.weights > 0
    if not kept.any():
        return []
    rois = found.rois
    centers = moments(rois.fixed[kept], rois.fixed_grid).centroid.double()
    partners = moments(rois.moving[kept], rois.moving_grid).centroid.double()
    spread = found.fixed_variance[kept].flatten(1).sum(1) / rois.fixed[kept].flatten(1).sum(1)
    misfit = (transform_points(field, centers) - partners).norm(dim=1)
    distance = torch.cdist(fixed.double(), centers)
    reach = REACH * float(field.grid.extent.max())
    weight = torch.softmax(-((distance / reach) ** 2) / 2, dim=1)
    error = (transform_points(field, fixed.double()) - moving.double()).norm(dim=1)
    return [
        Foretold("views", weight @ spread.double(), error, ""),
        Foretold("prompts", weight @ misfit, error, field.grid.unit),
        Foretold("distance", distance.amin(1), error, field.grid.unit),
    ]


def of_regions(found: Correspondences, fixed: Tensor, moving: Tensor) -> Foretold:
    """Return variance and squared error of accepted fixed regions at landmarks (N, ndim), region by region.

    The truth is the moving region's probability at the landmark's partner.
    """
    kept, rois = found.rois.weights > 0, found.rois
    variance = _at(found.fixed_variance[kept], rois.fixed_grid, fixed)
    there, here = (
        _at(rois.fixed[kept], rois.fixed_grid, fixed),
        _at(rois.moving[kept], rois.moving_grid, moving),
    )
    chosen = torch.maximum(there, here) >= LEAST_PROBABILITY
    return Foretold("variance", variance[chosen], (there - here)[chosen] ** 2, "")


def _at(masks: Tensor, grid: Grid, points: Tensor) -> Tensor:
    """Read masks (K, *grid.shape) at world points (N, ndim): (K, N); zero outside."""
    return sample(masks.double(), world_to_index(grid, points.double()), padding="zeros")


def bins(predicted: np.ndarray, error: np.ndarray, count: int = 10) -> list[tuple[int, float, float]]:
    """Return points, mean prediction and mean error of `count` groups of like size, by rising prediction.

    Equal predictions stay together, so that there may be fewer groups.
    """
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, count + 1)))
    places = np.searchsorted(edges[1:-1], predicted, side="left")
    return [
        (
            int((places == place).sum()),
            float(predicted[places == place].mean()),
            float(error[places == place].mean()),
        )
        for place in np.unique(places)
    ]
