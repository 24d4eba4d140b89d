from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from promptreg.resampling import (
    N_RESAMPLES,
    Who,
    drawn_units,
    interval,
    resample_weights,
    weighted_means,
    weighted_medians,
)

TRIALS = 250
OWN = [(f"s{i}", f"s{i}") for i in range(20)]


def test_pairs_that_share_nobody_are_drawn_as_one_each():
    assert drawn_units([("a", "b"), ("c", "d"), ("e", "e")]).tolist() == [[0, 0], [1, 1], [2, 2]]


def test_a_subject_of_two_pairs_is_drawn_for_both():
    units = drawn_units([("a", "atlas"), ("b", "atlas"), ("c", "d")])
    assert units.tolist() == [[0, 1], [2, 1], [3, 3]]


def test_the_order_of_pairs_changes_no_draw():
    subjects = [("a", "atlas"), ("b", "atlas"), ("c", "d"), ("e", "e")]
    turned = resample_weights(tuple(subjects[::-1]), 0)[:, ::-1]
    assert (resample_weights(tuple(subjects), 0) == turned).all()


def test_without_shared_subjects_every_draw_counts_as_many_pairs_as_there_are():
    weights = resample_weights(tuple(OWN), 0)
    assert weights.shape == (N_RESAMPLES, 20)
    assert set(weights.sum(axis=1)) == {20}


def test_pairs_of_one_subject_stay_together():
    weights = resample_weights((("a", "a"), ("a", "a"), ("b", "b")), 0)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert set(map(tuple, weights)) == {(1, 1, 1), (2, 2, 0), (0, 0, 2)}


def test_a_pair_counts_as_often_as_both_of_its_subjects_were_drawn():
    weights = resample_weights((("a", "b"), ("b", "c"), ("a", "c")), 0)
    assert set(map(tuple, weights)) == {
        (1, 1, 1),
        *[tuple(2.0 * (k == n) for k in range(3)) for n in range(3)],
    }


@pytest.mark.parametrize("subjects", [[], [("a", "b")], [("a", "b"), ("a", "b")], [("a", "a"), ("a", "a")]])
def test_pairs_of_the_same_subjects_have_no_interval(subjects: list[Who]):
    values = np.arange(float(len(subjects)))
    assert np.isnan(interval(values, subjects, weighted_means, seed=0)).all()


def test_weighted_statistics_are_those_of_the_values_written_out():
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=9), rng.integers(0, 3, (40, 9)).astype(float)
    written = [np.repeat(values, row.astype(int)) for row in weights]
    assert weighted_means(values, weights) == pytest.approx([one.mean() for one in written])
    assert weighted_medians(values, weights) == pytest.approx([np.median(one) for one in written])


def test_means_of_several_columns_are_those_of_each():
    rng = np.random.default_rng(2)
    values, weights = rng.normal(size=(5, 3)), rng.random((4, 5))
    together = weighted_means(values, weights)
    assert together[:, 1] == pytest.approx(weighted_means(values[:, 1], weights))


def test_a_median_may_be_infinite():
    values = np.array([1.0, np.inf, np.inf])
    assert weighted_medians(values, np.array([[1.0, 1, 1], [3, 1, 1]])).tolist() == [np.inf, 1.0]


def test_the_interval_of_a_mean_is_the_normal_one_for_many_pairs_and_repeats():
    values = np.random.default_rng(5).normal(10, 2, 400)
    subjects = [(str(i), str(i)) for i in range(400)]
    low, high = interval(values, subjects, weighted_means, seed=1)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05)
    assert interval(values, subjects, weighted_means, seed=1) == (low, high)
    assert interval(values, subjects, weighted_means, seed=2) != (low, high)


def coverage(subjects: list[Who], draw: Callable[[np.random.Generator], np.ndarray]) -> float:
    """How often the interval of the mean holds the true mean, 0."""
    rng = np.random.default_rng(7)
    ends = [interval(draw(rng), subjects, weighted_means, seed=3) for _ in range(TRIALS)]
    return float(np.mean([low <= 0 <= high for low, high in ends]))


def test_intervals_of_independent_pairs_hold_the_truth_about_as_often_as_stated():
    assert 0.88 <= coverage(OWN, lambda rng: rng.normal(size=20)) <= 0.98


def test_skewed_values_lose_little():
    assert 0.84 <= coverage(OWN, lambda rng: rng.exponential(size=20) - 1) <= 0.98


def test_intervals_heed_repeated_subjects_where_the_ordinary_ones_fail():
    subjects = [(f"s{i}", f"s{i}") for i in range(15) for _ in range(4)]

    def draw(rng: np.random.Generator) -> np.ndarray:
        return np.repeat(rng.normal(size=15), 4) + 0.3 * rng.normal(size=60)

    assert coverage(subjects, draw) >= 0.87
    assert coverage([(str(i), str(i)) for i in range(60)], draw) <= 0.75


def test_intervals_heed_subjects_that_are_paired_with_several_others():
    subjects = [(str(i), str(j)) for i in range(12) for j in range(i)]
    members = np.array([[int(a), int(b)] for a, b in subjects])

    def draw(rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=12)[members].sum(axis=1) + rng.normal(size=len(members))

    assert coverage(subjects, draw) >= 0.85
    assert coverage([(str(i), str(i)) for i in range(len(members))], draw) <= 0.6
