"""Dense fields: canonical and voxel form, warping, points, Jacobians."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from promptreg.geometry import (
    affine_to_ddf,
    apply_affine,
    cell_indices,
    default_affine,
    exponentiate,
    followed_by,
    inverse_transform_points,
    jacobian_determinant,
    resample,
    resized,
    sample,
    transform_points,
    voxel_to_ddf,
    warp,
    world_coordinates,
)
from promptreg.types import Ddf, Grid


def oblique(shape=(8, 10, 12)) -> Grid:
    affine = np.eye(4)
    directions = Rotation.from_euler("xyz", (20, -10, 30), degrees=True).as_matrix()
    affine[:3, :3] = directions[:, ::-1] * [3.0, 1.2, 0.8]
    affine[:3, 3] = [5, -40, 100]
    return Grid(shape, affine)


def about(center: np.ndarray, linear: np.ndarray, shift: tuple[float, ...]) -> np.ndarray:
    matrix = np.eye(len(center) + 1)
    matrix[:-1, :-1] = linear
    matrix[:-1, -1] = center - linear @ center + shift
    return matrix


def rotation(degrees: float) -> np.ndarray:
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])


def waves(grid: Grid, amplitude: float) -> Ddf:
    index = cell_indices(grid.shape).movedim(-1, 0) / torch.tensor(grid.shape).reshape(-1, *[1] * grid.ndim)
    return Ddf(amplitude * torch.sin(2 * np.pi * index.flip(0)), grid)


def test_an_affine_field_moves_every_cell_as_the_matrix_does():
    grid = oblique()
    matrix = about(grid.center, np.diag([1.1, 0.9, 1.0]), (1.0, -2.0, 3.0))
    ddf = affine_to_ddf(matrix, grid)
    world = world_coordinates(grid).reshape(-1, 3)
    torch.testing.assert_close(transform_points(ddf, world), apply_affine(matrix, world), atol=1e-3, rtol=0)


def test_a_translated_disc_is_warped_back_by_the_translation():
    grid = Grid((32, 32), default_affine(2))
    y, x = cell_indices(grid.shape).unbind(-1)
    fixed = ((y - 14) ** 2 + (x - 15) ** 2 < 36).float()[None]
    moving = ((y - 17) ** 2 + (x - 11) ** 2 < 36).float()[None]
    shift = affine_to_ddf(about(np.zeros(2), np.eye(2), (-4.0, 3.0)), grid)
    assert torch.equal(warp(moving, grid, shift, mode="nearest"), fixed)


def test_a_translation_has_unit_jacobian():
    grid = oblique()
    ddf = affine_to_ddf(about(grid.center, np.eye(3), (4.0, -3.0, 2.0)), grid)
    torch.testing.assert_close(jacobian_determinant(ddf), torch.ones(grid.shape, dtype=torch.float64))


@pytest.mark.parametrize("scale", [0.5, 1.7, -1.0])
def test_an_affine_field_has_the_determinant_of_its_matrix(scale):
    grid = oblique()
    linear = Rotation.from_euler("xyz", (5, 10, 15), degrees=True).as_matrix() @ np.diag([scale, 1.2, 1.0])
    jacobian = jacobian_determinant(affine_to_ddf(about(grid.center, linear, (0, 0, 0)), grid))
    assert jacobian == pytest.approx(torch.full(grid.shape, scale * 1.2, dtype=torch.float64), abs=1e-4)


def test_an_axis_of_one_cell_adds_nothing_to_the_jacobian():
    grid = Grid((1, 6, 6), default_affine(3))
    world = world_coordinates(grid).movedim(-1, 0)
    ddf = Ddf(world * torch.tensor([0.5, 0.0, 0.0]).reshape(3, 1, 1, 1), grid)
    torch.testing.assert_close(jacobian_determinant(ddf), torch.full((1, 6, 6), 1.5, dtype=torch.float64))


@pytest.mark.parametrize("degrees", [0, 28, 90, 180])
def test_points_sent_there_and_back_return_whatever_the_rotation(degrees):
    grid = Grid((40, 50), default_affine(2))
    bent = followed_by(waves(grid, 1.5), about(grid.center, rotation(degrees), (6.0, -4.0)))
    points = torch.tensor([[12.0, 11.0], [25.0, 20.0], [36.0, 29.0]], dtype=torch.float64)
    back = inverse_transform_points(bent, transform_points(bent, points))
    torch.testing.assert_close(back, points, atol=1e-3, rtol=0)


def test_points_of_a_volume_return_through_an_oblique_field():
    grid = oblique((12, 20, 20))
    linear = Rotation.from_euler("z", 35, degrees=True).as_matrix() * 1.2
    bent = followed_by(waves(grid, 0.3), about(grid.center, linear, (6.0, -4.0, 2.0)))
    points = torch.from_numpy(grid.center)[None] + torch.tensor([[0.0, 0, 0], [2.0, -1.5, 4.0]]).double()
    back = inverse_transform_points(bent, transform_points(bent, points))
    torch.testing.assert_close(back, points, atol=1e-3, rtol=0)


def test_no_points_map_to_no_points():
    ddf = waves(Grid((6, 6), default_affine(2)), 0.5)
    assert inverse_transform_points(ddf, torch.zeros(0, 2)).shape == (0, 2)


def test_followed_by_applies_the_field_first():
    grid = Grid((5, 5), default_affine(2))
    shift = affine_to_ddf(about(np.zeros(2), np.eye(2), (1.0, 0.0)), grid)
    both = followed_by(shift, about(np.zeros(2), rotation(90), (0.0, 0.0)))
    torch.testing.assert_close(
        transform_points(both, torch.tensor([[2.0, 3.0]])), torch.tensor([[-3.0, 3.0]])
    )


def test_a_voxel_field_on_the_fixed_grid_becomes_the_same_motion_in_the_world():
    grid = oblique()
    voxel = torch.zeros(3, *grid.shape)
    voxel[0] = 2.0
    ddf = voxel_to_ddf(voxel, grid, grid)
    expected = torch.from_numpy(2.0 * grid.affine[:-1, 0]).float()
    torch.testing.assert_close(ddf.displacement.flatten(1).T, expected.expand(ddf.displacement[0].numel(), 3))


def test_an_affine_on_a_coarse_working_grid_is_exact_up_to_the_edges_of_the_fixed_grid():
    fixed = Grid((30, 42), default_affine(2, (1.0, 0.7)))
    working = resized(fixed, (10, 14))
    matrix = about(fixed.center, rotation(12) * 1.2, (3.0, -2.0))
    index_map = np.linalg.inv(working.affine) @ matrix @ working.affine
    cells = cell_indices(working.shape)
    voxel = (apply_affine(index_map, cells) - cells).movedim(-1, 0)
    ddf = voxel_to_ddf(voxel, working, fixed)
    torch.testing.assert_close(ddf.displacement, affine_to_ddf(matrix, fixed).displacement, atol=1e-4, rtol=0)


def test_the_pre_alignment_is_composed_after_the_voxel_field():
    grid = oblique()
    prealignment = about(grid.center, Rotation.from_euler("x", 20, degrees=True).as_matrix(), (5.0, 0, -2.0))
    voxel = torch.randn(3, *grid.shape, generator=torch.Generator().manual_seed(0)) * 0.2
    moving = torch.rand(1, *grid.shape, generator=torch.Generator().manual_seed(1))
    identity = Ddf(voxel_to_ddf(voxel, grid, grid).displacement, grid)
    aligned = Grid(grid.shape, np.linalg.inv(prealignment) @ grid.affine)
    expected = warp(moving, aligned, identity)
    found = warp(moving, grid, voxel_to_ddf(voxel, grid, grid, then=prealignment))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_warping_by_an_affine_field_is_resampling_under_the_affine():
    moving_grid, fixed_grid = oblique((9, 11, 10)), oblique()
    data = torch.rand(2, *moving_grid.shape, generator=torch.Generator().manual_seed(0))
    matrix = about(fixed_grid.center, np.diag([1.1, 0.9, 1.0]), (1.0, -2.0, 3.0))
    found = warp(data, moving_grid, affine_to_ddf(matrix, fixed_grid))
    expected = resample(data, moving_grid, fixed_grid, transform=matrix)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_the_exponential_of_a_constant_velocity_is_that_translation():
    velocity = torch.ones(2, 9, 9) * torch.tensor([1.0, -0.5]).reshape(2, 1, 1)
    torch.testing.assert_close(exponentiate(velocity), velocity)


def test_the_exponentials_of_a_velocity_and_its_opposite_cancel():
    grid = Grid((48, 48), default_affine(2))
    velocity = waves(grid, 2.0).displacement
    forth, back = exponentiate(velocity), exponentiate(-velocity)
    there = cell_indices(grid.shape) + forth.movedim(0, -1)
    residual = forth + sample(back, there, padding="border")
    assert residual[:, 8:-8, 8:-8].abs().max() < 0.05
