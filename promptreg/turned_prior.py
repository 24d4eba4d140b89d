"""The affine prior looked for in turned views: few features know a thing that lies on its side.

Not in the paper. The moving image is embedded as it is and turned; the turn in which most features find each
other is how it lies in the fixed image, and its features are those to search with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptreg.affine_prior import AffinePrior, estimate_affine
from promptreg.config import Search
from promptreg.types import Embedding


@dataclass(frozen=True, eq=False)
class Oriented:
    """The prior, if a search has one, and the embedding of the moving image turned as the fixed one is."""

    prior: AffinePrior | None
    moving: Embedding


def orient(
    moving: Sequence[Embedding], fixed: Embedding, *, config: Search, prealignment: np.ndarray, seed: int
) -> Oriented:
    """Find how the moving image lies in the fixed one, where the search begins with that.

    Args:
        moving: embeddings of the moving image as it is and, for a planar one, in other turns.
        prealignment: homogeneous world map, fixed to moving.
    """
    if not config.needs_prior:
        return Oriented(None, moving[0])
    return estimate_turned(moving, fixed, prealignment=prealignment, seed=seed)


def estimate_turned(
    moving: Sequence[Embedding], fixed: Embedding, *, prealignment: np.ndarray, seed: int
) -> Oriented:
    """Estimate the map from every turn of the moving image; return the reliable one that is borne out best.

    That is by the number of matches that agree with it times the mean cosine of the features that it brings
    together; the first of equals. Where none is reliable, what the first of `moving`, the image as it is,
    gives. Every embedding's grids lie in the moving world, so that all maps go from there to the fixed one.
    """
    priors = [estimate_affine(one, fixed, prealignment=prealignment, seed=seed) for one in moving]
    reliable = [number for number, one in enumerate(priors) if one.reliable]
    best = max(reliable, key=lambda one: priors[one].n_inliers * priors[one].agreement, default=0)
    return Oriented(priors[best], moving[best])
