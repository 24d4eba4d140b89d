from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.losses import BendingEnergyLoss

from promptreg.geometry import (
    affine_to_ddf,
    default_affine,
    jacobian_determinant,
    resized,
    transform_points,
    voxel_to_ddf,
)
from promptreg.parametrizations import Affine, FreeForm, StationaryVelocity, parametrizations
from promptreg.types import Grid

GRID = Grid((12, 20, 30), default_affine(3, [4.0, 1.5, 1.0]))


def random_like(coefficients: torch.Tensor, scale: float, seed: int = 0) -> torch.Tensor:
    return scale * torch.randn(coefficients.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["affine", "ffd", "svf", "ddf"])
def test_zero_coefficients_are_the_identity(kind: str) -> None:
    (family,) = parametrizations(kind, [GRID], control_cells=4)
    field = family.displacement(family.zeros())
    assert field.shape == (3, *GRID.shape)
    assert not field.any()


@pytest.mark.parametrize("kind", ["affine", "ffd", "svf", "ddf"])
def test_refining_keeps_the_deformation_in_world_lengths(kind: str) -> None:
    coarse_grid = resized(GRID, (12, 10, 15))
    finer, coarser = parametrizations(kind, [GRID, coarse_grid], control_cells=4)
    coefficients = random_like(coarser.zeros(), 0.3)
    fine = finer.displacement(coarser.refine(coefficients, finer))
    coarse = voxel_to_ddf(coarser.displacement(coefficients), coarse_grid, GRID).displacement
    difference = (voxel_to_ddf(fine, GRID, GRID).displacement - coarse)[:, 1:-1, 2:-2, 2:-2]
    assert difference.abs().max() < 0.15 * coarse.abs().max()


def test_an_affine_deformation_is_the_affine_world_map() -> None:
    coefficients = torch.tensor([[2.0, 0, 0, 1], [0, 0, 3, 0], [0, 0, -1, 0]])
    halves = GRID.extent / 2
    linear_zyx = np.eye(3) + coefficients[:, :3].numpy() / halves
    matrix = np.eye(4)
    matrix[:3, :3] = linear_zyx[::-1, ::-1]
    matrix[:3, 3] = GRID.center - matrix[:3, :3] @ GRID.center + np.array([0, 0, 1.0])
    found = voxel_to_ddf(Affine(GRID).displacement(coefficients), GRID, GRID)
    torch.testing.assert_close(
        found.displacement, affine_to_ddf(matrix, GRID).displacement, atol=1e-4, rtol=1e-4
    )
    assert Affine(GRID).world_map(coefficients) == pytest.approx(matrix, abs=1e-6)


def test_a_large_random_velocity_folds_nowhere_while_the_same_free_form_does() -> None:
    grid = Grid((96, 96), default_affine(2), "px")
    velocity, free = StationaryVelocity(grid, (8, 8)), FreeForm(grid, (8, 8))
    coefficients = random_like(velocity.zeros(), 15.0)
    folds = [
        (jacobian_determinant(voxel_to_ddf(family.displacement(coefficients), grid, grid)) <= 0).sum()
        for family in (velocity, free)
    ]
    assert folds[0] == 0
    assert folds[1] > 0


def test_the_negative_velocity_is_the_inverse_deformation() -> None:
    grid = Grid((64, 64), default_affine(2), "px")
    family = StationaryVelocity(grid, (6, 6))
    coefficients = random_like(family.zeros(), 3.0)
    forward, backward = (
        voxel_to_ddf(family.displacement(c), grid, grid) for c in (coefficients, -coefficients)
    )
    points = torch.tensor([[20.0, 30], [40, 25], [32, 44]])
    torch.testing.assert_close(
        transform_points(backward, transform_points(forward, points)), points, atol=0.15, rtol=0
    )


def test_the_penalty_of_a_linear_field_is_its_gradient_and_never_its_bending() -> None:
    dense = FreeForm(GRID, GRID.shape, basis="linear")
    along_x = 0.2 * torch.arange(30).float() * GRID.spacing[2]
    coefficients = torch.zeros(3, *GRID.shape)
    coefficients[0] = along_x
    assert dense.penalty(coefficients, "diffusion") == pytest.approx(0.04, rel=1e-4)
    assert dense.penalty(coefficients, "bending") == pytest.approx(0, abs=1e-6)


def test_the_penalty_does_not_depend_on_the_sampling_of_a_thick_axis() -> None:
    coefficients = random_like(FreeForm(GRID, (3, 4, 5)).zeros(), 1.0)
    thin = resized(GRID, (48, 20, 30))
    for kind in ("bending", "diffusion"):
        first, second = (FreeForm(grid, (3, 4, 5)).penalty(coefficients, kind) for grid in (GRID, thin))
        torch.testing.assert_close(first, second)


def test_bending_of_a_dense_parabola_agrees_with_monai_on_unit_cells() -> None:
    grid = Grid((100, 100), default_affine(2), "px")
    y, x = torch.meshgrid(torch.arange(100.0), torch.arange(100.0), indexing="ij")
    field = torch.stack([0.01 * y**2, 0.02 * x**2])
    ours = FreeForm(grid, grid.shape, basis="linear").penalty(field, "bending")
    monai = 2 * BendingEnergyLoss()(field[None])
    assert ours.item() == pytest.approx(monai.item(), rel=1e-2)


def test_relaxing_a_velocity_keeps_a_translation_and_lowers_the_roughness() -> None:
    family = StationaryVelocity(GRID, (2, 4, 5))
    constant = torch.ones_like(family.zeros())
    torch.testing.assert_close(family.relax(constant), constant)
    rough = random_like(constant, 1.0)
    assert family.penalty(family.relax(rough), "diffusion") < family.penalty(rough, "diffusion")


def test_control_points_are_evenly_spaced_in_millimetres_and_nested() -> None:
    grids = [
        Grid((10, 64, 64), default_affine(3, [6.0, 1, 1])),
        Grid((10, 32, 32), default_affine(3, [6, 2, 2])),
    ]
    finer, coarser = parametrizations("svf", grids, control_cells=8)
    assert isinstance(finer, StationaryVelocity)
    assert isinstance(coarser, StationaryVelocity)
    assert finer.nodes == (8, 8, 8)
    assert coarser.nodes == (4, 4, 4)
