import numpy as np
import pytest

from promptreg.consensus import disagreement, similarity_through

NOWHERE = np.eye(3)


def turned(points, degrees=30.0, scale=1.2, shift=(40.0, -7.0)):
    angle = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ linear.T + np.asarray(shift)


@pytest.fixture
def points():
    return np.array([[10.0, 10.0], [90.0, 20.0], [50.0, 60.0], [20.0, 80.0], [75.0, 75.0]])


def test_pairs_that_move_alike_agree_whatever_their_motion(points):
    assert disagreement(points, turned(points), [NOWHERE], 5.0).max() < 1e-9


@pytest.mark.parametrize("outlier", range(5))
def test_one_outlier_among_five_is_named_with_its_distance(points, outlier):
    fixed = turned(points)
    fixed[outlier] += (30.0, 40.0)
    found = disagreement(points, fixed, [NOWHERE], 5.0)
    assert found[outlier] == pytest.approx(50.0)
    assert np.delete(found, outlier).max() < 1e-9


def test_two_pairs_never_make_a_consensus_of_their_own(points):
    moving, fixed = points[:2], turned(points[:2])
    found = disagreement(moving, fixed, [NOWHERE], 5.0)
    np.testing.assert_allclose(found, np.linalg.norm(moving - fixed, axis=1))
    assert found.min() > 5.0


def test_three_pairs_do(points):
    assert disagreement(points[:3], turned(points[:3]), [NOWHERE], 5.0).max() < 1e-9


def test_the_identity_is_found_among_the_given_motions(points):
    assert disagreement(points, points, [NOWHERE], 5.0).max() == 0


def test_a_single_pair_is_measured_against_the_given_motion_that_fits_it_best(points):
    shift = np.eye(3)
    shift[:2, 2] = (3.0, 4.0)
    assert disagreement(
        points[:1], points[:1] + np.array([3.0, 4.0]), [NOWHERE, shift], 5.0
    ) == pytest.approx([0.0])
    assert disagreement(points[:1], points[:1] + np.array([3.0, 4.0]), [NOWHERE], 5.0) == pytest.approx([5.0])


def test_a_given_motion_with_as_many_pairs_wins_by_closeness(points):
    fixed = turned(points)
    given = np.eye(3)
    given[:2] = np.column_stack([turned(np.eye(2), shift=(0, 0)).T, (40.5, -7.0)])
    assert disagreement(points, fixed, [given], 5.0).max() < 1e-9


def test_a_motion_in_space_is_found_too():
    rng = np.random.default_rng(0)
    moving = rng.uniform(0, 100, (6, 3))
    fixed = moving + np.array([5.0, -3.0, 20.0])
    fixed[4] += 60.0
    found = disagreement(moving, fixed, [np.eye(4)], 5.0)
    assert found.argmax() == 4
    assert np.delete(found, 4).max() < 1e-9


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_the_similarity_takes_both_points_to_theirs_without_a_mirror(ndim, seed):
    moving, fixed = np.random.default_rng(seed).normal(size=(2, 2, ndim))
    fixed = moving.mean(0) + (fixed - fixed.mean(0)) * np.linalg.norm(moving[1] - moving[0]) / np.linalg.norm(
        fixed[1] - fixed[0]
    )
    matrix = similarity_through(moving, fixed)
    np.testing.assert_allclose(moving @ matrix[:-1, :-1].T + matrix[:-1, -1], fixed, atol=1e-12)
    np.testing.assert_allclose(matrix[:-1, :-1] @ matrix[:-1, :-1].T, np.eye(ndim), atol=1e-12)
    assert np.linalg.det(matrix[:-1, :-1]) == pytest.approx(1.0)


@pytest.mark.parametrize("ndim", [2, 3])
def test_half_a_turn_is_a_rotation(ndim):
    moving = np.zeros((2, ndim))
    moving[1, 0] = 2.0
    matrix = similarity_through(moving, moving[::-1])
    np.testing.assert_allclose(moving @ matrix[:-1, :-1].T + matrix[:-1, -1], moving[::-1], atol=1e-12)
    assert np.linalg.det(matrix[:-1, :-1]) == pytest.approx(1.0)


def test_coinciding_points_and_implausible_scalings_make_no_similarity():
    near, far = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 0.0], [2.1, 0.0]])
    assert similarity_through(near, far) is None
    assert similarity_through(far, near) is None
    assert similarity_through(near, near * 0) is None
    assert similarity_through(near, near * 1.9) is not None
