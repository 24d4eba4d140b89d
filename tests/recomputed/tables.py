"""The tables of every run: Table 1, its statistics, every pair, seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recomputed.numbers import NAN, fixed, mean
from recomputed.results import Results, markdown

METRICS = ("dice", "centroid_tre", "landmark_tre")
TITLES = {"dice": "Dice", "centroid_tre": "centroid TRE", "landmark_tre": "landmark TRE"}
NOTHING = {"n": 0, "best": 0.0, "n_paired": 0} | dict.fromkeys(("mean", "median", "ci_low"), NAN)
"""Of a method without any result."""


def compare_statistics(results: Results, expected: dict[tuple, dict[str, float]]) -> None:
    """table1.csv, statistics.csv and their texts."""
    table = compare_rows(results, "table1", expected)
    statistics = results.csv("statistics.csv")
    for row in statistics.to_dict("records"):
        key = key_of(row)
        numbers = expected.get(key, NOTHING)
        for name in (one for one in numbers if one in row and one != "best"):
            results.same(("statistics.csv", key, name), row[name], numbers[name])
    shown = {key[1:] for key, one in expected.items() if one["n"] > 0}
    assert {tuple(row) for row in statistics[["dataset", "group", "metric"]].itertuples(index=False)} == shown
    compare_cells(results, "table1", table, expected, lead=2)
    compare_statistics_text(results, statistics, expected)


def key_of(row: dict) -> tuple:
    return tuple(row[name] for name in ("entry", "dataset", "group", "metric"))


def compare_rows(results: Results, name: str, expected: dict[tuple, dict[str, float]]) -> pd.DataFrame:
    """The CSV of Table 1 or of one that is made in the same way; returns its rows that are not published."""
    table = results.csv(f"{name}.csv")
    if "published" in table:
        table = table[table["published"].astype(str) != "True"]
    for row in table.to_dict("records"):
        key = key_of(row)
        numbers = expected.get(key)
        assert numbers is not None or row["reason"] == "no results", f"{key} is in {name}.csv alone"
        for column, number in (numbers or {}).items():
            written = float(str(row[column]) == "True") if column == "best" else row[column]
            results.same((f"{name}.csv", key, column), written, number)
    assert set(map(key_of, table.to_dict("records"))) >= set(expected), f"{name}.csv lacks rows"
    return table


def compare_cells(
    results: Results,
    name: str,
    table: pd.DataFrame,
    expected: dict,
    *,
    lead: int,
    metrics: tuple[str, ...] = METRICS,
) -> None:
    """The text of such a table, whose rows begin with `lead` columns of words."""
    rows = markdown(results, name)
    groups = list(dict.fromkeys(key[1:3] for key in expected))
    shown = {key[1:] for key, one in expected.items() if one["n"] > 0}
    assert [row[0] for row in rows] == list(dict.fromkeys(table["entry"]))
    seen = {
        (r["entry"], r["dataset"], r["group"])
        for r in table.to_dict("records")
        if str(r["seen_in_training"]) == "True"
    }
    for row in rows:
        cells = iter(row[lead:])
        for key in groups:
            columns = [m for m in metrics if (*key, m) in shown] or list(metrics[:1])
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
