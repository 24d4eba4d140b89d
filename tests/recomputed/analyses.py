"""The tables of further questions: ablations, robustness, consistency, cost, calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recomputed.cases import Cases
from recomputed.numbers import NAN, mean, middle
from recomputed.results import Results, compare_latex, markdown
from recomputed.tables import METRICS, compare_cells, compare_rows

OTHERS = ("table1", "statistics", "ranking", "rank_stability", "per_pair", "time", "costs", "published")
CONSISTENCY = ("cycle", "accepted", "inverse_consistency", "folds", "sdlogj")
COSTS = {"seconds": ("seconds_", 1.0), "gflop": ("flops_", 1e9), "memory_mb": ("peak_memory", 1.0)}
LEAST_POINTS = 8


def compare_analyses(results: Results) -> None:
    """Every table that only some runs have."""
    for file in sorted((results.folder / "tables").glob("*.csv")):
        name = file.stem
        if name in SPECIAL:
            SPECIAL[name](results)
        elif name not in OTHERS:
            compare_ablation(results, name)
        if name not in OTHERS:
            compare_latex(results, name)


def compare_ablation(results: Results, name: str) -> None:
    """An ablation is Table 1 of its rows alone, with a column for every setting."""
    written = results.csv(f"{name}.csv")
    rows = list(dict.fromkeys(written.loc[written["published"].astype(str) != "True", "entry"]))
    expected = {}
    for key in results.groups:
        for metric in METRICS:
            cases = Cases(results, key, metric, only=rows)
            expected |= {(entry, *key, metric): cases.summary(entry) for entry in cases.entries}
    table = compare_rows(results, name, expected)
    factors = table.columns.get_loc("dataset") - 1
    compare_cells(results, name, table, expected, lead=1 + factors)


def compare_consistency(results: Results) -> None:
    """Pairs whose images were exchanged count for the others alone."""
    expected = {}
    for key in results.groups:
        if results.rows[key]["pair"].str.endswith("_reversed").any():
            continue
        for metric in CONSISTENCY:
            cases = Cases(results, key, metric)
            expected |= {(entry, *key, metric): cases.summary(entry) for entry in cases.entries}
    table = compare_rows(results, "consistency", expected)
    compare_cells(results, "consistency", table, expected, lead=1, metrics=CONSISTENCY)


def compare_robustness(results: Results) -> None:
    """A group a level, whose name says what was changed and how much."""
    cases: dict[tuple, Cases] = {}
    lines: dict[tuple, list[str]] = {}
    for row in results.csv("robustness.csv").to_dict("records"):
        key = (row["dataset"], changed_group(row))
        place = (*key, row["metric"])
        if place not in cases:
            cases[place] = Cases(results, key, row["metric"])
        numbers = cases[place].summary(row["entry"])
        for column, number in numbers.items():
            written = float(str(row[column]) == "True") if column == "best" else row[column]
            results.same(("robustness.csv", *key, row["entry"], row["metric"], column), written, number)
        lead = [row["kind"], f"{float(row['level']):g}", str(numbers["n_pairs"])]
        line = lines.setdefault((*key, row["metric"]), lead)
        line.append(spread(numbers))
    changed = {key[0] for key in cases}
    assert {key[:2] for key in cases} == {key for key in results.groups if key[0] in changed}
    expected = sorted(line for line in lines.values() if set(line[3:]) != {"–"})
    found = sorted([row[1], row[2], row[4], *row[5:]] for row in markdown(results, "robustness"))
    assert found == expected, [pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]][:3]
    results.n_compared += sum(map(len, found))


def changed_group(row: dict) -> str:
    level = f"{row['kind']} {float(row['level']):g}"
    return f"{row['group']}, {level}" if row["group"] else level


def spread(numbers: dict[str, float]) -> str:
    if not numbers["n"]:
        return "–"
    lost = numbers["n_failed"] + numbers["n_not_run"]
    some = f" ({numbers['n_pairs'] - lost})" if lost else ""
    cell = f"{numbers['mean']:.2f} ± {numbers['sd']:.2f}{some}"
    return f"**{cell}**" if numbers["best"] else cell


def compare_efficiency(results: Results) -> None:
    """What is gained over the identity, and the medians of what it takes."""
    costs = costs_of(results)
    texts: dict[str, list[str]] = {}
    for row in results.csv("efficiency.csv").to_dict("records"):
        key = (row["dataset"], row["group"])
        metric = next((one for one in METRICS if Cases(results, key, one).best is not None), METRICS[0])
        assert row["metric"] == metric, (key, metric)
        numbers = gained(Cases(results, key, metric), row["entry"])
        own = costs[(costs["dataset"] == key[0]) & (costs["group"] == key[1])]
        counted, own = own["gflop"].notna().any(), own[own["entry"] == row["entry"]]
        numbers |= {cost: middle_of(own[cost]) for cost in COSTS}
        for cost in ("seconds", "gflop"):
            gain = numbers["gain"]
            numbers[f"{cost}_per_gain"] = numbers[cost] / gain if gain > 0 else NAN
        for name, number in numbers.items():
            results.same(("efficiency.csv", *key, row["entry"], name), row[name], number)
        names = ["mean", "gain", "seconds", "seconds_per_gain"]
        names += ["gflop", "gflop_per_gain"] if counted else []
        texts.setdefault(row["entry"], []).extend(three_digits(numbers[one]) for one in (*names, "memory_mb"))
    assert [line[0] for line in markdown(results, "efficiency")] == list(texts)
    for line in markdown(results, "efficiency"):
        assert line[1:] == texts[line[0]], (line, texts[line[0]])
        results.n_compared += len(line) - 1


def costs_of(results: Results) -> pd.DataFrame:
    """What every pair has taken with every entry, over all stages: a column a cost."""
    frame = pd.read_parquet(results.folder / "timings.parquet")
    variant, method = frame["variant"].astype(str), frame["method"].astype(str)
    frame["entry"] = np.where(variant == "", method, variant)
    keys = ["dataset", "group", "entry", "pair"]
    found = frame[keys].drop_duplicates().set_index(keys)
    for cost, (start, unit) in COSTS.items():
        of_cost = frame[frame["metric"].str.startswith(start) & frame["value"].notna()]
        found[cost] = of_cost.groupby(keys)["value"].sum() / unit
    return found.reset_index()


def gained(cases: Cases, entry: str) -> dict[str, float]:
    own, nothing = cases.defined(entry), cases.defined("identity")
    both = [-cases.sign * (own[pair] - nothing[pair]) for pair in own if pair in nothing]
    return {"n": len(own), "mean": mean(own.values()), "gain": mean(both)}


def middle_of(values: pd.Series) -> float:
    known = values.dropna().to_numpy()
    return middle(known) if len(known) else NAN


def three_digits(value: float) -> str:
    return "–" if value != value else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def compare_calibration(results: Results) -> None:
    """Rank correlations of what was foretold with what came true, and means of tenths."""
    files = sorted((results.folder / "calibration").rglob("*.parquet"))
    points = pd.concat([part for part in map(pd.read_parquet, files) if len(part)])
    keys = ["dataset", "group", "entry", "predictor"]
    by_key = {tuple(map(str, key)): part for key, part in points.groupby(keys, sort=False)}
    table = results.csv("calibration.csv")
    found = {tuple(map(str, key)): part for key, part in table.groupby(keys, sort=False)}
    assert set(found) == set(by_key)
    lines = []
    for key, rows in found.items():
        common, bins = correlations(by_key[key]), tenths(by_key[key])
        assert len(bins) == len(rows), key
        for row, numbers in zip(rows.to_dict("records"), bins, strict=True):
            for name, number in {**common, **numbers}.items():
                results.same(("calibration.csv", *key, name), row[name], number)
        unit = f" {rows['error_unit'].iloc[0]}" if str(rows["error_unit"].iloc[0]) not in ("", "nan") else ""
        last = f"{bins[-1]['error']:.3g}{unit}" if len(bins) > 1 else "–"
        lines.append(
            [
                *(key[2], str(common["n_points"]), signed(common["rho"]), signed(common["rho_within"])),
                *(f"{common['n_positive']}/{common['n_pairs']}", signed(common["rho_between"])),
                *(f"{bins[0]['error']:.3g}{unit}", last),
            ]
        )
    assert sorted([row[1], *row[3:]] for row in markdown(results, "calibration")) == sorted(lines)
    results.n_compared += sum(map(len, lines))


def correlations(points: pd.DataFrame) -> dict[str, float]:
    within = [spearman(one) for _, one in points.groupby("pair") if len(one) >= LEAST_POINTS]
    known = np.array([rho for rho in within if rho == rho])
    of_pairs = points.groupby("pair")[["predicted", "error"]].mean()
    return {
        "n_points": len(points),
        "n_pairs": len(known),
        "rho": spearman(points),
        "rho_within": middle(known) if len(known) else NAN,
        "n_positive": int((known > 0).sum()),
        "rho_between": spearman(of_pairs) if len(of_pairs) >= 6 else NAN,
    }


def spearman(points: pd.DataFrame) -> float:
    ranks = points[["predicted", "error"]].rank().to_numpy()
    ranks = ranks - ranks.mean(axis=0)
    scale = np.sqrt((ranks**2).sum(axis=0).prod())
    return float(ranks.prod(axis=1).sum() / scale) if scale > 0 else NAN


def tenths(points: pd.DataFrame) -> list[dict[str, float]]:
    """Groups of like size by rising prediction; equal predictions stay together."""
    predicted, error = points["predicted"].to_numpy(), points["error"].to_numpy()
    inner = sorted(set(np.quantile(predicted, np.arange(11) / 10)))[1:-1]
    place = sum((predicted > edge).astype(int) for edge in inner) + np.zeros(len(predicted), int)
    return [
        {
            "bin": number,
            "n": int((place == one).sum()),
            "predicted": float(predicted[place == one].mean()),
            "error": float(error[place == one].mean()),
        }
        for number, one in enumerate(sorted(set(place.tolist())))
    ]


def signed(value: float) -> str:
    return "–" if value != value else f"{value:+.2f}".replace("-", "−")


SPECIAL = {
    "robustness": compare_robustness,
    "consistency": compare_consistency,
    "efficiency": compare_efficiency,
    "calibration": compare_calibration,
}
