"""Compute every number of every table again from the measures, and compare it with what was written.

It shares no code with the package: pandas, numpy and the standard library alone. From a shell:

    python tests/recomputed.py results [seed]
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

METRICS = ("dice", "centroid_tre", "landmark_tre")
TITLES = {"dice": "Dice", "centroid_tre": "centroid TRE", "landmark_tre": "landmark TRE"}
PENALIZED = {"centroid_tre": "centroid_tre_penalized"}
Q_05 = dict(zip(range(2, 11), (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164), strict=True))
"""Critical values of Nemenyi's test at 5 %, Demsar, JMLR 7, 2006, table 5."""
N_RESAMPLES, LEAST_PAIRS = 2000, 6
NAN = float("nan")
NOTHING = {"n": 0, "best": 0.0, "n_paired": 0} | dict.fromkeys(("mean", "median", "ci_low"), NAN)
"""Of a method without any result."""
TEX = {
    r"\textbackslash{}": "\\", r"\&": "&", r"\%": "%", r"\$": "$", r"\#": "#", r"\_": "_", r"\{": "{",
    r"\}": "}", r"\textasciitilde{}": "~", r"\textasciicircum{}": "^", "$<$": "<", "$>$": ">", r"$\pm$": "±",
    "--": "–", "$-$": "−", r"$\infty$": "∞", r"\dag{}": "†",
}  # fmt: skip


class Results:
    """The measures of a benchmark, its pairs and its tables."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self.n_compared = folder, seed, 0
        self.frame = pd.read_parquet(folder / "metrics.parquet")
        variant, method = self.frame["variant"].astype(str), self.frame["method"].astype(str)
        self.frame["entry"] = np.where(variant == "", method, variant)
        listed = self.csv("../pairs.csv")
        self.subjects = {
            (one.dataset, one.pair): (str(one.moving_subject), str(one.fixed_subject))
            for one in listed.itertuples()
        }
        of_group = self.frame.groupby(["dataset", "group"], sort=False)
        self.rows = {(str(key[0]), str(key[1])): rows for key, rows in of_group}
        self.groups = list(self.rows)

    def csv(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "tables" / name, keep_default_na=False, na_values={"": ""}).pipe(
            _texts
        )

    def same(self, what: object, found: object, expected: float, *, rel: float = 2e-5) -> None:
        """Compare a written number with a computed one; both may be undefined."""
        number = float("nan") if found == "" else float(str(found))
        close = math.isclose(number, expected, rel_tol=rel, abs_tol=1e-9)
        assert close or (math.isnan(number) and math.isnan(expected)), f"{what}: {number}, found {expected}"
        self.n_compared += 1


def check(folder: Path, seed: int = 0) -> int:
    """Compare all tables of a results folder; return how many numbers were compared."""
    results = Results(Path(folder), seed)
    table1, ranks = {}, {}
    for key in results.groups:
        for metric in METRICS:
            cases = Cases(results, key, metric)
            for entry in cases.entries:
                table1[(entry, *key, metric)] = cases.summary(entry)
            ranks |= cases.ranks()
    compare_statistics(results, table1)
    compare_ranking(results, ranks)
    compare_per_pair(results)
    compare_time(results)
    for name in ("table1", "statistics", "ranking", "time"):
        compare_latex(results, name)
    return results.n_compared


class Cases:
    """One application and measure: what every entry reached on every pair."""

    def __init__(self, results: Results, key: tuple[str, str], metric: str) -> None:
        self.results, self.key, self.metric = results, key, metric
        self.sign = -1 if metric == "dice" else 1
        rows = results.rows[key]
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


def compare_statistics(results: Results, expected: dict[tuple, dict[str, float]]) -> None:
    """table1.csv, statistics.csv and their texts."""
    table = results.csv("table1.csv")
    for row in table.to_dict("records"):
        key = tuple(row[name] for name in ("entry", "dataset", "group", "metric"))
        numbers = expected.get(key)
        assert numbers is not None or row["reason"] == "no results", f"{key} is in table1.csv alone"
        for name, number in (numbers or {}).items():
            written = float(str(row[name]) == "True") if name == "best" else row[name]
            results.same(("table1.csv", key, name), written, number)
    written = {tuple(row) for row in table[["entry", "dataset", "group", "metric"]].itertuples(index=False)}
    assert written >= set(expected), "table1.csv lacks rows"
    statistics = results.csv("statistics.csv")
    for row in statistics.to_dict("records"):
        key = tuple(row[name] for name in ("entry", "dataset", "group", "metric"))
        numbers = expected.get(key, NOTHING)
        for name in (one for one in numbers if one in row and one != "best"):
            results.same(("statistics.csv", key, name), row[name], numbers[name])
    shown = {key[1:] for key, one in expected.items() if one["n"] > 0}
    assert {tuple(row) for row in statistics[["dataset", "group", "metric"]].itertuples(index=False)} == shown
    compare_table1_text(results, table, expected, shown)
    compare_statistics_text(results, statistics, expected)


def compare_table1_text(results: Results, table: pd.DataFrame, expected: dict, shown: set) -> None:
    rows = markdown(results, "table1")
    methods = list(dict.fromkeys(table["entry"]))
    assert [row[0] for row in rows] == methods
    seen = {
        (r["entry"], r["dataset"], r["group"])
        for r in table.to_dict("records")
        if str(r["seen_in_training"]) == "True"
    }
    for row in rows:
        cells = iter(row[2:])
        for key in results.groups:
            columns = [m for m in METRICS if (*key, m) in shown] or list(METRICS[:1])
            texts = [next(cells) for _ in columns]
            count = next(cells)
            numbers = {m: expected.get((row[0], *key, m)) for m in columns}
            first = next(iter(numbers.values()))
            if first is None:
                assert texts[0].startswith("not run (no results"), texts
                continue
            lost = first["n_failed"] + first["n_not_run"]
            assert count == f"{first['n_pairs'] - lost}/{first['n_pairs']}", (row[0], key, count)
            results.n_compared += 1
            if lost == first["n_pairs"]:
                assert texts[0].startswith(("failed (", "not run (")), texts
                continue
            for metric, text in zip(columns, texts, strict=True):
                one, dagger = numbers[metric], "†" if (row[0], *key) in seen else ""
                star = "*" if one["p_holm"] < 0.05 and one["effect"] > 0 else ""
                cell = f"{one['mean']:.2f} ± {one['sd']:.2f}{star}{dagger}" if one["n"] else "–"
                assert text == (f"**{cell}**" if one["best"] else cell), (row[0], key, metric, text, cell)
                results.n_compared += 2


def compare_statistics_text(results: Results, statistics: pd.DataFrame, expected: dict) -> None:
    rows = markdown(results, "statistics")
    assert len(rows) == len(statistics)
    for row, record in zip(rows, statistics.to_dict("records"), strict=True):
        one = expected.get(tuple(record[name] for name in ("entry", "dataset", "group", "metric")), NOTHING)
        assert row[2].strip("*") == record["entry"]
        assert row[1].startswith(TITLES[record["metric"]])
        spread = (
            f" [{fixed(one['ci_low'])}, {fixed(one['ci_high'])}]" if one["ci_low"] == one["ci_low"] else ""
        )
        cells = [str(one["n"]), fixed(one["mean"]) + spread, fixed(one["median"])]
        if one["best"]:
            cells += ["best", "–", "–", "–", "–"]
        elif not one["n_paired"]:
            cells += ["0", "–", "–", "–", "–"]
        else:
            ends = [fixed(one[f"difference_{end}"], "+") for end in ("low", "high")]
            spread = f" [{ends[0]}, {ends[1]}]" if one["difference_low"] == one["difference_low"] else ""
            p = one["p_holm"]
            cells += [
                *(str(one["n_paired"]), str(one["n_worst"]), fixed(one["difference"], "+") + spread),
                *(fixed(one["effect"], "+"), "–" if p != p else f"{p:.3f}" if p >= 0.001 else "< 0.001"),
            ]
        assert row[3:] == cells, (record["entry"], record["group"], record["metric"], row[3:], cells)
        results.n_compared += len(cells)


def compare_ranking(results: Results, expected: dict[tuple, dict]) -> None:
    """ranking.csv, rank_stability.csv and the text."""
    table = results.csv("ranking.csv")
    letters = {}
    for row in table.to_dict("records"):
        key = tuple(row[name] for name in ("entry", "dataset", "group", "metric"))
        letters[key] = row["alike"]
        if key not in expected:
            assert row["mean_rank"] == "" or math.isnan(float(row["mean_rank"])), key
            continue
        for name, number in expected[key].items():
            if name not in ("shares", "apart"):
                rel = 1e-3 if name == "critical_difference" else 2e-5
                results.same(("ranking.csv", key, name), row[name], number, rel=rel)
    assert set(letters) >= set(expected)
    compare_letters(letters, expected)
    shares = results.csv("rank_stability.csv").to_dict("records")
    for row in shares:
        key = tuple(row[name] for name in ("entry", "dataset", "group", "metric"))
        results.same(
            ("rank_stability.csv", key), row["share"], expected[key]["shares"][int(row["place"]) - 1]
        )
    assert len(shares) == sum(len(one["shares"]) for one in expected.values())
    columns = list(
        dict.fromkeys((g, m) for g in results.groups for m in METRICS for k in expected if k[1:] == (*g, m))
    )
    for row in markdown(results, "ranking"):
        for (group, metric), text in zip(columns, row[1:], strict=True):
            one = expected.get((row[0], *group, metric))
            assert text == rank_text(one, letters.get((row[0], *group, metric), "")), (
                row[0],
                group,
                metric,
                text,
            )
            results.n_compared += 1


def rank_text(one: dict | None, letters: str) -> str:
    if one is None:
        return "–"
    places = "" if math.isnan(one["place_low"]) else f" ({one['place_low']:.0f}–{one['place_high']:.0f})"
    text = f"{one['mean_rank']:.2f}{places}{' ' + letters if letters else ''}"
    return f"**{text}**" if one["place"] == 1 else text


def compare_letters(letters: dict[tuple, str], expected: dict[tuple, dict]) -> None:
    """Two entries share a letter if and only if they cannot be told apart."""
    for key, one in expected.items():
        assert bool(letters[key]) == (not math.isnan(one["friedman_p"])), key
        for other in (k for k in expected if k[1:] == key[1:] and letters[key]):
            share = bool(set(letters[key]) & set(letters[other]))
            assert share == (other[0] not in one["apart"]), (key, other)


def compare_per_pair(results: Results) -> None:
    """per_pair.csv: every value of every pair."""
    table = results.csv("per_pair.csv")
    measured = results.frame[~results.frame["metric"].eq("registration")]
    means = {
        key: mean(one)
        for key, one in measured.groupby(["dataset", "group", "pair", "entry", "metric"])["value"]
    }
    lost = results.frame[results.frame["status"].isin(["failed", "not run"])]
    statuses = {(r.dataset, r.group, r.pair, r.entry): r.status for r in lost.itertuples()}
    found = {}
    for row in table.to_dict("records"):
        key = tuple(row[name] for name in ("dataset", "group", "pair", "entry", "metric"))
        found[key] = row
        results.same(("per_pair.csv", key), row["value"], means.get(key, NAN))
        if key[:4] in statuses:
            assert row["status"] == statuses[key[:4]], key
    assert set(found) >= set(means), "per_pair.csv lacks values"


def compare_time(results: Results) -> None:
    """time.csv and its text: medians over pairs."""
    frame = pd.read_parquet(results.folder / "timings.parquet")
    frame["entry"] = np.where(
        frame["variant"].astype(str) == "", frame["method"].astype(str), frame["variant"].astype(str)
    )
    table = results.csv("time.csv")
    medians_of: dict[str, list[float]] = {}
    for row in table.to_dict("records"):
        own = frame[(frame["entry"] == row["entry"]) & (frame["metric"] == f"seconds_{row['stage']}")][
            "value"
        ].to_numpy()
        numbers = (len(own), *((np.median(own), own.min(), own.max()) if len(own) else (NAN,) * 3))
        for name, number in zip(("n", "median", "lowest", "highest"), numbers, strict=True):
            results.same(("time.csv", row["entry"], row["stage"], name), row[name], number)
        medians_of.setdefault(row["entry"], []).append(numbers[1])
    for row in markdown(results, "time"):
        each = medians_of.get(row[0], [])
        total = sum(one for one in each if one == one) if any(one == one for one in each) else NAN
        texts = ["–" if s != s else f"{s:.3g}" if s < 100 else f"{s:.0f}" for s in (*each, total)]
        assert row[1:] == texts, (row, texts)
        results.n_compared += len(texts)


def compare_latex(results: Results, name: str) -> None:
    """Every cell of the LaTeX table is that of the Markdown table."""
    text = (results.folder / "tables" / f"{name}.tex").read_text()
    body = text.partition("\\midrule\n")[2].partition("\\bottomrule")[0]
    lines = [line.removesuffix(r" \\") for line in body.splitlines()]
    found = [
        [plain_latex(cell) for cell in re.split(r"(?<!\\) & |(?<=\\\\) & ", line)] for line in lines if line
    ]
    expected = markdown(results, name)
    assert found == expected, (name, [(a, b) for a, b in zip(found, expected, strict=False) if a != b][:3])
    results.n_compared += sum(map(len, found))


def plain_latex(cell: str) -> str:
    bold = re.fullmatch(r"\\textbf\{\\boldmath (.*)\}", cell)
    text = bold[1] if bold else cell
    for latex, plain in TEX.items():
        text = text.replace(latex, plain)
    return f"**{text}**" if bold else text


def markdown(results: Results, name: str) -> list[list[str]]:
    """The rows of a Markdown table, without escapes; bold cells keep their asterisks."""
    lines = (results.folder / "tables" / f"{name}.md").read_text().splitlines()
    table = [line for line in lines[2:] if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]
    return [[re.sub(r"\\([|*_])", r"\1", cell) for cell in row] for row in rows]


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
    difference = Q_05[k] * math.sqrt(k * (k + 1) / (6 * n))
    ties = sum(t**3 - t for row in ranks for t in Counter(row).values())
    shrink = 1 - ties / (n * k * (k * k - 1))
    if shrink == 0:
        return 1.0, difference
    total = (12 / (n * k * (k + 1)) * (ranks.sum(axis=0) ** 2).sum() - 3 * n * (k + 1)) / shrink
    return chi_square_tail(total, k - 1), difference


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


def _texts(frame: pd.DataFrame) -> pd.DataFrame:
    """Empty cells of names are empty texts."""
    names = [
        one
        for one in ("dataset", "group", "pair", "entry", "metric", "unit", "alike", "reason")
        if one in frame
    ]
    return frame.astype(dict.fromkeys(names, object)).fillna(dict.fromkeys(names, ""))


if __name__ == "__main__":
    print(check(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0), "numbers agree")  # noqa: T201
