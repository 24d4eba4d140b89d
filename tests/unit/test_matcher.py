import numpy as np
import pytest
import torch

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.matcher import CELLS, both_views, registered
from promptreg.geometry import default_affine, index_to_world, world_coordinates, world_to_index
from promptreg.types import Grid, Image, Pair

CPU = torch.device("cpu")
SHIFT = np.array([[1.0, 0.0, 7.0], [0.0, 1.0, -3.0], [0.0, 0.0, 1.0]])
"""Fixed to moving: x by 7, y by -3."""


def image(shape, spacing=(1.0, 1.0)):
    data = torch.rand(1, *shape, generator=torch.Generator().manual_seed(3))
    return Image(data, Grid(shape, default_affine(2, spacing)))


def pair(shape=(60, 90), prealignment=None, spacing=(1.0, 1.0)):
    one = image(shape, spacing)
    return Pair(one, one, np.eye(3) if prealignment is None else prealignment)


def told(pair, motion):
    """A matcher that is told a motion (homogeneous, fixed to moving) and matches a lattice of points."""
    fixed, moving = both_views(pair, CPU)

    def match(data_fixed, data_moving):
        assert data_fixed.shape[2:] == fixed.grid.shape
        assert data_moving.shape[2:] == moving.grid.shape
        axes = [torch.arange(0.0, n, 6.0, dtype=torch.float64) for n in fixed.grid.shape]
        lattice = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        world = index_to_world(fixed.grid, lattice)
        there = world @ torch.tensor(motion[:2, :2]).T + torch.tensor(motion[:2, 2])
        back = np.linalg.inv(pair.prealignment)
        turned = there @ torch.tensor(back[:2, :2]).T + torch.tensor(back[:2, 2])
        return lattice.flip(-1), world_to_index(moving.grid, turned).flip(-1)

    return match


@pytest.mark.parametrize("prealignment", [np.eye(3), SHIFT])
def test_a_matcher_that_knows_the_motion_gives_its_field(prealignment):
    one = pair(prealignment=prealignment)
    field = registered(one, told(one, SHIFT), CPU).displacement.double().movedim(0, -1)
    torch.testing.assert_close(field, torch.tensor(SHIFT[:2, 2]).expand_as(field), atol=0.05, rtol=0)


def test_a_turned_prealignment_is_part_of_the_field():
    turn = np.array([[0.0, -1.0, 60.0], [1.0, 0.0, 2.0], [0.0, 0.0, 1.0]])
    one = pair(shape=(64, 64), prealignment=turn)
    world = world_coordinates(one.fixed.grid).double()
    true = world @ torch.tensor(turn[:2, :2]).T + torch.tensor(turn[:2, 2])
    found = world + registered(one, told(one, turn), CPU).displacement.double().movedim(0, -1)
    assert (found - true).norm(dim=-1).max() < 0.1


def test_images_with_many_cells_are_matched_at_fewer():
    fixed, moving = both_views(pair(shape=(40, 2 * CELLS)), CPU)
    assert max(fixed.grid.shape) == CELLS
    assert fixed.grid.spacing.max() == pytest.approx(2.0)
    assert moving.grid.spacing.max() == pytest.approx(2.0, rel=0.01)


def test_matches_at_the_edge_of_an_image_are_left_out():
    one = pair()

    def match(fixed, moving):
        points = torch.tensor([[x, 1.0] for x in range(0, 80, 2)], dtype=torch.float64)
        return points, points

    with pytest.raises(RuntimeError, match="too few agree"):
        registered(one, match, CPU)


def test_a_volume_is_refused_before_anything_is_matched():
    volume = Image(torch.zeros(1, 4, 4, 4), Grid((4, 4, 4), default_affine(3)))
    with pytest.raises(BaselineUnavailable, match="planar images alone"):
        registered(Pair(volume, volume, np.eye(4)), lambda *_: pytest.fail("was called"), CPU)
