"""Statistics, written again with numpy and the standard library."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache

import numpy as np

NAN = float("nan")
LEAST_PAIRS = 6


def signed_rank(deficit: np.ndarray) -> tuple[float, float]:
    """Wilcoxon's two-sided p over all signs (normal for many tied pairs), and rank-biserial effect."""
    if len(deficit) == 0:
        return NAN, NAN
    nonzero = deficit[deficit != 0]
    ranks = np.array(ranks_of(np.abs(nonzero)))
    plus, minus = ranks[nonzero > 0].sum(), ranks[nonzero < 0].sum()
    effect = (plus - minus) / ranks.sum() if len(nonzero) else 0.0
    if len(deficit) < LEAST_PAIRS:
        return NAN, effect
    if len(nonzero) == 0:
        return 1.0, effect
    ties = len(set(ranks)) < len(ranks) or len(nonzero) < len(deficit)
    if len(deficit) <= (13 if ties else 50):
        chances = np.ones(1)
        for step in (2 * ranks).astype(int):
            chances = (np.pad(chances, (0, step)) + np.pad(chances, (step, 0))) / 2
        tail = chances[: round(2 * min(plus, minus)) + 1].sum()
        return min(1.0, 2 * tail), effect
    n, groups = len(nonzero), Counter(ranks).values()
    variance = n * (n + 1) * (2 * n + 1) / 24 - sum(t**3 - t for t in groups) / 48
    return math.erfc(abs(plus - n * (n + 1) / 4) / math.sqrt(2 * variance)), effect


def holm(p: dict[str, float]) -> dict[str, float]:
    found, least = {}, 0.0
    for n, (name, one) in enumerate(sorted(p.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, one * (len(p) - n)))
        found[name] = least
    return found


def friedman(ranks: np.ndarray) -> tuple[float, float]:
    n, k = ranks.shape
    if k < 3 or n < LEAST_PAIRS:
        return NAN, NAN
    difference = nemenyi(k) * math.sqrt(k * (k + 1) / (6 * n))
    ties = sum(t**3 - t for row in ranks for t in Counter(row).values())
    shrink = 1 - ties / (n * k * (k * k - 1))
    if shrink == 0:
        return 1.0, difference
    total = (12 / (n * k * (k + 1)) * (ranks.sum(axis=0) ** 2).sum() - 3 * n * (k + 1)) / shrink
    return chi_square_tail(total, k - 1), difference


@cache
def nemenyi(k: int) -> float:
    """Of k normal numbers the range, over the root of 2, that one in twenty exceeds; by integration."""
    z = np.linspace(-9, 9, 18_001)
    below = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in z])
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    low, high = 1.0, 10.0
    while high - low > 1e-9:
        q = (low + high) / 2
        inside = (below - np.interp(z - q, z, below, left=0.0)) ** (k - 1)
        share = k * float((density * inside).sum()) * (z[1] - z[0])
        low, high = (q, high) if share < 0.95 else (low, q)
    return low / math.sqrt(2)


def chi_square_tail(x: float, freedom: int) -> float:
    half = x / 2
    if freedom % 2 == 0:
        return math.exp(-half) * sum(half**i / math.factorial(i) for i in range(freedom // 2))
    steps = range(1, (freedom + 1) // 2)
    return math.erfc(math.sqrt(half)) + math.exp(-half) * sum(
        half ** (i - 0.5) / math.gamma(i + 0.5) for i in steps
    )


def ranks_of(values) -> list[float]:
    own = [round(float(one), 9) if math.isfinite(one) else one for one in values]
    return [sum(other < one for other in own) + (sum(other == one for other in own) + 1) / 2 for one in own]


def order_of(n: int, tail: float) -> int:
    """Which of n sorted values is the quantile."""
    return max(math.ceil(n * tail - 1e-9) - 1, 0)


def means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (weights * values).sum(axis=1) / weights.sum(axis=1)


def medians(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.array([middle(np.repeat(values, row.astype(int))) for row in weights])


def middle(values: np.ndarray) -> float:
    own = np.sort(values)
    low, high = own[(len(own) - 1) // 2], own[len(own) // 2]
    return low if low == high else (low + high) / 2


def mean(values) -> float:
    own = [float(one) for one in values if one == one]
    return float(np.mean(own)) if own else NAN


def fixed(value: float, plus: str = "") -> str:
    if value != value:
        return "–"
    text = "∞" if math.isinf(value) else f"{abs(value):.2f}"
    return text if text == "0.00" else ("−" if value < 0 else plus) + text
