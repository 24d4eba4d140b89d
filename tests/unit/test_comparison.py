from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from promptreg.comparison import compare_to_best, loss_matrix, outcomes, signed_rank
from promptreg.records import MetricRow, to_frame, unregistered
from promptreg.stats import HIGHER_IS_BETTER

NAN = float("nan")


def results(metric: str = "dice", **values: list[float | str]) -> pd.DataFrame:
    """A tidy frame: one value a pair and method, or the status of a pair that gave none."""
    frames = []
    for method, column in values.items():
        for i, value in enumerate(column):
            row = unregistered(value, "why") if isinstance(value, str) else MetricRow("a", metric, value, "%")
            frames.append(to_frame([row], dataset="d", group="g", method=method, variant="", pair=f"p{i}"))
    return pd.concat(frames, ignore_index=True)


def compared(metric: str = "dice", **values: list[float | str]) -> pd.DataFrame:
    return compare_to_best(outcomes(results(metric, **values), [metric])).set_index("entry")


def one_pair(method: str, pair: str, rows: list[MetricRow]) -> pd.DataFrame:
    return to_frame(rows, dataset="d", group="g", method=method, variant="", pair=pair)


def test_a_failed_pair_is_infinitely_bad_and_one_that_was_not_run_is_not_judged():
    found = outcomes(results(a=[70, 80, 90], b=[60, "failed", "not run"]), ["dice"])
    assert found["status"].tolist() == ["ok"] * 4 + ["failed", "not run"]
    assert loss_matrix(found)["b"].tolist()[:2] == [-60, np.inf]
    assert np.isnan(loss_matrix(found)["b"].iloc[2])
    assert found["value"].isna().sum() == 2


def test_a_pair_that_everybody_failed_on_is_not_compared():
    found = outcomes(results(a=[1, "failed"], b=[2, "failed"]), ["dice"])
    assert loss_matrix(found).index.tolist() == ["p0"]


def test_an_empty_structure_counts_by_its_penalty_and_an_absent_one_not_at_all():
    empty = [
        MetricRow("x", "centroid_tre", NAN, "mm", "empty", "gone"),
        MetricRow("x", "centroid_tre_penalized", 300, "mm", "empty", "gone"),
        MetricRow("y", "centroid_tre", 4, "mm"),
        MetricRow("y", "centroid_tre_penalized", 4, "mm"),
    ]
    absent = [
        MetricRow("x", m, NAN, "mm", "absent", "no") for m in ("centroid_tre", "centroid_tre_penalized")
    ]
    found = outcomes(pd.concat([one_pair("m", "p", empty), one_pair("m", "q", absent)]), ["centroid_tre"])
    assert found["status"].tolist() == ["empty", "absent"]
    assert found["value"].tolist()[0] == 4
    assert found["loss"].tolist()[0] == 152
    assert found.loc[1, ["value", "loss"]].isna().all()


def test_an_empty_structure_without_a_penalty_is_the_worst():
    found = outcomes(one_pair("m", "p", [MetricRow("x", "hd95", NAN, "mm", "empty", "gone")]), ["hd95"])
    assert found["loss"].tolist() == [np.inf]


def test_the_signed_rank_test_of_six_worse_pairs_is_exact():
    p, effect = signed_rank(np.arange(1.0, 7.0))
    assert p == pytest.approx(2 / 2**6)
    assert effect == 1


def test_the_signed_rank_test_is_that_of_scipy():
    deficit = np.random.default_rng(0).normal(0.3, 1, 15)
    p, effect = signed_rank(deficit)
    assert p == pytest.approx(sps.wilcoxon(deficit).pvalue)
    ranks = sps.rankdata(abs(deficit))
    assert effect == pytest.approx((ranks[deficit > 0].sum() - ranks[deficit < 0].sum()) / ranks.sum())


def test_a_failed_pair_has_the_highest_rank():
    p, effect = signed_rank(np.array([np.inf, -1.0, -2, -3, -4, -5]))
    assert effect == pytest.approx((6 - 15) / 21)
    assert p == pytest.approx(sps.wilcoxon([6, -1, -2, -3, -4, -5]).pvalue)


def test_five_pairs_are_too_few_for_a_p_value():
    p, effect = signed_rank(np.array([1.0, 2, 3, 4, -5]))
    assert np.isnan(p)
    assert effect == pytest.approx((1 + 2 + 3 + 4 - 5) / 15)


def test_ties_share_their_ranks():
    assert signed_rank(np.array([1.0, 1, -1]))[1] == pytest.approx(1 / 3)


def test_equal_entries_have_p_one_and_no_effect():
    assert signed_rank(np.zeros(8)) == (1.0, 0.0)
    assert np.isnan(signed_rank(np.zeros(0))).all()


def test_the_best_is_highest_for_dice_and_lowest_for_distances():
    values = {"a": list(range(10, 17)), "b": list(range(20, 27))}
    by_dice, by_tre = compared("dice", **values), compared("centroid_tre", **values)
    assert by_dice["best"].to_dict() == {"a": False, "b": True}
    assert by_tre["best"].to_dict() == {"a": True, "b": False}
    assert by_dice["effect"]["a"] == by_tre["effect"]["b"] == 1


def test_the_difference_is_the_entry_minus_the_best_in_the_units_of_the_measure():
    for metric in ("dice", "landmark_tre"):
        table = compared(metric, a=[10, 20, 30], b=[12, 25, 31])
        worse = "a" if metric in HIGHER_IS_BETTER else "b"
        sign = -1 if metric in HIGHER_IS_BETTER else 1
        row = table.loc[worse]
        assert row["difference"] == sign * 2
        assert (row["difference_low"], row["difference_high"]) == ((-5, -1) if sign < 0 else (1, 5))
        assert table["difference"].isna().sum() == 1


def test_failures_reach_the_difference_and_the_test():
    table = compared(a=[50.0] * 8, b=[49.0, 49, 49, *["failed"] * 5])
    assert table.loc["b", ["n_paired", "n_worst", "difference", "effect"]].tolist() == [8, 5, -np.inf, 1]
    assert table["p"]["b"] == pytest.approx(sps.wilcoxon([1, 1, 1, 2, 2, 2, 2, 2]).pvalue)


def test_failures_of_the_best_count_against_it():
    table = compared(a=[90.0, *["failed"] * 7], b=[80.0] * 8)
    assert table["best"].to_dict() == {"a": True, "b": False}
    assert table["effect"]["b"] == pytest.approx((1 - 35) / 36)


def test_holm_multiplies_the_smallest_p_by_the_number_of_tests():
    rng = np.random.default_rng(0)
    best = rng.normal(50, 1, 12)
    near, far = best + rng.normal(0, 1, 12) - 0.3, best - 9 - rng.random(12)
    table = compared(best=list(best), near=list(near), far=list(far))
    assert table["p_holm"]["far"] == pytest.approx(2 * table["p"]["far"])
    assert table["p_holm"]["near"] == pytest.approx(max(table["p"]["near"], table["p_holm"]["far"]))
    assert np.isnan(table["p"]["best"])


def test_only_common_pairs_are_compared():
    table = compared(a=[9, 9, 9, NAN, 9, 9, 9, 9], b=[1, 1, 1, 1, 1, 1, "not run", 1])
    assert table["n_paired"].to_dict() == {"a": 7, "b": 6}


def test_pairs_of_one_subject_make_one_draw():
    found = outcomes(results(a=[10.0, 20, 30, 40], b=[11.0, 22, 33, 44]), ["dice"])
    same = {("d", f"p{i}"): ("anna", "anna") for i in range(4)}
    assert compare_to_best(found, subjects=same)["difference_low"].isna().all()
    apart = compare_to_best(found).set_index("entry").loc["a"]
    assert (apart["difference_low"], apart["difference_high"]) == (-4, -1)


def test_entries_without_any_value_do_not_break_the_comparison():
    table = compared(a=[NAN, NAN], b=[NAN, NAN])
    assert not table["best"].any()
    assert compared(a=["failed"], b=["not run"]).empty


def test_a_single_pair_and_a_single_entry_have_no_test():
    table = compared(a=[3.0])
    assert table.loc["a", ["best", "n_paired"]].tolist() == [True, 1]
    assert table[["p", "p_holm", "effect", "difference"]].isna().all(axis=None)
