from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from promptreg.records import MetricRow, to_frame, unregistered
from promptreg.stats import bootstrap_interval, case_values, compare_to_best, counts, signed_rank, summarize


def pair(method: str, name: str, **values: float) -> pd.DataFrame:
    rows = [MetricRow(label, "dice", value, "%") for label, value in values.items()]
    return to_frame(rows, dataset="d", group="g", method=method, variant="", pair=name)


def cases(metric: str = "dice", **values: list[float]) -> pd.DataFrame:
    rows = [
        ("d", "g", entry, f"p{i}", metric, "%", value)
        for entry, column in values.items()
        for i, value in enumerate(column)
    ]
    return pd.DataFrame(rows, columns=["dataset", "group", "entry", "pair", "metric", "unit", "value"])


def test_structures_are_averaged_before_pairs():
    frame = pd.concat([pair("m", "a", liver=80, kidney=40, spleen=60), pair("m", "b", liver=100)])
    values = case_values(frame, ["dice"])
    assert values["value"].tolist() == [60, 100]
    row = summarize(values).iloc[0]
    assert (row["mean"], row["sd"], row["median"], row["n"]) == (80, 20, 80, 2)


def test_an_undefined_value_is_counted_not_averaged():
    frame = pd.concat([pair("m", "a", liver=np.nan, kidney=50), pair("m", "b", liver=np.nan)])
    row = summarize(case_values(frame, ["dice"])).iloc[0]
    assert (row["mean"], row["n"], row["n_undefined"]) == (50, 1, 1)


def test_a_single_pair_has_no_interval():
    assert np.isnan(bootstrap_interval(np.array([3.0]), seed=0)).all()


def test_the_bootstrap_interval_is_the_normal_one_for_many_pairs_and_repeats():
    values = np.random.default_rng(5).normal(10, 2, 400)
    low, high = bootstrap_interval(values, seed=1)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)
    assert bootstrap_interval(values, seed=1) == (low, high)


def test_the_signed_rank_test_of_six_worse_pairs_is_exact():
    p, effect = signed_rank(np.arange(1.0, 7.0))
    assert p == pytest.approx(2 / 2**6)
    assert effect == 1


def test_five_pairs_are_too_few_for_a_p_value():
    p, effect = signed_rank(np.array([1.0, 2, 3, 4, -5]))
    assert np.isnan(p)
    assert effect == pytest.approx((1 + 2 + 3 + 4 - 5) / 15)


def test_equal_entries_have_p_one_and_no_effect():
    assert signed_rank(np.zeros(8)) == (1.0, 0.0)


def test_the_best_is_highest_for_dice_and_lowest_for_distances():
    values = {"a": list(range(10, 17)), "b": list(range(20, 27))}
    by_dice, by_tre = compare_to_best(cases(**values)), compare_to_best(cases("centroid_tre", **values))
    assert by_dice.set_index("entry")["best"].to_dict() == {"a": False, "b": True}
    assert by_tre.set_index("entry")["best"].to_dict() == {"a": True, "b": False}
    assert by_dice.set_index("entry")["effect"]["a"] == by_tre.set_index("entry")["effect"]["b"] == 1


def test_holm_multiplies_the_smallest_p_by_the_number_of_tests():
    rng = np.random.default_rng(0)
    best = rng.normal(50, 1, 12)
    table = compare_to_best(
        cases(best=best, near=best + rng.normal(0, 1, 12) - 0.3, far=best - 9 - rng.random(12))
    )
    table = table.set_index("entry")
    assert table["p_holm"]["far"] == pytest.approx(2 * table["p"]["far"])
    assert table["p_holm"]["near"] == pytest.approx(max(table["p"]["near"], table["p_holm"]["far"]))
    assert np.isnan(table["p"]["best"])


def test_only_common_pairs_are_compared():
    table = compare_to_best(cases(a=[9, 9, 9, np.nan, 9, 9, 9, 9], b=[1, 1, 1, 1, 1, 1, np.nan, 1]))
    assert table.set_index("entry")["n_paired"].to_dict() == {"a": 7, "b": 6}


def test_entries_without_any_value_do_not_break_the_comparison():
    table = compare_to_best(cases(a=[np.nan, np.nan], b=[np.nan, np.nan]))
    assert not table["best"].any()


def test_failures_are_counted_by_pair_with_their_reasons():
    names = {"dataset": "d", "group": "g", "method": "m", "variant": ""}
    frame = pd.concat(
        [
            pair("m", "a", liver=1, kidney=2),
            to_frame([unregistered("failed", "no memory")], pair="b", **names),
            to_frame([unregistered("not run", "no tool")], pair="c", **names),
            to_frame([unregistered("not run", "no tool")], pair="e", **names),
            to_frame([MetricRow("x", "dice", 0, "%", "empty", "none left")], pair="f", **names),
        ]
    )
    row = counts(frame).iloc[0]
    assert row[["n_pairs", "n_failed", "n_not_run", "n_empty", "n_absent"]].tolist() == [5, 1, 2, 1, 0]
    assert row["reason"] == "no tool; no memory"
