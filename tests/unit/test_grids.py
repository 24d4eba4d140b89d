"""Grids: index and world coordinates, resampling, fields of view."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from promptreg.geometry import (
    antialiased,
    apply_affine,
    cell_indices,
    default_affine,
    grid_from_sitk,
    index_to_world,
    limited,
    resample,
    resized,
    sample,
    sitk_from_array,
    visibility,
    world_coordinates,
    world_to_index,
)
from promptreg.types import Grid


def oblique(shape=(5, 6, 7), spacing=(3.0, 1.2, 0.8), degrees=(20, -10, 30)) -> Grid:
    affine = np.eye(4)
    directions = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    affine[:3, :3] = directions[:, ::-1] * spacing
    affine[:3, 3] = [5, -40, 100]
    return Grid(shape, affine)


def test_the_default_affine_puts_the_column_index_on_the_world_x_axis():
    grid = Grid((4, 5), default_affine(2, spacing=(2.0, 0.5)))
    world = index_to_world(grid, torch.tensor([[1.0, 3.0]]))
    assert world.tolist() == [[1.5, 2.0]]


def test_index_to_world_agrees_with_simpleitk_on_an_oblique_grid():
    grid = oblique()
    image = sitk_from_array(np.zeros(grid.shape, np.float32), grid)
    expected = image.TransformContinuousIndexToPhysicalPoint((3.2, 2.5, 1.1))
    world = index_to_world(grid, torch.tensor([[1.1, 2.5, 3.2]], dtype=torch.float64))
    np.testing.assert_allclose(world[0], expected, atol=1e-9)


def test_a_grid_survives_the_way_through_simpleitk():
    grid = oblique()
    back = grid_from_sitk(sitk_from_array(np.zeros((2, *grid.shape)), grid))
    assert back.shape == grid.shape
    np.testing.assert_allclose(back.affine, grid.affine, atol=1e-12)


def test_world_to_index_inverts_index_to_world():
    grid = oblique()
    index = torch.rand(20, 3, dtype=torch.float64) * 5
    torch.testing.assert_close(world_to_index(grid, index_to_world(grid, index)), index)


def test_affine_maps_carry_derivatives_to_the_points():
    points = torch.zeros(1, 2, requires_grad=True)
    apply_affine(np.array([[2.0, 3, 0], [5, 7, 0], [0, 0, 1]]), points).sum().backward()
    assert points.grad.tolist() == [[7.0, 10.0]]


def test_center_extent_and_spacing_describe_the_grid_in_the_world():
    grid = oblique()
    np.testing.assert_allclose(grid.spacing, [3.0, 1.2, 0.8])
    np.testing.assert_allclose(grid.extent, [15.0, 7.2, 5.6])
    np.testing.assert_allclose(
        world_coordinates(grid).reshape(-1, 3).double().mean(0), grid.center, atol=1e-4
    )


@pytest.mark.parametrize(("mode", "order"), [("bilinear", 1), ("nearest", 0)])
@pytest.mark.parametrize("shape", [(6, 9), (4, 6, 9)])
def test_sampling_agrees_with_scipy_inside_the_grid(mode, order, shape):
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
    index = torch.rand(30, len(shape), generator=generator, dtype=torch.float64)
    index = index * (torch.tensor(shape) - 1)
    expected = [map_coordinates(channel, index.T.numpy(), order=order) for channel in data.numpy()]
    np.testing.assert_allclose(sample(data, index, mode), np.stack(expected), atol=1e-12)


def test_outside_the_grid_samples_are_zero_or_the_nearest_edge():
    data = torch.arange(1.0, 5.0).reshape(1, 2, 2)
    index = torch.tensor([[-3.0, 0.0], [5.0, 1.0]])
    assert sample(data, index).tolist() == [[0.0, 0.0]]
    assert sample(data, index, padding="border").tolist() == [[1.0, 4.0]]


def test_resampling_agrees_with_simpleitk_between_oblique_grids_under_an_affine():
    source, target = oblique((9, 10, 11)), oblique((6, 8, 7), (3.5, 1.0, 1.1), (15, -12, 33))
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(1, *source.shape, generator=generator)
    matrix = np.eye(4)
    matrix[:3] = [[1.02, 0.05, 0, -1.4], [-0.03, 0.97, 0.02, 2.2], [0.01, 0, 1.05, -6.0]]
    transform = sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())
    image = sitk_from_array(data[0], source)
    reference = sitk_from_array(np.zeros(target.shape, np.float32), target)
    expected = sitk.GetArrayFromImage(sitk.Resample(image, reference, transform, sitk.sitkLinear, -1.0))
    found = resample(data, source, target, transform=matrix)[0].numpy()
    inside = expected != -1
    inside &= resample(torch.ones(1, *source.shape), source, target, transform=matrix)[0].numpy() > 0.9999
    assert inside.sum() > 50
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)


def test_every_cell_of_a_grid_is_visible_in_itself_and_none_in_a_far_one():
    grid = oblique()
    far = Grid(grid.shape, grid.affine + np.pad(np.full((3, 1), 1e3), ((0, 1), (3, 0))))
    assert visibility(grid, grid).all()
    assert not visibility(grid, far).any()


def test_a_shifted_grid_sees_the_cells_that_overlap():
    grid = Grid((1, 4), default_affine(2))
    shifted = default_affine(2)
    shifted[0, -1] = 2.0
    assert visibility(grid, Grid((1, 4), shifted)).tolist() == [[True, True, False, False]]


def test_a_resized_grid_keeps_its_outer_edges():
    grid = oblique()
    small = resized(grid, (2, 3, 4))
    np.testing.assert_allclose(small.extent, grid.extent)
    np.testing.assert_allclose(small.center, grid.center)
    for corner in (-0.5, None):
        old = np.full(3, -0.5) if corner else np.array(grid.shape) - 0.5
        new = np.full(3, -0.5) if corner else np.array(small.shape) - 0.5
        np.testing.assert_allclose(small.affine @ [*new, 1], grid.affine @ [*old, 1])


def test_limiting_coarsens_fine_axes_and_keeps_thick_slices():
    grid = Grid((20, 160, 160), default_affine(3, (6.0, 1.0, 1.0)))
    assert limited(grid, 80).shape == (20, 80, 80)
    assert limited(grid, 500).shape == grid.shape


def test_antialiasing_averages_whole_blocks():
    grid = Grid((4, 4), default_affine(2))
    data = torch.arange(16.0).reshape(1, 4, 4)
    coarse = antialiased(data, grid, resized(grid, (2, 2)))
    assert coarse.tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert antialiased(data, grid, grid) is data


def test_cell_indices_run_in_array_order():
    assert cell_indices((2, 3))[1, 2].tolist() == [1.0, 2.0]
