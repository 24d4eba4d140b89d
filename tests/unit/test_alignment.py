import math

import numpy as np
import pytest
import torch
from toy_regions import ball

from promptreg.alignment import align_roi, moments
from promptreg.geometry import default_affine, index_to_world, resized
from promptreg.types import Grid

GRID = Grid((64, 64), default_affine(2))


def _dice(first: torch.Tensor, second: torch.Tensor) -> float:
    first, second = first > 0.5, second > 0.5
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def _ellipse(center: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(64.0) - center[0], torch.arange(64.0) - center[1], indexing="ij")
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    value = ((c * y + s * x) / radii[0]) ** 2 + ((c * x - s * y) / radii[1]) ** 2
    return torch.sigmoid(10 * (1 - value))


def test_the_moments_of_a_ball_are_its_centre_and_radius():
    grid = Grid((20, 40, 40), default_affine(3, [2.0, 1.0, 1.0]))
    mask = ball((20, 40, 40), (9, 20, 17), 6.0)[None].float()
    found = moments(mask, grid)
    torch.testing.assert_close(found.centroid, index_to_world(grid, torch.tensor([[9.0, 20.0, 17.0]])))
    variances = found.covariance[0].diagonal()
    assert variances.tolist() == pytest.approx([36 / 5, 36 / 5, 4 * 36 / 5], rel=0.05)


def test_a_translated_region_is_moved_onto_the_fixed_one():
    moving, fixed = _ellipse((20, 22), (9, 6)), _ellipse((40, 35), (9, 6))
    aligned = align_roi(moving[None], GRID, fixed[None], GRID, how="centroid", prealignment=np.eye(3))
    assert _dice(aligned[0], fixed) > 0.99


def test_without_alignment_the_prealignment_alone_is_applied():
    moving, fixed = _ellipse((20, 22), (9, 6)), _ellipse((40, 35), (9, 6))
    shift = np.eye(3)
    shift[:2, 2] = (22 - 30, 20 - 41)
    aligned = align_roi(moving[None], GRID, fixed[None], GRID, how="none", prealignment=shift)
    assert _dice(aligned[0], _ellipse((41, 30), (9, 6))) > 0.99


def test_the_linear_part_of_the_prealignment_is_kept_by_the_centroid():
    moving, fixed = _ellipse((20, 22), (12, 6)), _ellipse((40, 35), (6, 3))
    double = np.diag([2.0, 2.0, 1.0])
    aligned = align_roi(moving[None], GRID, fixed[None], GRID, how="centroid", prealignment=double)
    assert _dice(aligned[0], fixed) > 0.97


@pytest.mark.parametrize("degrees", [0.0, 25.0, -40.0])
def test_similarity_matches_size_and_axes(degrees):
    moving, fixed = _ellipse((30, 28), (16, 8)), _ellipse((34, 36), (10, 5), degrees)
    aligned = align_roi(moving[None], GRID, fixed[None], GRID, how="similarity", prealignment=np.eye(3))
    assert _dice(aligned[0], fixed) > 0.95


def test_similarity_does_not_turn_round_regions():
    moving, fixed = _ellipse((30, 28), (12, 12)), _ellipse((34, 36), (8, 8.5), 20)
    aligned = align_roi(moving[None], GRID, fixed[None], GRID, how="similarity", prealignment=np.eye(3))
    assert _dice(aligned[0], fixed) > 0.95


def test_grids_of_different_spacing_are_compared_in_the_world():
    coarse = resized(GRID, (32, 32))
    moving, fixed = ball((32, 32), (10, 12), 6.0)[None].float(), ball((64, 64), (40, 35), 12.0)[None].float()
    aligned = align_roi(moving, coarse, fixed, GRID, how="centroid", prealignment=np.eye(3))
    assert _dice(aligned[0], fixed[0]) > 0.95


def test_an_empty_fixed_region_falls_back_to_the_prealignment():
    moving = _ellipse((20, 22), (9, 6))[None]
    aligned = align_roi(
        moving, GRID, torch.zeros_like(moving), GRID, how="similarity", prealignment=np.eye(3)
    )
    torch.testing.assert_close(aligned, moving, atol=1e-4, rtol=0)


def test_a_batch_equals_its_items_in_3d():
    grid = Grid((12, 24, 24), default_affine(3, [2.0, 1.0, 1.0]))
    moving = torch.stack([ball((12, 24, 24), (5, 10, 9), r) for r in (3.0, 4.0)]).float()
    fixed = torch.stack([ball((12, 24, 24), (6, 12, 13), r) for r in (3.0, 4.0)]).float()
    together = align_roi(moving, grid, fixed, grid, how="centroid", prealignment=np.eye(4))
    for row in range(2):
        one = slice(row, row + 1)
        alone = align_roi(moving[one], grid, fixed[one], grid, how="centroid", prealignment=np.eye(4))
        torch.testing.assert_close(together[one], alone)
        assert _dice(alone[0], fixed[row]) > 0.99
