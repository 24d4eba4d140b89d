import math

import pytest
import torch
from toy_regions import ball, blobs

from promptreg.geometry import default_affine, index_to_world
from promptreg.reach import covers, deepest, directed_distances, place_points, reach
from promptreg.types import Grid

GRID = Grid((64, 64), default_affine(2))
DISC = ball((64, 64), (32, 32), 20)
RING = DISC & ~ball((64, 64), (32, 32), 12)
HALF = DISC & (torch.arange(64) < 32)
TWO = ball((64, 64), (16, 16), 8) | ball((64, 64), (46, 46), 10)
CASES = {
    "half": (DISC, HALF),
    "ring": (DISC, RING),
    "two": (TWO, ball((64, 64), (16, 16), 8)),
    "inside": (DISC, ball((64, 64), (32, 32), 9)),
}


def test_a_half_disc_misses_the_other_half_and_spills_nowhere():
    missed, spilled = directed_distances(DISC[None], HALF[None], GRID)
    assert missed.distance.item() == pytest.approx(21, abs=1)
    assert spilled.distance.item() == 0
    assert spilled.point.isnan().all()


def test_concentric_discs_differ_by_their_radii_on_one_side_only():
    inner = ball((64, 64), (32, 32), 9)
    missed, spilled = directed_distances(DISC[None], inner[None], GRID)
    assert (missed.distance.item(), spilled.distance.item()) == (pytest.approx(11, abs=0.5), 0)


def test_a_hole_counts_as_missed():
    missed, _ = directed_distances(DISC[None], RING[None], GRID)
    assert missed.distance.item() == pytest.approx(12, abs=0.5)


def test_a_translated_disc_reaches_as_far_on_either_side():
    moved = ball((64, 64), (32, 38), 20)
    missed, spilled = directed_distances(DISC[None], moved[None], GRID)
    assert missed.distance.item() == pytest.approx(6)
    assert spilled.distance.item() == pytest.approx(6)


def test_distances_are_in_world_units_on_an_oblique_anisotropic_grid():
    turn, spacing = math.radians(30), (4.0, 0.5)
    affine = default_affine(2, spacing)
    affine[:-1, :-1] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]] @ affine[
        :-1, :-1
    ]
    grid = Grid((64, 64), affine)
    region, other = torch.zeros(2, 1, 64, 64, dtype=torch.bool)
    region[0, 10:21, 30] = True
    other[0, 10, 30] = True
    found = reach(region, other, grid)
    assert found.distance.item() == pytest.approx(40)
    assert (found.point - found.nearest).norm().item() == pytest.approx(40, rel=1e-5)
    torch.testing.assert_close(found.point[0], index_to_world(grid, torch.tensor([20.0, 30.0])))


def test_the_distance_to_nothing_is_infinite_and_from_nothing_is_zero():
    nothing = torch.zeros_like(DISC)
    missed, spilled = directed_distances(DISC[None], nothing[None], GRID)
    assert missed.distance.item() == math.inf
    assert spilled.distance.item() == 0
    point = place_points(DISC[None], nothing[None], missed, GRID, step=2.0)
    torch.testing.assert_close(point, torch.tensor([[32.0, 32.0]]))


@pytest.mark.parametrize("name", CASES)
def test_points_land_in_the_part_that_reaches_beyond(name):
    region, other = CASES[name]
    found = reach(region[None], other[None], GRID)
    for step in (0.5, 2.0, 8.0):
        point = place_points(region[None], other[None], found, GRID, step=step)
        assert covers((region & ~other)[None], point, GRID).all()


@pytest.mark.parametrize("shape", [(48, 48), (20, 24, 24)])
def test_points_land_in_the_part_that_reaches_beyond_for_random_blobs(shape):
    grid = Grid(shape, default_affine(len(shape), [3.0, 1.5, 1.0][: len(shape)]))
    first, second = blobs(shape, 30, seed=0), blobs(shape, 30, seed=1)
    for region, other in ((first, second), (second, first)):
        found = reach(region, other, grid)
        point = place_points(region, other, found, grid, step=2.5)
        beyond = found.distance > 0
        assert beyond.sum() > 20
        assert covers(region & ~other, point, grid)[beyond].all()
        assert point[~beyond].isnan().all()


def test_a_step_of_moderate_length_moves_inward_by_its_whole_length():
    found = reach(DISC[None], HALF[None], GRID)
    point = place_points(DISC[None], HALF[None], found, GRID, step=2.0)
    assert (point - found.point).norm().item() == pytest.approx(2.0, rel=1e-4)
    assert (point - found.nearest).norm() < (found.point - found.nearest).norm()


def test_the_deepest_cell_of_a_square_is_its_middle():
    mask = torch.zeros(9, 9, dtype=torch.bool)
    mask[2:7, 1:6] = True
    assert deepest(mask.numpy(), GRID.spacing).tolist() == [4, 3]


def test_points_outside_the_grid_or_nowhere_are_not_covered():
    everything = torch.ones(2, 64, 64, dtype=torch.bool)
    points = torch.tensor([[-3.0, 5.0], [math.nan, math.nan]])
    assert covers(everything, points, GRID).tolist() == [False, False]
