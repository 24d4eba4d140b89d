"""An affine map out of matched points of which most may be wrong: RANSAC without a threshold.

After Moisan & Stival, Int. J. Comput. Vis. 57(3), 2004. Of all maps that three matches state, and of all
distances within which others may agree with them, that one is taken whose agreement is least to be expected
of points matched at random. So the data say how far a match may lie from the map, and whether there is a map
at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

DRAWS = 4000
"""Maps that are tried: one of three right matches is among them by 98 % if one match in ten is right."""
CHUNK = 500
LOG_CHANCE = -2.0
"""Decimal logarithm of how many sets of random matches may agree as well as one that counts."""
SCALES = (0.25, 4.0)
"""Least and largest stretch of a map that counts, along any direction."""
STATED = 3
"""Matches that state an affine map of the plane."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """A homogeneous map `matrix` (3, 3) float64, which matches agree on it (N,) bool, and how unlikely."""

    matrix: Tensor
    agree: Tensor
    log_chance: float


def agreed_affine(
    source: Tensor, target: Tensor, *, area: float, precision: float, farthest: float, seed: int
) -> Agreement | None:
    """Return the affine map from `source` to `target` (N, 2) on which most matches agree, or None.

    `area` is that of the place in which targets lie, `precision` the least and `farthest` the largest
    distance within which matches may be said to agree, all in the points' unit.
    """
    source, target = source.double().cpu(), target.double().cpu()
    if len(source) <= STATED + 1:
        return None
    chance = _Chance.of(len(source), area, precision, farthest)
    draw = torch.Generator().manual_seed(seed)
    triples = (torch.randint(len(source), (CHUNK, STATED), generator=draw) for _ in range(DRAWS // CHUNK))
    tried = (_best_of(_stated(source[three], target[three]), source, target, chance) for three in triples)
    best = min((one for one in tried if one), key=lambda one: one.log_chance, default=None)
    if best is None or best.log_chance > LOG_CHANCE:
        return None
    return _refined(best, source, target, chance)


def least_squares_affine(source: Tensor, target: Tensor) -> Tensor:
    """Return the homogeneous map (3, 3) float64 from points to points (N, 2) with the least squares."""
    solved = torch.linalg.lstsq(_design(source), target, driver="gelsd").solution
    return _homogeneous(solved[None])[0]


@dataclass(frozen=True, eq=False)
class _Chance:
    """How many random sets of matches agree as well: its logarithm, by the number that agree and distance.

    `choices` (N - 3,) belongs to 4, 5, ... N agreeing matches.
    """

    choices: Tensor
    area: float
    precision: float
    farthest: float

    @classmethod
    def of(cls, n: int, area: float, precision: float, farthest: float) -> _Chance:
        count = torch.arange(STATED + 1, n + 1, dtype=torch.float64)
        choices = math.log(n - STATED) + _log_binomial(n, count) + _log_binomial(count, STATED)
        return cls(choices, area, precision, farthest)

    def best(self, distances: Tensor) -> tuple[Tensor, Tensor]:
        """Of distances (M, N), return the least logarithm (M,) and the distance (M,) that it belongs to."""
        far = distances.sort(dim=1).values[:, STATED:]
        share = (math.pi * far.clamp_min(self.precision) ** 2 / self.area).clamp_max(1)
        others = torch.arange(1, far.shape[1] + 1, dtype=torch.float64)
        logs = (self.choices + others * share.log()) / math.log(10)
        least = logs.masked_fill(far > self.farthest, torch.inf).min(dim=1)
        return least.values, far.gather(1, least.indices[:, None])[:, 0].clamp_min(self.precision)


def _best_of(maps: Tensor, source: Tensor, target: Tensor, chance: _Chance) -> Agreement | None:
    """The best of maps (M, 3, 3) that stretch within SCALES and do not mirror, if there are such."""
    linear = maps[:, :2, :2]
    stretch = torch.linalg.svdvals(linear)
    usable = (torch.linalg.det(linear) > 0) & (stretch[:, 1] >= SCALES[0]) & (stretch[:, 0] <= SCALES[1])
    maps = maps[usable]
    if len(maps) == 0:
        return None
    distances = (source @ maps[:, :2, :2].mT + maps[:, None, :2, 2] - target).norm(dim=-1)
    logs, far = chance.best(distances)
    first = int(logs.argmin())
    return Agreement(maps[first], distances[first] <= far[first], float(logs[first]))


def _refined(found: Agreement, source: Tensor, target: Tensor, chance: _Chance) -> Agreement:
    """Fit the map to all that agree, for as long as that makes the agreement less likely by chance."""
    while True:
        matrix = least_squares_affine(source[found.agree], target[found.agree])
        better = _best_of(matrix[None], source, target, chance)
        if better is None or better.log_chance >= found.log_chance:
            return found
        found = better


def _stated(source: Tensor, target: Tensor) -> Tensor:
    """Maps (M', 3, 3) that triples of matches (M, 3, 2) state; triples on one line state none."""
    solved, failed = torch.linalg.solve_ex(_design(source), target)
    return _homogeneous(solved[(failed == 0) & solved.isfinite().all(-1).all(-1)])


def _design(points: Tensor) -> Tensor:
    return torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)


def _homogeneous(solved: Tensor) -> Tensor:
    """(M, 3, 3) of solutions (M, 3, 2) that act on rows."""
    last = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(len(solved), 1, 3)
    return torch.cat([solved.mT, last], dim=1)


def _log_binomial(n: Tensor | int, k: Tensor | int) -> Tensor:
    n, k = torch.as_tensor(n, dtype=torch.float64), torch.as_tensor(k, dtype=torch.float64)
    return torch.lgamma(n + 1) - torch.lgamma(k + 1) - torch.lgamma(n - k + 1)
