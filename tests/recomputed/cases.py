"""What every entry reached on every pair of one application and measure, and what follows from it."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter

import numpy as np
import pandas as pd

from recomputed.numbers import (
    NAN,
    friedman,
    holm,
    mean,
    means,
    medians,
    order_of,
    ranks_of,
    signed_rank,
)
from recomputed.results import Results

HIGHER = ("dice", "cycle", "accepted")
PENALIZED = {"centroid_tre": "centroid_tre_penalized"}
N_RESAMPLES = 2000


class Cases:
    """One application and measure: what every entry reached on every pair."""

    def __init__(
        self, results: Results, key: tuple[str, str], metric: str, only: list[str] | None = None
    ) -> None:
        self.results, self.key, self.metric = results, key, metric
        self.sign = -1 if metric in HIGHER else 1
        rows = results.rows[key]
        rows = rows if only is None else rows[rows["entry"].isin(only)]
        self.rows, self.entries = rows, list(dict.fromkeys(rows["entry"]))
        self.value: dict[tuple[str, str], float] = {}
        self.loss: dict[tuple[str, str], float] = {}
        self.measured_by = dict.fromkeys(self.entries, 0)
        for (entry, pair), one in rows.groupby(["entry", "pair"], sort=False):
            self._read(entry, pair, one)
        self.pairs = sorted({pair for (_, pair), loss in self.loss.items() if not math.isnan(loss)})
        for (entry, pair), one in rows.groupby(["entry", "pair"], sort=False):
            if (one["status"] == "failed").any():
                self.loss[entry, pair] = math.inf

    def _read(self, entry: str, pair: str, one: pd.DataFrame) -> None:
        own = one[one["metric"] == self.metric]
        if own.empty:
            return
        self.measured_by[entry] += 1
        self.value[entry, pair] = mean(own["value"])
        counted = mean(one.loc[one["metric"] == PENALIZED.get(self.metric, self.metric), "value"])
        if math.isnan(counted):
            counted = self.value[entry, pair]
        emptied = (own["status"] == "empty").any()
        self.loss[entry, pair] = math.inf if math.isnan(counted) and emptied else self.sign * counted

    def defined(self, entry: str) -> dict[str, float]:
        return {pair: v for (who, pair), v in self.value.items() if who == entry and not math.isnan(v)}

    @property
    def best(self) -> str | None:
        means = {
            one: self.sign * mean(self.defined(one).values()) for one in self.entries if self.defined(one)
        }
        return min(means, key=lambda one: means[one]) if means else None

    def summary(self, entry: str) -> dict[str, float]:
        """The numbers of one row of table1.csv."""
        values = self.defined(entry)
        numbers = np.array(list(values.values()))
        found = {"n": len(values), "n_undefined": self.measured_by[entry] - len(values)}
        low, high = self.interval(numbers, list(values), means)
        found |= {"mean": mean(numbers), "sd": NAN, "median": NAN, "ci_low": low, "ci_high": high}
        if values:
            found |= {"sd": numbers.std(), "median": np.median(numbers)}
        return found | self.against_best(entry) | self.counts(entry)

    def against_best(self, entry: str) -> dict[str, float]:
        names = ("difference", "difference_low", "difference_high", "p", "p_holm", "effect")
        best = self.best
        found = {"best": float(entry == best), "n_paired": 0, "n_worst": 0} | dict.fromkeys(names, NAN)
        if best is None:
            return found
        common = self.common(entry)
        found["n_paired"] = len(common)
        found["n_worst"] = sum(self.loss[entry, pair] == math.inf for pair in common)
        if entry == best or not common:
            return found
        deficit = self.deficit(entry)
        found["difference"] = medians(self.sign * deficit, np.ones((1, len(deficit))))[0]
        ends = self.interval(self.sign * deficit, common, medians)
        found["difference_low"], found["difference_high"] = ends
        found["p"], found["effect"] = signed_rank(deficit)
        tests = {
            one: signed_rank(self.deficit(one))[0] for one in self.entries if one != best and self.common(one)
        }
        found["p_holm"] = holm({one: p for one, p in tests.items() if not math.isnan(p)}).get(entry, NAN)
        return found

    def common(self, entry: str) -> list[str]:
        both = [self.loss.get((one, pair), NAN) for pair in self.pairs for one in (entry, self.best)]
        judged = ~np.isnan(np.array(both).reshape(-1, 2)).any(axis=1)
        return [pair for pair, kept in zip(self.pairs, judged, strict=True) if kept]

    def deficit(self, entry: str) -> np.ndarray:
        both = [(self.loss[entry, pair], self.loss[self.best, pair]) for pair in self.common(entry)]
        return np.array([0.0 if own == other else own - other for own, other in both])

    def counts(self, entry: str) -> dict[str, float]:
        own = self.rows[self.rows["entry"] == entry]
        names = {"n_failed": "failed", "n_not_run": "not run", "n_empty": "empty", "n_absent": "absent"}
        lost = {name: own.loc[own["status"] == status, "pair"].nunique() for name, status in names.items()}
        return {"n_pairs": own["pair"].nunique(), **lost}

    def weights(self, pairs: list[str]) -> np.ndarray:
        """How often each pair counts in each draw of subjects."""
        own = [self.results.subjects.get((self.key[0], pair), (pair, pair)) for pair in pairs]
        times = Counter(one for both in own for one in set(both))
        own = [(a, a) if times[a] == times[b] == 1 else (a, b) for a, b in own]
        if len(set(own)) < 2:
            return np.empty((0, len(pairs)))
        names = sorted({one for both in own for one in both})
        text = json.dumps([self.results.seed, *self.key, "bootstrap"])
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
        drawn = np.random.default_rng(seed).multinomial(
            len(names), [1 / len(names)] * len(names), N_RESAMPLES
        )
        column = {name: drawn[:, k].astype(float) for k, name in enumerate(names)}
        each = np.stack([column[a] * (column[b] if a != b else 1) for a, b in own], axis=1)
        return each[each.sum(axis=1) > 0]

    def interval(self, values, pairs, statistic) -> tuple[float, float]:
        weights = self.weights(pairs)
        if not len(weights):
            return NAN, NAN
        found = np.sort(statistic(np.asarray(values), weights))
        found = found[~np.isnan(found)]
        return found[order_of(len(found), 0.025)], found[order_of(len(found), 0.975)]

    def ranks(self) -> dict[tuple, dict]:
        """The numbers of ranking.csv and of rank_stability.csv."""
        ranked = [
            one
            for one in self.entries
            if self.pairs and not any(math.isnan(self.loss.get((one, pair), NAN)) for pair in self.pairs)
        ]
        ranks = np.array([ranks_of([self.loss[one, pair] for one in ranked]) for pair in self.pairs])
        middle = ranks.mean(axis=0) if len(ranked) else []
        places = [1 + sum(other < own - 1e-8 for other in middle) for own in middle]
        weights = self.weights(self.pairs)
        drawn = (
            (weights @ ranks / weights.sum(axis=1, keepdims=True)).round(9) if len(weights) and ranked else []
        )
        p, difference = friedman(ranks) if ranked else (NAN, NAN)
        found = {}
        for k, entry in enumerate(ranked):
            place = np.sort([1 + (row < row[k]).sum() for row in drawn])
            low, high = (place[order_of(len(place), t)] if len(place) else NAN for t in (0.025, 0.975))
            far = np.abs(np.asarray(middle) - middle[k]) >= difference
            found[(entry, *self.key, self.metric)] = {
                **{"n_pairs": len(self.pairs), "mean_rank": middle[k], "place": places[k]},
                **{"place_low": low, "place_high": high, "friedman_p": p, "critical_difference": difference},
                "first_share": (place == 1).mean() if len(place) else NAN,
                "shares": [(place == n + 1).mean() for n in range(len(ranked))] if len(place) else [],
                "apart": {one for one, away in zip(ranked, far, strict=True) if away and p < 0.05},
            }
        return found
