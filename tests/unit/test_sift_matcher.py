import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.matcher import both_views
from promptreg.baselines.sift_matcher import SiftMatcher, matches
from promptreg.config import Baselines
from promptreg.geometry import default_affine, resample, world_coordinates
from promptreg.types import Grid, Image, Pair

TURN = np.array([[0.0, -1.0, 180.0], [1.0, 0.0, 4.0], [0.0, 0.0, 1.0]])
"""Fixed to moving: a quarter turn."""


def speckled_pair():
    shape = (160, 180)
    grid = Grid(shape, default_affine(2, (1.0, 1.0)))
    draw = np.random.default_rng(5)
    data = sum(gaussian_filter(draw.normal(size=shape), s) * s for s in (2, 4, 8))
    moving = torch.from_numpy(data).float()[None]
    fixed = resample(moving, grid, grid, transform=TURN)
    return Pair(Image(moving, grid), Image(fixed, grid), np.eye(3))


def test_a_quarter_turn_is_found_between_cells(tmp_path):
    pair = speckled_pair()
    ddf = SiftMatcher().register(pair, Baselines(), tmp_path)
    world = world_coordinates(pair.fixed.grid).double()
    true = world @ torch.tensor(TURN[:2, :2]).T + torch.tensor(TURN[:2, 2])
    error = (world + ddf.displacement.double().movedim(0, -1) - true).norm(dim=-1)
    assert error[40:120, 40:120].mean() < 0.3


def test_matches_of_an_image_with_itself_are_the_same_points():
    data = both_views(speckled_pair(), torch.device("cpu"))[0].data
    here, there = matches(data, data)
    assert len(here) > 50
    torch.testing.assert_close(here, there)


def test_views_keep_the_moving_image_whole_at_the_cells_of_the_fixed_one():
    pair = speckled_pair()
    fixed, moving = both_views(pair, torch.device("cpu"))
    np.testing.assert_allclose(fixed.grid.spacing, moving.grid.spacing)
    assert all(a >= b for a, b in zip(moving.grid.shape, pair.moving.grid.shape, strict=True))
    assert 0 <= float(moving.data.min()) < float(moving.data.max()) <= 1


def test_a_volume_is_not_run_and_a_blank_image_fails(tmp_path):
    grid = Grid((8, 8, 8), default_affine(3, (1.0, 1.0, 1.0)))
    volume = Image(torch.zeros(1, 8, 8, 8), grid)
    with pytest.raises(BaselineUnavailable, match="planar"):
        SiftMatcher().register(Pair(volume, volume, np.eye(4)), Baselines(), tmp_path)
    plane = Image(torch.zeros(1, 64, 64), Grid((64, 64), default_affine(2, (1.0, 1.0))))
    with pytest.raises(RuntimeError, match="too few agree"):
        SiftMatcher().register(Pair(plane, plane, np.eye(3)), Baselines(), tmp_path)
