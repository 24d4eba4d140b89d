"""Methods against each other, pair by pair; a pair that a method failed on counts as its worst."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats as sps
from statsmodels.stats.multitest import multipletests

from promptreg.records import check_frame, entries
from promptreg.resampling import interval, weighted_medians
from promptreg.stats import ENTRY, GROUP, HIGHER_IS_BETTER, Subjects, bootstrap_seed, case_values, who
from promptreg.units import apart_by_unit, unit_in, without_unit

MIN_PAIRS = 6
PENALIZED = {"centroid_tre": "centroid_tre_penalized"}
"""Measures that are undefined for an empty structure, and what is compared in their place."""
_CASE = [*ENTRY, "pair", "metric"]


def outcomes(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Say how every entry fared on every pair: one row a dataset, group, entry, pair and measured metric.

    Columns: dataset, group, entry, pair, metric, unit, value (as in `stats.case_values`, NaN without one),
    status ("ok", "empty", "absent", "failed", "not run") and loss. The loss orders results, lower is better:
    it is the value, negated where higher is better; plus infinity where the method failed or an empty
    structure left no value; NaN where the method was not run or an annotation is absent. An empty structure
    counts by the penalized centroid TRE.
    """
    cases = case_values(frame, metrics)
    penalized = case_values(frame, [PENALIZED[one] for one in metrics if one in PENALIZED])
    early = {late: early for early, late in PENALIZED.items()}
    names = {one: early[without_unit(one)] + unit_in(one) for one in penalized["metric"].unique()}
    penalized["metric"] = penalized["metric"].replace(names)
    cases = cases.merge(penalized.rename(columns={"value": "counted"})[[*_CASE, "counted"]], "left", _CASE)
    cases["status"] = _statuses(apart_by_unit(frame, metrics), cases)
    higher = cases["metric"].isin(HIGHER_IS_BETTER)
    loss = cases["counted"].fillna(cases["value"])
    loss = loss.mask(loss.isna() & (cases["status"] == "empty"), np.inf)
    cases["loss"] = loss.mask(higher, -cases["value"])
    found = pd.concat([cases.drop(columns="counted"), _unregistered(frame, cases)], ignore_index=True)
    return found[[*_CASE, "unit", "value", "status", "loss"]]


def compare_to_best(found: pd.DataFrame, *, subjects: Subjects | None = None, seed: int = 0) -> pd.DataFrame:
    """Test every entry against the one with the best mean value, pair by pair; `found` is of `outcomes`.

    Within each dataset, group and metric: Wilcoxon signed-rank on the losses of pairs that both entries were
    run on, Holm correction over the entries. Fewer than six common pairs cannot reach p < 0.05 and give NaN.
    Returns the columns dataset, group, entry, metric, best, n_paired, n_worst (pairs of these that the entry
    failed on), difference (median over pairs of entry minus best, in the unit of the metric; infinite where
    failures prevail), difference_low, difference_high (95 % bootstrap interval), p, p_holm, effect (see
    `signed_rank`).
    """
    parts = []
    for key, part in found.groupby([*GROUP, "metric"], sort=False):
        dataset, group, metric = map(str, key)
        compared = _compare_group(
            part, dataset, metric, subjects=subjects, seed=bootstrap_seed(seed, dataset, group)
        )
        parts.append(compared.assign(dataset=dataset, group=group, metric=metric))
    columns = [*ENTRY, "metric", "best", "n_paired", "n_worst", *_DIFFERENCE, "p", "p_holm", "effect"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def loss_matrix(part: pd.DataFrame, values: str = "loss") -> pd.DataFrame:
    """Return the losses of one dataset, group and metric: pairs as rows, entries as columns, in their order.

    Pairs that no entry has a result for are left out.
    """
    table = part.pivot(index="pair", columns="entry", values=values)
    ordered = table.loc[list(dict.fromkeys(part["pair"])), list(dict.fromkeys(part["entry"]))]
    return ordered.dropna(how="all")


def signed_rank(deficit: np.ndarray) -> tuple[float, float]:
    """Return the two-sided Wilcoxon signed-rank p and the matched-pairs rank-biserial effect of (N,).

    `deficit` is how much worse each pair is than its partner, infinite where one of them failed; the effect
    is 1 when all are worse, -1 when all are better, 0 when they balance. p is NaN below six pairs, and 1
    where all pairs are equal.
    """
    if len(deficit) == 0:
        return np.nan, np.nan
    finite = np.abs(deficit[np.isfinite(deficit)]).max(initial=0.0)
    bounded = np.clip(deficit, -finite - 1, finite + 1)
    nonzero = bounded[bounded != 0]
    ranks = sps.rankdata(np.abs(nonzero))
    effect = float((ranks * np.sign(nonzero)).sum() / ranks.sum()) if len(nonzero) else 0.0
    if len(deficit) < MIN_PAIRS:
        return np.nan, effect
    return (float(sps.wilcoxon(bounded).pvalue) if len(nonzero) else 1.0), effect


_DIFFERENCE = ("difference", "difference_low", "difference_high")


def _compare_group(
    part: pd.DataFrame, dataset: str, metric: str, *, subjects: Subjects | None, seed: int
) -> pd.DataFrame:
    """Compare the entries of one dataset, group and metric with the best of them."""
    losses, sign = loss_matrix(part), -1.0 if metric in HIGHER_IS_BETTER else 1.0
    means = sign * part.groupby("entry", sort=False)["value"].mean()
    best = means.idxmin() if means.notna().any() else None
    rows = []
    for entry in means.index:
        row = {"entry": entry, "best": entry == best, "n_paired": 0, "n_worst": 0}
        if best is not None and entry in losses and best in losses:
            common = losses[[entry, best]].dropna() if entry != best else losses[[best]].dropna()
            row |= {"n_paired": len(common), "n_worst": int(np.isposinf(common[entry]).sum())}
            if entry != best:
                deficit = _difference(common[entry].to_numpy(), common[best].to_numpy())
                row |= dict(zip(("p", "effect"), signed_rank(deficit), strict=True))
                row |= _median_difference(sign * deficit, who(dataset, common.index, subjects), seed)
        rows.append(row)
    columns = ["entry", "best", "n_paired", "n_worst", *_DIFFERENCE, "p", "p_holm", "effect"]
    numbers = dict.fromkeys([*_DIFFERENCE, "p", "p_holm", "effect"], float)
    result = pd.DataFrame(rows, columns=columns).astype(numbers)
    tested = result["p"].notna()
    if tested.any():
        result.loc[tested, "p_holm"] = multipletests(result.loc[tested, "p"], method="holm")[1]
    return result


def _difference(losses: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Loss minus best loss; equal where both failed."""
    with np.errstate(invalid="ignore"):
        return np.where(losses == best, 0.0, losses - best)


def _median_difference(differences: np.ndarray, subjects: list, seed: int) -> dict[str, float]:
    if len(differences) == 0:
        return {}
    median = weighted_medians(differences, np.ones((1, len(differences))))[0]
    ends = interval(differences, subjects, weighted_medians, seed=seed)
    return dict(zip(_DIFFERENCE, (float(median), *ends), strict=True))


def _statuses(frame: pd.DataFrame, cases: pd.DataFrame) -> pd.Series:
    """The status of every case: empty where any structure is, absent where nothing could be measured."""
    named = frame.assign(entry=entries(frame))
    emptied = named.loc[named["status"] == "empty", _CASE].drop_duplicates().assign(emptied=True)
    marked = cases[_CASE].merge(emptied, "left", _CASE)["emptied"].eq(True).to_numpy()
    status = pd.Series("ok", index=cases.index).mask(cases["value"].isna().to_numpy(), "absent")
    return status.mask(marked, "empty")


def _unregistered(frame: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Rows of the pairs that an entry failed on or was not run on, for each metric that another one has."""
    check_frame(frame)
    lost = frame[frame["status"].isin(["failed", "not run"])]
    lost = lost.assign(entry=entries(lost))[[*ENTRY, "pair", "status"]].drop_duplicates([*ENTRY, "pair"])
    measured = cases.loc[cases["loss"].notna(), [*GROUP, "pair", "metric", "unit"]]
    rows = lost.merge(measured.drop_duplicates([*GROUP, "pair", "metric"]), on=[*GROUP, "pair"])
    return rows.assign(value=np.nan, loss=np.where(rows["status"] == "failed", np.inf, np.nan))
