"""The affine prior looked for in turned views: few features know a thing that lies on its side.

Not in the paper. The moving image is embedded as it is and turned; the turn in which most features find each
other is how it lies in the fixed image, and its features are those to search with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptreg.affine_prior import AffinePrior, estimate_affine
from promptreg.types import Embedding


@dataclass(frozen=True, eq=False)
class Oriented:
    """The prior, and the embedding of the moving image turned as the fixed one is."""

    prior: AffinePrior
    moving: Embedding


def estimate_turned(
    moving: Sequence[Embedding], fixed: Embedding, *, prealignment: np.ndarray, seed: int
) -> Oriented:
    """Estimate the map from every turn of the moving image; return the reliable one that is borne out best.

    That is by the number of matches that agree with it times the mean cosine of the features that it brings
    together; the first of equals. Where none is reliable, what the first of `moving`, the image as it is,
    gives. Every embedding's grids lie in the moving world, so that all maps go from there to the fixed one.
    """
    found = [
        Oriented(estimate_affine(one, fixed, prealignment=prealignment, seed=seed), one) for one in moving
    ]
    reliable = [one for one in found if one.prior.reliable]
    return max(reliable, key=lambda one: one.prior.n_inliers * one.prior.agreement, default=found[0])
