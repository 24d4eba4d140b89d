"""ConvexAdam on images with a world of their own."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from promptreg.baselines.convex_methods import ConvexAdam, descent_grid
from promptreg.config import Baselines
from promptreg.geometry import default_affine, resample, resized
from promptreg.types import Grid, Image, Pair


def grid_of(ndim):
    """Anisotropic, oblique, away from the origin."""
    affine = default_affine(ndim, (1.0, 1.4) if ndim == 2 else (4.0, 1.0, 1.3))
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])[:ndim, :ndim]
    affine[:-1, :-1] = turn @ affine[:-1, :-1]
    affine[:-1, -1] = [30.0, -40.0, 70.0][:ndim]
    return Grid((90, 80) if ndim == 2 else (16, 56, 52), affine)


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_inverted_image_in_another_place_and_grid_is_found_from_the_pre_alignment_on(ndim, tmp_path):
    grid = grid_of(ndim)
    noise = np.random.default_rng(3).normal(size=grid.shape)
    data = torch.from_numpy(gaussian_filter(noise, 3 if ndim == 2 else (1, 3, 3))).float()[None]
    truth, start = np.eye(ndim + 1), np.eye(ndim + 1)
    truth[:-1, -1], start[:-1, -1] = [25.0, -13.0, 4.0][:ndim], [22.0, -15.0, 2.0][:ndim]
    fixed_grid = resized(grid, [n - 4 for n in grid.shape])
    place = np.linalg.inv(truth) @ fixed_grid.affine
    fixed_grid = Grid(fixed_grid.shape, place)
    fixed = Image(-3 * resample(data, grid, fixed_grid, transform=truth), fixed_grid)
    ddf = ConvexAdam().register(Pair(Image(data, grid), fixed, start), Baselines(), tmp_path)
    middle = (slice(None), *(slice(n // 4, n - n // 4) for n in fixed_grid.shape))
    error = ddf.displacement[middle] - torch.from_numpy(truth[:-1, -1]).float().view(-1, *[1] * ndim)
    assert error.norm(dim=0).mean() < 0.5


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_grid_of_the_descent_is_nearly_isotropic_and_of_whole_search_cells(ndim):
    grid = grid_of(ndim)
    cells = descent_grid(grid)
    assert all(n % 3 == 0 for n in cells.shape)
    np.testing.assert_allclose(cells.extent, grid.extent)
    assert cells.spacing.max() < 1.3 * cells.spacing.min()


def test_large_images_are_limited_to_a_number_of_cells_and_thin_ones_keep_one_search_cell():
    large = descent_grid(Grid((3000, 1500), default_affine(2)))
    assert large.shape == (129, 63)
    assert descent_grid(Grid((1, 64, 64), default_affine(3))).shape[0] == 3
