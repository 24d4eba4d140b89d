"""Rankings of methods, how far they are to be trusted, and which methods cannot be told apart.

Methods are ranked on every pair and the ranks are averaged, so that one bad pair weighs no more than
another, and a failed one is the last. The ranking is repeated over draws of subjects (stability of a
challenge's ranking: Wiesenfarth et al., Sci. Rep. 11, 2021). Friedman's test and Nemenyi's critical
difference (Demsar, JMLR 7, 2006) take the pairs for independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np
import pandas as pd
from scipy import stats as sps

from promptreg.comparison import MIN_PAIRS, loss_matrix
from promptreg.resampling import TAILS, resample_weights, weighted_means
from promptreg.stats import ENTRY, GROUP, Subjects, bootstrap_seed, who

ALPHA = 0.05
TEST = "Friedman, then Nemenyi"
_DECIMALS = 9
"""Mean ranks that differ by less are equal."""


def ranking(found: pd.DataFrame, *, subjects: Subjects | None = None, seed: int = 0) -> pd.DataFrame:
    """Rank the entries of every dataset, group and metric; `found` is of `comparison.outcomes`.

    Ranked are entries that were run on every pair; others have NaN. Returns the columns dataset, group,
    entry, metric, n_pairs, mean_rank (1 is best, ties share), place (by mean rank, the least of equals),
    place_low, place_high (95 % of the resamples lie between), first_share (share of resamples in which it is
    first), friedman_p and critical_difference (NaN below three entries or six pairs), alike (letters: entries
    that share one cannot be told apart).
    """
    parts = [_rank_group(part, subjects, seed) for _, part in found.groupby([*GROUP, "metric"], sort=False)]
    measures = ["n_pairs", "mean_rank", "place", "place_low", "place_high", "first_share"]
    columns = [*ENTRY, "metric", *measures, "friedman_p", "critical_difference", "alike"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def place_shares(found: pd.DataFrame, *, subjects: Subjects | None = None, seed: int = 0) -> pd.DataFrame:
    """Return the share of resamples in which every ranked entry took every place.

    Columns: dataset, group, entry, metric, place (1 to the number of entries), share; nothing for a group
    whose pairs are all of the same subjects.
    """
    rows = []
    for key, part in found.groupby([*GROUP, "metric"], sort=False):
        ranks, entries = _ranks(part)
        places = _resampled_places(ranks, part, subjects, seed)
        for k, entry in enumerate(entries if len(places) else []):
            shares = [(places[:, k] == place).mean() for place in range(1, len(entries) + 1)]
            rows += [(*key[:2], entry, key[2], place, share) for place, share in enumerate(shares, start=1)]
    return pd.DataFrame(rows, columns=[*ENTRY, "metric", "place", "share"])


def critical_difference(n_entries: int, n_pairs: int) -> float:
    """Return the least difference of mean ranks that Nemenyi's test tells from chance at 5 %."""
    studentized = sps.studentized_range.ppf(1 - ALPHA, n_entries, np.inf)
    return float(studentized / np.sqrt(2) * np.sqrt(n_entries * (n_entries + 1) / (6 * n_pairs)))


def cliques(mean_ranks: Sequence[float], difference: float) -> list[list[int]]:
    """Return the largest sets of entries no two of which differ by `difference` or more in mean rank.

    Entries are positions in `mean_ranks`; sets go from the best to the worst, and none is within another.
    """
    order = [int(k) for k in np.argsort(mean_ranks, kind="stable")]
    found: list[list[int]] = []
    for start, first in enumerate(order):
        members = [k for k in order[start:] if mean_ranks[k] - mean_ranks[first] < difference]
        if not found or members[-1] not in found[-1]:
            found.append(members)
    return found


def _rank_group(part: pd.DataFrame, subjects: Subjects | None, seed: int) -> pd.DataFrame:
    first = part.iloc[0]
    ranks, entries = _ranks(part)
    means = ranks.mean(axis=0).round(_DECIMALS) if len(ranks) else np.full(len(entries), np.nan)
    result = pd.DataFrame({"entry": entries, "mean_rank": means, "place": sps.rankdata(means, "min")})
    result["n_pairs"] = len(ranks)
    places = _resampled_places(ranks, part, subjects, seed)
    result[["place_low", "place_high", "first_share"]] = np.nan
    if len(places):
        tails = np.quantile(places, TAILS, axis=0, method="inverted_cdf")
        result["place_low"], result["place_high"] = tails
        result["first_share"] = (places == 1).mean(axis=0)
    p, difference = _friedman(ranks)
    result["friedman_p"], result["critical_difference"] = p, difference
    result["alike"] = _letters(means, np.inf if p >= ALPHA else difference) if np.isfinite(p) else ""
    everyone = pd.DataFrame({"entry": list(dict.fromkeys(part["entry"]))})
    found = everyone.merge(result, on="entry", how="left").fillna({"n_pairs": 0, "alike": ""})
    return found.assign(**{name: first[name] for name in [*GROUP, "metric"]}).astype({"n_pairs": int})


def _ranks(part: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """Ranks (N, K) of the entries that were run on all N pairs, equal ones shared, and their names."""
    losses = loss_matrix(part).dropna(axis=1)
    ranks = sps.rankdata(losses.to_numpy().round(_DECIMALS), axis=1) if losses.size else losses.to_numpy()
    return ranks, list(losses.columns)


def _resampled_places(
    ranks: np.ndarray, part: pd.DataFrame, subjects: Subjects | None, seed: int
) -> np.ndarray:
    """The places (B, K) of the entries in every draw of subjects; B is 0 where there is nothing to draw."""
    dataset, group = (str(part.iloc[0][name]) for name in GROUP)
    known = who(dataset, loss_matrix(part).index, subjects)
    weights = resample_weights(tuple(known), bootstrap_seed(seed, dataset, group))
    if not len(weights) or not ranks.size:
        return np.empty((0, ranks.shape[1]))
    return sps.rankdata(weighted_means(ranks, weights).round(_DECIMALS), "min", axis=1)


def _friedman(ranks: np.ndarray) -> tuple[float, float]:
    """Friedman's p and the critical difference; p is 1 where every pair is a tie of all entries."""
    n_pairs, n_entries = ranks.shape
    if n_entries < 3 or n_pairs < MIN_PAIRS:
        return np.nan, np.nan
    tied = bool((ranks == ranks[:, :1]).all())
    p = 1.0 if tied else float(sps.friedmanchisquare(*ranks.T).pvalue)
    return p, critical_difference(n_entries, n_pairs)


def _letters(means: np.ndarray, difference: float) -> list[str]:
    """The letters of the cliques that each entry belongs to."""
    groups = cliques(list(means), difference)
    return ["".join(_letter(n) for n, one in enumerate(groups) if k in one) for k in range(len(means))]


def _letter(n: int) -> str:
    return ascii_lowercase[n % 26] * (1 + n // 26)
