import math

import numpy as np
import pytest
import torch

from promptreg.baselines.matched_points import averaged, consistent, field_of_matches, smooth_rest
from promptreg.geometry import default_affine, world_coordinates
from promptreg.types import Grid, Image, Pair

SHAPE = (90, 120)


def blank_pair(start=None):
    grid = Grid(SHAPE, default_affine(2, (1.0, 1.5)))
    image = Image(torch.zeros(1, *SHAPE), grid)
    return Pair(image, image, np.eye(3) if start is None else start)


def true_map(points):
    """A turn, a shift and a smooth warp of four units of world points (..., 2)."""
    turned = points @ torch.tensor([[0.95, 0.3], [-0.3, 0.95]], dtype=torch.float64) + 6
    return turned + 4 * torch.sin(points.flip(-1) * math.pi / 60)


def drawn(pair, n):
    draw = torch.Generator().manual_seed(1)
    low, high = (world_coordinates(pair.fixed.grid).double().flatten(0, 1).aminmax(dim=0)[k] for k in (0, 1))
    return low + (high - low) * torch.rand(n, 2, generator=draw, dtype=torch.float64)


def test_an_affine_and_a_smooth_warp_are_recovered_in_spite_of_wrong_matches():
    pair = blank_pair()
    fixed = drawn(pair, 700)
    moving = true_map(fixed)
    moving[400:] = drawn(pair, 700)[torch.randperm(700, generator=torch.Generator().manual_seed(2))[:300]]
    ddf = field_of_matches(fixed, moving, pair, precision=1.0)
    world = world_coordinates(pair.fixed.grid).double()
    error = (world + ddf.displacement.double().movedim(0, -1) - true_map(world)).norm(dim=-1)[10:-10, 10:-10]
    assert error.mean() < 0.5
    assert error.max() < 2.5


def test_the_pre_alignment_comes_after_the_matches():
    start = np.eye(3)
    start[:-1, -1] = [7.0, -3.0]
    pair = blank_pair(start)
    points = drawn(pair, 50)
    ddf = field_of_matches(points, points, pair, precision=1.0)
    expected = torch.tensor([7.0, -3.0])[:, None, None].expand_as(ddf.displacement)
    torch.testing.assert_close(ddf.displacement, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("n", [0, 3, 60])
def test_matches_that_agree_on_nothing_are_an_error_that_counts_them(n):
    pair = blank_pair()
    points = drawn(pair, 2 * n)
    with pytest.raises(RuntimeError, match=f"of {n} matches too few agree"):
        field_of_matches(points[:n], points[n:], pair, precision=1.0)


def test_a_vector_unlike_its_neighbours_is_left_out():
    points = drawn(blank_pair(), 100)
    vectors = 0.01 * points
    vectors[17] += 30
    kept = consistent(points, vectors, 0.5)
    assert not kept[17]
    assert kept.sum() >= 95


def test_noise_leaves_the_affine_map_alone():
    points = drawn(blank_pair(), 300)
    noise = torch.randn(300, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    assert not smooth_rest(points, noise, world_coordinates(blank_pair().fixed.grid).double(), 200.0).any()


def test_points_of_one_square_become_their_mean():
    points = torch.tensor([[0.1, 0.1], [0.3, 0.5], [2.5, 2.5]], dtype=torch.float64)
    where, what = averaged(points, 2 * points, 1.0)
    torch.testing.assert_close(where, torch.tensor([[0.2, 0.3], [2.5, 2.5]], dtype=torch.float64))
    torch.testing.assert_close(what, 2 * where)
