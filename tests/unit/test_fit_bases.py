from __future__ import annotations

import numpy as np
import pytest
import torch

from promptreg.fit_bases import along_axes, basis_values, cell_positions, derivative_factors, refinement


@pytest.mark.parametrize("basis", ["cubic", "linear"])
def test_basis_functions_sum_to_one_everywhere(basis: str) -> None:
    values = basis_values(basis, 5, np.linspace(0, 1, 41))
    np.testing.assert_allclose(values.sum(1), 1)


def test_hats_at_their_own_cells_are_the_identity() -> None:
    np.testing.assert_allclose(basis_values("linear", 7, cell_positions(7)), np.eye(7), atol=1e-12)


def test_splines_reproduce_a_straight_line() -> None:
    coefficients = (np.arange(-1, 6) + 0.0) / 4
    position = np.linspace(0, 1, 17)
    np.testing.assert_allclose(basis_values("cubic", 4, position) @ coefficients, position, atol=1e-12)


def test_spline_energies_of_a_parabola_are_the_analytic_integrals() -> None:
    position = np.linspace(0, 1, 50)
    coefficients = np.linalg.lstsq(basis_values("cubic", 3, position), position**2, rcond=None)[0]
    found = [np.square(factor @ coefficients).sum() for factor in derivative_factors("cubic", 3)]
    np.testing.assert_allclose(found, [1 / 5, 4 / 3, 4], rtol=1e-8)


def test_refining_a_spline_to_twice_as_many_intervals_changes_no_value() -> None:
    coefficients = np.random.default_rng(0).standard_normal(6 + 3)
    position = np.linspace(0, 1, 33)
    fine = refinement("cubic", 6, 12) @ coefficients
    np.testing.assert_allclose(
        basis_values("cubic", 12, position) @ fine,
        basis_values("cubic", 6, position) @ coefficients,
        atol=1e-9,
    )


def test_matrices_along_axes_equal_the_full_tensor_product() -> None:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(2, 3, 4, 5, generator=generator)
    matrices = [torch.randn(6, n, generator=generator) for n in (3, 4, 5)]
    expected = torch.einsum("cijk,ai,bj,dk->cabd", data, *matrices)
    torch.testing.assert_close(along_axes(data, matrices), expected)
