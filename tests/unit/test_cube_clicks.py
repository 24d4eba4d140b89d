import numpy as np
import pytest
import torch

from promptreg.geometry import apply_affine
from promptreg.models.cube_clicks import clicks_in_cubes, first_positive_first
from promptreg.models.volume_tiles import Tiling, respaced
from promptreg.types import Grid

SIDE = 8
GRID = Grid((10, 6, 30), np.diag([3.0, 1.0, 2.0, 1.0]))
TILING = Tiling.of(respaced(GRID, 1.0), SIDE)


def clicks(count):
    upper = torch.tensor(GRID.shape) - 1
    return torch.rand(count, 2, 3, generator=torch.Generator().manual_seed(0)) * upper


def test_a_click_stays_where_it_is_in_the_world():
    points = clicks(30)
    tile, in_cube, _ = clicks_in_cubes(TILING, GRID, points, torch.ones(30, 2, dtype=torch.long))
    in_volume = in_cube + TILING.starts[tile][:, None] - torch.tensor(TILING.offset)
    world = apply_affine(TILING.volume.affine, in_volume)
    torch.testing.assert_close(world, apply_affine(GRID.affine, points), atol=1e-4, rtol=0)


def test_no_cubes_middle_is_nearer_to_the_first_positive_click_than_the_chosen_ones():
    points, labels = clicks(30), torch.tensor([[0, 1]]).expand(30, 2)
    tile, in_cube, _ = clicks_in_cubes(TILING, GRID, points, labels)
    first = in_cube[:, 0] + TILING.starts[tile]
    distances = torch.cdist(first, TILING.starts + (SIDE - 1) / 2)
    chosen = distances.gather(1, tile[:, None])[:, 0]
    torch.testing.assert_close(chosen, distances.amin(1), atol=1e-4, rtol=0)


def test_a_click_outside_the_cube_becomes_padding():
    near, far = [1.0, 3.0, 2.0], [9.0, 3.0, 28.0]
    _, _, labels = clicks_in_cubes(TILING, GRID, torch.tensor([[near, far]]), torch.tensor([[1, 0]]))
    assert labels.tolist() == [[1, -1]]


@pytest.mark.parametrize("corner", [[0.0, 0, 0], [9.0, 5, 29]])
def test_clicks_on_corners_of_the_volume_are_inside_their_cube(corner):
    _, in_cube, labels = clicks_in_cubes(TILING, GRID, torch.tensor([[corner]]), torch.ones(1, 1).long())
    assert labels.tolist() == [[1]]
    assert ((in_cube >= -0.5) & (in_cube <= SIDE - 0.5)).all()


def test_the_first_positive_click_comes_first_and_padding_last():
    points = torch.arange(5.0)[None, :, None].expand(2, 5, 3)
    labels = torch.tensor([[0, -1, 1, 0, 1], [1, 0, -1, 1, -1]])
    ordered, reordered = first_positive_first(points, labels)
    assert ordered[..., 0].tolist() == [[2, 0, 3, 4, 1], [0, 1, 3, 2, 4]]
    assert reordered.tolist() == [[1, 0, 0, 1, -1], [1, 0, 1, -1, -1]]
