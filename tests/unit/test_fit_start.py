from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from promptreg.fit_start import best_start, centroids, start_candidates
from promptreg.geometry import apply_affine, default_affine, world_coordinates
from promptreg.types import Grid, RoiPairs

GRIDS = {2: Grid((80, 80), default_affine(2)), 3: Grid((16, 40, 40), default_affine(3, [4.0, 2, 2]))}
CENTERS = {
    2: np.array([[25.0, 25], [55, 25], [25, 52], [52, 50]]),
    3: np.array([[20.0, 20, 20], [56, 24, 24], [24, 54, 28], [30, 30, 46], [52, 52, 40]]),
}
TRUTHS = {
    2: np.array([[1.1, 0.15, -4], [-0.05, 0.95, 6], [0, 0, 1]]),
    3: np.array([[1.05, 0.1, 0, -4], [-0.1, 1, 0, 5], [0, 0.05, 0.95, 3], [0, 0, 0, 1.0]]),
}


def balls(grid: Grid, centers: np.ndarray, radius: float) -> Tensor:
    world = world_coordinates(grid).double()
    return torch.stack(
        [(radius + 0.5 - (world - torch.tensor(c)).norm(dim=-1)).clamp(0, 1) for c in centers]
    ).float()


def mapped_rois(ndim: int, truth: np.ndarray, n_regions: int | None = None) -> RoiPairs:
    grid, centers = GRIDS[ndim], CENTERS[ndim][:n_regions]
    moved = apply_affine(truth, torch.tensor(centers)).numpy()
    return RoiPairs(balls(grid, moved, 8), balls(grid, centers, 8), grid, grid, torch.ones(len(centers)))


def error(start: np.ndarray, truth: np.ndarray, ndim: int) -> float:
    points = torch.tensor(CENTERS[ndim])
    return float((apply_affine(start, points) - apply_affine(truth, points)).norm(dim=1).max())


def test_centroids_are_world_points_that_faint_tails_do_not_move() -> None:
    grid = GRIDS[3]
    masks = balls(grid, CENTERS[3], 8).clamp(min=0.2)
    np.testing.assert_allclose(centroids(masks, grid), CENTERS[3], atol=0.7)


@pytest.mark.parametrize("ndim", [2, 3])
def test_well_spread_regions_recover_an_affine_map(ndim: int) -> None:
    starts = start_candidates(mapped_rois(ndim, TRUTHS[ndim]), np.eye(ndim + 1))
    assert error(starts["affine"], TRUTHS[ndim], ndim) < 2.0
    assert error(starts["affine"], TRUTHS[ndim], ndim) < error(starts["translation"], TRUTHS[ndim], ndim)


@pytest.mark.parametrize("ndim", [2, 3])
def test_one_region_gives_its_translation_alone(ndim: int) -> None:
    truth = np.eye(ndim + 1)
    truth[:-1, -1] = np.arange(ndim) + 5.0
    starts = start_candidates(mapped_rois(ndim, truth, 1), np.eye(ndim + 1))
    assert set(starts) == {"prealignment", "translation"}
    np.testing.assert_allclose(starts["translation"], truth, atol=0.3)


@pytest.mark.parametrize("ndim", [2, 3])
def test_two_shifted_regions_give_a_similarity_without_a_spurious_turn(ndim: int) -> None:
    truth = np.eye(ndim + 1)
    truth[:-1, -1] = 4.0
    starts = start_candidates(mapped_rois(ndim, truth, 2), np.eye(ndim + 1))
    assert "affine" not in starts
    np.testing.assert_allclose(starts["similarity"], truth, atol=0.4)


def test_a_wrong_pair_does_not_tilt_the_affine_start() -> None:
    grid = GRIDS[2]
    centers = np.array([[20.0, 20], [58, 20], [20, 58], [58, 58], [40, 22], [22, 40], [40, 58]])
    moved = centers + np.array([5.0, -3])
    moved[6] = [70, 12]
    rois = RoiPairs(balls(grid, moved, 4), balls(grid, centers, 4), grid, grid, torch.ones(7))
    start = start_candidates(rois, np.eye(3))["affine"]
    mapped = apply_affine(start, torch.tensor(centers[:6])).numpy()
    assert np.linalg.norm(mapped - moved[:6], axis=1).max() < 1.5


def test_collinear_regions_leave_the_other_direction_as_prealigned() -> None:
    grid = GRIDS[2]
    centers = np.array([[15.0, 40], [30, 40], [45, 40], [60, 40]])
    rois = RoiPairs(balls(grid, centers + 3, 5), balls(grid, centers, 5), grid, grid, torch.ones(4))
    np.testing.assert_allclose(start_candidates(rois, np.eye(3))["affine"][:2, :2], np.eye(2), atol=0.05)


def test_the_prealignment_is_part_of_every_start() -> None:
    shift = np.eye(3)
    shift[:2, 2] = 10, -10
    rois = mapped_rois(2, shift)
    for start in start_candidates(rois, shift).values():
        np.testing.assert_allclose(start, shift, atol=0.3)


def test_kind_bounds_the_closed_forms() -> None:
    rois = mapped_rois(2, TRUTHS[2])
    assert set(start_candidates(rois, np.eye(3), kind="none")) == {"prealignment"}
    assert set(start_candidates(rois, np.eye(3), kind="translation")) == {"prealignment", "translation"}


def test_a_folding_initial_map_is_left_out() -> None:
    assert "initial" not in start_candidates(
        mapped_rois(2, TRUTHS[2]), np.eye(3), initial=np.diag([-1.0, 1, 1])
    )


def test_the_start_with_the_most_overlap_wins_and_equals_go_to_the_simplest() -> None:
    rois = mapped_rois(2, TRUTHS[2])
    candidates = start_candidates(rois, np.eye(3), kind="none", initial=TRUTHS[2])
    name, start = best_start(rois, candidates, np.eye(3))
    assert name == "initial"
    np.testing.assert_array_equal(start, TRUTHS[2])
    same = mapped_rois(2, np.eye(3))
    assert best_start(same, start_candidates(same, np.eye(3)), np.eye(3))[0] == "prealignment"


def test_a_similarity_through_two_regions_alone_is_not_trusted() -> None:
    """Two wrong pairs always agree on some similarity, however wild."""
    grid = GRIDS[2]
    rois = RoiPairs(
        balls(grid, np.array([[20.0, 60], [60, 64]]), 6),
        balls(grid, CENTERS[2][:2], 6),
        grid,
        grid,
        torch.ones(2),
    )
    candidates = start_candidates(rois, np.eye(3))
    assert "similarity" in candidates
    assert best_start(rois, candidates, np.eye(3))[0] in ("prealignment", "translation")


def test_few_noisy_regions_do_not_outvote_a_known_map() -> None:
    """Four scattered centroids are explained by their own affine map, but foretold by the known one."""
    rng = np.random.default_rng(5)
    grid, truth = GRIDS[2], TRUTHS[2]
    moved = apply_affine(truth, torch.tensor(CENTERS[2])).numpy() + rng.normal(0, 2.5, CENTERS[2].shape)
    rois = RoiPairs(balls(grid, moved, 8), balls(grid, CENTERS[2], 8), grid, grid, torch.ones(4))
    name, _ = best_start(rois, start_candidates(rois, np.eye(3), initial=truth), np.eye(3))
    assert name == "initial"


def test_one_region_far_from_where_it_was_expected_moves_the_start() -> None:
    grid, shift = GRIDS[2], np.eye(3)
    shift[:2, 2] = 12.0, 9.0
    rois = RoiPairs(
        balls(grid, CENTERS[2][:1] + shift[:2, 2], 4),
        balls(grid, CENTERS[2][:1], 4),
        grid,
        grid,
        torch.ones(1),
    )
    assert best_start(rois, start_candidates(rois, np.eye(3)), np.eye(3))[0] == "translation"
