"""Prompts chosen one by one: the next where the regions found so far say least.

A region that was accepted, and on which views agree, makes what lies around it certain; what is far from all
such regions is not, nor is the neighbourhood of one that was rejected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from promptreg.alignment import moments
from promptreg.config import Marginalize, Prompts
from promptreg.correspond import Correspondences, correspond
from promptreg.prompts import candidate_points, place_prompts, prompt_region
from promptreg.search import Rois
from promptreg.types import Image, PointPrompts

REACH = 0.15
"""Width of what a region makes certain, share of the longest side."""
MOST_CANDIDATES = 2000
LARGEST_VARIANCE = 0.25
"""Variance of a probability that is 0 in half of the views and 1 in the others."""
Find = Callable[[PointPrompts], Rois]


def find_with_prompts(
    find: Find,
    moving: Image,
    labels: np.ndarray | None,
    config: Prompts,
    *,
    prealignment: np.ndarray,
    seed: int,
) -> Rois:
    """Place prompts by the strategy of the configuration, and return what `find` finds for all of them.

    Regions are judged by the default tests, whatever is done with them later. The first prompts of an active
    search for many are those of one for few.
    """
    if config.strategy == "random" or config.points or config.count <= config.initial:
        return find(place_prompts(moving, labels, config, seed))
    rois = find(place_prompts(moving, labels, config.model_copy(update={"count": config.initial}), seed))
    assert config.where != "both"
    candidates = candidate_points(moving, prompt_region(moving, labels, config.where), seed)[:MOST_CANDIDATES]
    distance = config.min_distance * float(moving.grid.extent.max())
    while len(rois.moving) < config.count:
        found = correspond(rois, Marginalize(), prealignment=prealignment)
        point = next_point(candidates, rois.prompts.points[:, 0], found, distance)
        one = PointPrompts(point[None, None], torch.ones(1, 1, dtype=rois.prompts.labels.dtype))
        rois = joined(rois, find(one))
    return rois


def next_point(candidates: Tensor, given: Tensor, found: Correspondences, distance: float) -> Tensor:
    """Return the most uncertain of the candidates (N, ndim) that lies `distance` from all `given` (K, ndim).

    Where none lies so far off, it is the one farthest from all given.
    """
    nearest = torch.cdist(candidates.double(), given.double().cpu()).amin(1)
    free = nearest >= distance
    if not free.any():
        return candidates[int(nearest.argmax())]
    scores = uncertainty(candidates, found).where(free, torch.full_like(nearest, -1.0))
    return candidates[int(scores.argmax())]


def uncertainty(points: Tensor, found: Correspondences) -> Tensor:
    """Return how uncertain the correspondence at moving world points (N, ndim) is, (N,) in [0, 1].

    It is 1 far from every accepted region, and at the centroid of one the share of the largest variance that
    its views have, per cell of the region.
    """
    kept, rois = found.rois.weights.cpu() > 0, found.rois
    if not kept.any():
        return torch.ones(len(points), dtype=torch.float64)
    masks, spread = rois.moving[kept].cpu(), found.moving_variance[kept].cpu()
    reach = REACH * float(rois.moving_grid.extent.max())
    centers = moments(masks, rois.moving_grid).centroid.double()
    share = spread.flatten(1).sum(1) / masks.flatten(1).sum(1) / LARGEST_VARIANCE
    near = torch.exp(-((torch.cdist(points.double(), centers) / reach) ** 2) / 2)
    return 1 - ((1 - share.double().clamp(0, 1)) * near).amax(1)


def joined(first: Rois, second: Rois) -> Rois:
    """Return the prompts of two searches in the same views as those of one."""
    n_points = max(first.points.shape[2], second.points.shape[2])

    def both(name: str, fill: float | None = None) -> Tensor:
        parts = [getattr(one, name) for one in (first, second)]
        if fill is not None:
            parts = [
                pad(one, [0, 0] * (one.ndim - 3) + [0, n_points - one.shape[2]], value=fill) for one in parts
            ]
        return torch.cat(parts)

    return replace(
        first,
        prompts=PointPrompts(
            torch.cat([first.prompts.points, second.prompts.points]),
            torch.cat([first.prompts.labels, second.prompts.labels]),
        ),
        moving=both("moving"),
        visible=both("visible"),
        fixed=both("fixed"),
        points=both("points", float("nan")),
        labels=both("labels", -1),
        residual=both("residual"),
        agreement=both("agreement"),
        cycle=both("cycle"),
    )
