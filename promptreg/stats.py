"""Statistics of the benchmark, computed here once; tables and figures only show them.

Structures are averaged to one value a pair, pairs to mean and population SD. An entry is a row of a
table: a baseline, or a variant of PromptReg.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats as sps
from statsmodels.stats.multitest import multipletests

from promptreg.records import check_frame, entries

HIGHER_IS_BETTER = frozenset({"dice", "nsd"})
SD_KIND = "population SD over pairs"
MIN_PAIRS = 6
N_RESAMPLES = 2000
GROUP = ["dataset", "group"]
ENTRY = [*GROUP, "entry"]


def case_values(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Average the structures of each pair: one row a dataset, group, entry, pair and metric.

    Undefined values (NaN) are left out of a pair's mean, which is NaN where none is defined. Columns:
    dataset, group, entry, pair, metric, unit, value.
    """
    check_frame(frame)
    chosen = frame[frame["metric"].isin(list(metrics))]
    chosen = chosen.assign(entry=entries(chosen))
    grouped = chosen.groupby([*ENTRY, "pair", "metric"], sort=False)
    cases = grouped.agg(unit=("unit", _first_nonempty), value=("value", "mean"))
    return cases.reset_index()


def summarize(cases: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Summarize the pairs of every dataset, group, entry and metric.

    Returns the columns dataset, group, entry, metric, unit, n (defined values), n_undefined, mean, sd
    (population), median, ci_low, ci_high (95 % percentile bootstrap of the mean, NaN below two values).
    """
    rows = []
    for key, part in cases.groupby([*ENTRY, "metric"], sort=False):
        values = part["value"].dropna().to_numpy()
        low, high = bootstrap_interval(values, seed=seed)
        spread = (values.mean(), values.std(), np.median(values)) if len(values) else (np.nan,) * 3
        rows.append(
            (*key, _first_nonempty(part["unit"]), len(values), len(part) - len(values), *spread, low, high)
        )
    names = ["metric", "unit", "n", "n_undefined", "mean", "sd", "median", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*ENTRY, *names])


def bootstrap_interval(values: np.ndarray, *, seed: int, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean of `values` (N,); NaN below two values."""
    if len(values) < 2:
        return np.nan, np.nan
    result = sps.bootstrap(
        (values,),
        np.mean,
        n_resamples=N_RESAMPLES,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Count the pairs of every dataset, group and entry, and those that gave no full result.

    Returns the columns dataset, group, entry, n_pairs, n_failed, n_not_run, n_empty, n_absent (pairs with
    an empty or absent structure), and reason: the distinct reasons of failure, most frequent first.
    """
    check_frame(frame)
    named = frame.assign(entry=entries(frame))
    rows = []
    for key, part in named.groupby(ENTRY, sort=False):
        n = {status: part.loc[part["status"] == status, "pair"].nunique() for status in _COUNTED}
        failures = part.loc[part["metric"] == "registration", "reason"].value_counts()
        reasons = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
        rows.append((*key, part["pair"].nunique(), *n.values(), "; ".join(str(r) for r, _ in reasons)))
    return pd.DataFrame(rows, columns=[*ENTRY, "n_pairs", *_COUNTED.values(), "reason"])


def compare_to_best(cases: pd.DataFrame) -> pd.DataFrame:
    """Test every entry against the one with the best mean, pair by pair.

    Within each dataset, group and metric: Wilcoxon signed-rank on the pairs that both entries have, Holm
    correction over the entries. Fewer than six common pairs cannot reach p < 0.05 and give NaN. Returns
    the columns dataset, group, entry, metric, best, n_paired, p, p_holm, effect (see `signed_rank`).
    """
    parts = [
        _compare_group(part, str(key[2])).assign(**dict(zip([*GROUP, "metric"], map(str, key), strict=True)))
        for key, part in cases.groupby([*GROUP, "metric"], sort=False)
    ]
    columns = [*ENTRY, "metric", "best", "n_paired", "p", "p_holm", "effect"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def signed_rank(deficit: np.ndarray) -> tuple[float, float]:
    """Return the two-sided Wilcoxon signed-rank p and the matched-pairs rank-biserial effect of (N,).

    `deficit` is how much worse each pair is than its partner; the effect is 1 when all are worse, -1 when
    all are better, 0 when they balance. p is NaN below six pairs, and 1 where all pairs are equal.
    """
    nonzero = deficit[deficit != 0]
    ranks = sps.rankdata(np.abs(nonzero))
    effect = float((ranks * np.sign(nonzero)).sum() / ranks.sum()) if len(nonzero) else 0.0
    if len(deficit) < MIN_PAIRS:
        return np.nan, effect if len(deficit) else np.nan
    return (float(sps.wilcoxon(deficit).pvalue) if len(nonzero) else 1.0), effect


def _compare_group(part: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Compare the entries of one dataset, group and metric with the best of them."""
    table = part.pivot(index="pair", columns="entry", values="value")[list(dict.fromkeys(part["entry"]))]
    sign = 1.0 if metric in HIGHER_IS_BETTER else -1.0
    scores = sign * table.mean()
    result = pd.DataFrame(
        {"entry": table.columns, "best": False, "n_paired": 0, "p": np.nan, "effect": np.nan}
    )
    result["p_holm"] = np.nan
    if scores.notna().any():
        best = scores.idxmax()
        for i, entry in enumerate(table.columns):
            common = table[[best, entry]].dropna() if entry != best else table[[best]].dropna()
            result.loc[i, "n_paired"] = len(common)
            if entry == best:
                result.loc[i, "best"] = True
            else:
                deficit = sign * (common[best] - common[entry]).to_numpy()
                result.loc[i, ["p", "effect"]] = signed_rank(deficit)
    tested = result["p"].notna()
    if tested.any():
        result.loc[tested, "p_holm"] = multipletests(result.loc[tested, "p"], method="holm")[1]
    return result


_COUNTED = {"failed": "n_failed", "not run": "n_not_run", "empty": "n_empty", "absent": "n_absent"}


def _first_nonempty(units: pd.Series) -> str:
    """The unit of a group of rows; rows without a value may lack one."""
    return next((unit for unit in units if unit), "")
