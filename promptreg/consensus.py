"""Geometric consensus: ROI pairs of one registration must agree on one rough global motion."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

MIN_SUPPORT = 3
"""Two pairs always agree on a similarity: a motion read off the pairs needs a third witness and a majority,
since among eight wrong pairs some three agree by chance."""
MAX_SCALE = 2.0
"""A similarity read off two pairs is implausible beyond this scaling, either way."""


def disagreement(
    moving: np.ndarray, fixed: np.ndarray, given: Sequence[np.ndarray], tolerance: float
) -> np.ndarray:
    """Return (K,) how far each fixed centroid lies from where the best-supported motion takes its moving one.

    `moving` and `fixed` (K, ndim) are centroids in the world. The motions tried are those `given`
    (homogeneous maps, moving to fixed: the pre-alignment, a global prior) and the similarities through
    every two pairs that a majority bears out; the one with the most pairs within `tolerance` wins, the
    closest among equals.
    """
    motions = [np.asarray(one) for one in given]
    tried = [
        similarity_through(moving[[a, b]], fixed[[a, b]]) for a, b in combinations(range(len(moving)), 2)
    ]
    residuals = np.stack(
        [_residual(one, moving, fixed) for one in (*motions, *(m for m in tried if m is not None))]
    )
    support = (residuals <= tolerance).sum(1)
    needed = max(MIN_SUPPORT, len(moving) // 2 + 1)
    support[len(motions) :][support[len(motions) :] < needed] = -1
    closeness = np.minimum(residuals, tolerance).sum(1)
    return residuals[np.lexsort((closeness, -support))[0]]


def similarity_through(moving: np.ndarray, fixed: np.ndarray) -> np.ndarray | None:
    """Return the unmirrored similarity that takes two points (2, ndim) to two others by the least turn.

    None where the points coincide or the scaling is implausible.
    """
    before, after = moving[1] - moving[0], fixed[1] - fixed[0]
    lengths = np.linalg.norm(before), np.linalg.norm(after)
    if min(lengths) < 1e-6 or not 1 / MAX_SCALE <= lengths[1] / lengths[0] <= MAX_SCALE:
        return None
    linear = lengths[1] / lengths[0] * _least_rotation(before / lengths[0], after / lengths[1])
    matrix = np.eye(len(before) + 1)
    matrix[:-1, :-1] = linear
    matrix[:-1, -1] = fixed.mean(0) - linear @ moving.mean(0)
    return matrix


def _least_rotation(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The rotation of unit vector `start` onto `end` that leaves everything at right angles to both alone."""
    cosine = float(start @ end)
    if cosine < -1 + 1e-9:
        return (
            -np.eye(len(start)) if len(start) == 2 else 2 * np.outer(*[_perpendicular(start)] * 2) - np.eye(3)
        )
    skew = np.outer(end, start) - np.outer(start, end)
    return np.eye(len(start)) + skew + skew @ skew / (1 + cosine)


def _perpendicular(vector: np.ndarray) -> np.ndarray:
    other = np.eye(3)[np.abs(vector).argmin()]
    cross = np.cross(vector, other)
    return cross / np.linalg.norm(cross)


def _residual(matrix: np.ndarray, moving: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    return np.linalg.norm(moving @ matrix[:-1, :-1].T + matrix[:-1, -1] - fixed, axis=1)
