"""Bootstrap intervals that heed who was imaged: pairs that share a subject are not independent.

Subjects are drawn with replacement, and a pair counts as often as both of its subjects were drawn together:
the product of both counts, the bootstrap of pairwise data (Owen, Ann. Appl. Stat. 1(2), 2007; Davezies et
al., Ann. Stat. 49(2), 2021). It errs towards wide intervals. A pair whose subjects occur in no other pair is
drawn as one, which is the ordinary bootstrap where no two pairs share anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

N_RESAMPLES = 2000
TAILS = (0.025, 0.975)
INTERVAL_KIND = f"95 % percentile bootstrap over subjects, {N_RESAMPLES} resamples"
Who = tuple[str, str]
"""The subjects of the moving and of the fixed image of a pair."""


def drawn_units(subjects: Sequence[Who]) -> np.ndarray:
    """Return what is drawn for each of N pairs, (N, 2): the units of its two subjects, from 0 on by name.

    Both are the same unit, the moving subject, where one subject is on both sides, or where neither is in
    another pair.
    """
    pairs_of = Counter(one for pair in subjects for one in set(pair))
    chosen = [(a, a) if pairs_of[a] == pairs_of[b] == 1 else (a, b) for a, b in subjects]
    order = {one: n for n, one in enumerate(sorted({one for pair in chosen for one in pair}))}
    return np.array([[order[a], order[b]] for a, b in chosen], dtype=int).reshape(-1, 2)


@lru_cache(maxsize=64)
def resample_weights(subjects: tuple[Who, ...], seed: int) -> np.ndarray:
    """Return how often each of N pairs counts in each resample, (B, N); B is at most `N_RESAMPLES`.

    Resamples without any pair are left out. B is 0 where all pairs are of the same subjects: there is
    nothing to draw.
    """
    units = drawn_units(subjects)
    if len(np.unique(units, axis=0)) < 2:
        return np.empty((0, len(units)))
    n_units = int(units.max()) + 1
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=N_RESAMPLES)
    first, second = units.T
    weights = counts[:, first] * np.where(first == second, 1, counts[:, second])
    return weights[weights.any(axis=1)].astype(float)


def weighted_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean of `values` (N,) or (N, K) in each resample of `weights` (B, N): (B,) or (B, K)."""
    total = weights.sum(axis=1)
    return (weights @ values) / (total if values.ndim == 1 else total[:, None])


def weighted_medians(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the median of `values` (N,) in each resample of `weights` (B, N) of whole numbers; (B,).

    Values may be infinite; the middle between minus and plus infinity is NaN.
    """
    order = np.argsort(values, kind="stable")
    below = weights[:, order].cumsum(axis=1)
    half = below[:, -1:] / 2
    lower, upper = values[order][(below >= half).argmax(axis=1)], values[order][(below > half).argmax(axis=1)]
    with np.errstate(invalid="ignore"):
        return np.where(lower == upper, lower, (lower + upper) / 2)


def interval(
    values: np.ndarray,
    subjects: Sequence[Who],
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    seed: int,
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic of `values` (N,) over draws of subjects (N,).

    `statistic` takes values and weights (B, N), such as `weighted_means`. NaN where all pairs, or the only
    one, are of the same subjects. The ends are order statistics, so that they may be infinite.
    """
    weights = resample_weights(tuple(subjects), seed)
    if not len(weights):
        return np.nan, np.nan
    found = statistic(values, weights)
    low, high = np.nanquantile(found, TAILS, method="inverted_cdf")
    return float(low), float(high)
