from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps
from test_comparison import results

from promptreg.comparison import outcomes
from promptreg.ranking import cliques, critical_difference, place_shares, ranking

ORDERED = {"a": [9.0] * 8, "b": [8.0] * 8, "c": [7.0] * 8}


def ranked(**values: list[float | str]) -> pd.DataFrame:
    return ranking(outcomes(results(**values), ["dice"])).set_index("entry")


def test_ranks_are_averaged_over_pairs_and_equal_values_share_them():
    table = ranked(a=[90.0, 90, 90, 50], b=[80.0, 90, 95, 40])
    assert table["mean_rank"].to_dict() == {"a": 5.5 / 4, "b": 6.5 / 4}
    assert table["place"].to_dict() == {"a": 1, "b": 2}
    assert table["n_pairs"].tolist() == [4, 4]


def test_a_failed_pair_is_the_last_and_two_failures_are_equal():
    table = ranked(a=[1.0, "failed"], b=["failed", "failed"], c=[2.0, 3.0])
    assert table["mean_rank"].to_dict() == {"a": 2.25, "b": 2.75, "c": 1.0}


def test_a_method_that_was_not_run_on_every_pair_is_not_ranked():
    table = ranked(a=[1.0, 2.0], b=[3.0, "not run"])
    assert table["mean_rank"].tolist()[0] == 1
    assert np.isnan(table["mean_rank"]["b"])
    assert table["n_pairs"].tolist() == [2, 0]


def test_a_clear_order_is_the_same_in_every_draw():
    table = ranked(**ORDERED)
    assert table["place_low"].tolist() == table["place_high"].tolist() == [1, 2, 3]
    assert table["first_share"].tolist() == [1, 0, 0]


def test_shares_of_places_sum_to_one_for_every_method():
    rng = np.random.default_rng(0)
    found = outcomes(results(**{name: list(rng.normal(size=12)) for name in "abcd"}), ["dice"])
    shares = place_shares(found)
    assert shares.groupby("entry")["share"].sum().tolist() == pytest.approx([1] * 4)
    assert len(shares) == 16
    first = shares[shares["place"] == 1].set_index("entry")["share"]
    assert ranking(found).set_index("entry")["first_share"].to_dict() == first.to_dict()


def test_a_single_pair_has_ranks_and_no_draws():
    found = outcomes(results(a=[1.0], b=[2.0]), ["dice"])
    table = ranking(found).set_index("entry")
    assert table["place"].to_dict() == {"a": 2, "b": 1}
    assert table[["place_low", "first_share", "friedman_p", "critical_difference"]].isna().all(axis=None)
    assert table["alike"].tolist() == ["", ""]
    assert place_shares(found).empty


def test_a_single_method_is_the_first():
    table = ranked(a=[1.0, 2.0, 3.0])
    assert table.loc["a", ["mean_rank", "place", "first_share"]].tolist() == [1, 1, 1]


def test_nothing_to_rank_is_an_empty_table():
    found = outcomes(results(a=["failed", "failed"], b=["not run", "failed"]), ["dice"])
    assert ranking(found).empty
    assert place_shares(found).empty


def test_annotations_that_are_absent_give_no_rank():
    assert ranked(a=[float("nan")], b=[float("nan")])["mean_rank"].isna().all()


def test_friedman_is_that_of_scipy_and_needs_three_methods_and_six_pairs():
    rng = np.random.default_rng(3)
    values = {name: list(rng.normal(size=9)) for name in "abc"}
    table = ranked(**values)
    assert table["friedman_p"].unique() == pytest.approx([sps.friedmanchisquare(*values.values()).pvalue])
    assert ranked(a=values["a"], b=values["b"])["friedman_p"].isna().all()
    assert ranked(**{name: one[:5] for name, one in values.items()})["friedman_p"].isna().all()


def test_the_critical_difference_is_that_of_the_published_table():
    """Demsar 2006: q is 2.343 for three, 2.569 for four and 3.164 for ten classifiers at 5 %."""
    for n, q in ((3, 2.343), (4, 2.569), (10, 3.164)):
        assert critical_difference(n, 14) == pytest.approx(q * np.sqrt(n * (n + 1) / 84), rel=1e-3)


def test_the_published_example_of_four_classifiers_on_fourteen_sets_is_found_again():
    """Demsar 2006, section 3.2.2: a critical difference of 1.25 (there for 4 classifiers, 14 sets)."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_cliques_are_the_largest_sets_within_the_difference():
    assert cliques([1.0, 3.0, 2.0, 5.0], 1.5) == [[0, 2], [2, 1], [3]]
    assert cliques([1.0, 1.1, 1.2], 1.0) == [[0, 1, 2]]
    assert cliques([2.0, 1.0], 0.5) == [[1], [0]]


def test_methods_far_apart_share_no_letter_and_equal_ones_do():
    table = ranked(a=[9.0] * 20, b=[5.0] * 20, c=[5.0] * 20)
    assert table["alike"].to_dict() == {"a": "a", "b": "b", "c": "b"}


def test_nothing_can_be_told_apart_where_friedman_finds_nothing():
    table = ranked(a=[1.0, 2, 3] * 4, b=[2.0, 3, 1] * 4, c=[3.0, 1, 2] * 4)
    assert table["friedman_p"].tolist() == [1, 1, 1]
    assert table["alike"].tolist() == ["a", "a", "a"]


def test_all_pairs_tied_have_p_one():
    assert ranked(a=[1.0] * 7, b=[1.0] * 7, c=[1.0] * 7)["friedman_p"].tolist() == [1, 1, 1]


def test_the_ranking_repeats_and_follows_the_seed():
    rng = np.random.default_rng(1)
    found = outcomes(results(**{name: list(rng.normal(size=10)) for name in "abc"}), ["dice"])
    first, again, other = (place_shares(found, seed=seed)["share"] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


def test_draws_of_subjects_widen_the_places_of_pairs_that_share_them():
    values = {"a": [9.0] * 8 + [1.0] * 4, "b": [5.0] * 12, "c": [4.0] * 12}
    found = outcomes(results(**values), ["dice"])
    shared = {("d", f"p{i}"): ("eve", "eve") if i < 8 else ("x", f"y{i}") for i in range(12)}
    apart, together = (
        ranking(found, subjects=one).set_index("entry")["first_share"]["a"] for one in ({}, shared)
    )
    assert together < apart
