"""Ways to write a deformation of the fixed image's field of view with few or many numbers.

Coefficients are lengths in world units along the array axes ((z,) y, x), whatever the grid on which
the deformation is read: steps and penalties mean the same along thin and thick voxels and at every
resolution. Penalties are quadratic forms of the coefficients, averaged over the field of view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Literal, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from promptreg.fit_bases import (
    Basis,
    along_axes,
    basis_values,
    cell_positions,
    derivative_factors,
    refinement,
)
from promptreg.geometry import cell_indices, exponentiate
from promptreg.types import Grid

Penalty = Literal["bending", "diffusion"]
DERIVATIVE = {"diffusion": 1, "bending": 2}
INTEGRATION_CELLS = 3
"""Cells between two control points of a velocity on which it is integrated."""


class Parametrization(Protocol):
    """A family of deformations of one grid."""

    grid: Grid

    def zeros(self) -> Tensor:
        """Return the coefficients of the identity."""
        ...

    def displacement(self, coefficients: Tensor) -> Tensor:
        """Return the voxel-form field (ndim, *grid.shape) on this grid."""
        ...

    def penalty(self, coefficients: Tensor, kind: Penalty) -> Tensor:
        """Return a roughness without unit."""
        ...

    def refine(self, coefficients: Tensor, finer: Self) -> Tensor:
        """Return the coefficients of (nearly) the same deformation in a finer family."""
        ...


class Affine:
    """An affine deformation about the middle of the grid.

    Coefficients (ndim, ndim + 1): the displacement's change from the middle to the outer edge along
    each array axis, then its value in the middle.
    """

    def __init__(self, grid: Grid, *, device: torch.device | str = "cpu") -> None:
        self.grid = grid
        halves = torch.tensor(grid.shape, device=device) / 2
        position = (cell_indices(grid.shape, device) - (halves - 0.5)) / halves
        self._position = torch.cat([position, torch.ones_like(position[..., :1])], -1)
        self._spacing = torch.as_tensor(grid.spacing, dtype=torch.float32, device=device)

    def zeros(self) -> Tensor:
        """Return (ndim, ndim + 1) zeros."""
        return torch.zeros(self.grid.ndim, self.grid.ndim + 1, device=self._spacing.device)

    def displacement(self, coefficients: Tensor) -> Tensor:
        """Return the voxel-form field (ndim, *grid.shape)."""
        return (self._position @ coefficients.T / self._spacing).movedim(-1, 0)

    def world_map(self, coefficients: Tensor) -> np.ndarray:
        """Return the homogeneous world map (ndim + 1, ndim + 1) of the same deformation."""
        n, halves = self.grid.ndim, np.array(self.grid.shape) / 2
        slopes = coefficients.detach().double().cpu().numpy() / self.grid.spacing[:, None]
        index = np.eye(n + 1)
        index[:n, :n] += slopes[:, :n] / halves
        index[:n, n] += slopes[:, n] - (slopes[:, :n] / halves) @ (halves - 0.5)
        return self.grid.affine @ index @ np.linalg.inv(self.grid.affine)

    def penalty(self, coefficients: Tensor, kind: Penalty) -> Tensor:
        """Return zero: an affine map is never penalized."""
        return coefficients.new_zeros(())

    def refine(self, coefficients: Tensor, finer: Affine) -> Tensor:
        """Return the coefficients unchanged: they do not depend on the grid."""
        return coefficients


class FreeForm:
    """A field whose basis functions are products of one-dimensional ones (`fit_bases`), (ndim, *functions).

    `nodes` (ndim,) counts the basis intervals along each array axis. A cubic basis is the free-form
    deformation (Rueckert et al., IEEE TMI 18(8), 1999); a linear one with a node in each cell is dense.
    """

    def __init__(
        self, grid: Grid, nodes: Sequence[int], *, basis: Basis = "cubic", device: torch.device | str = "cpu"
    ) -> None:
        self.grid, self.nodes, self.basis, self.device = grid, tuple(nodes), basis, torch.device(device)
        self._values = self._matrices(basis, self.nodes, grid.shape)
        self._factors = [[self._tensor(r) for r in derivative_factors(basis, k)] for k in self.nodes]
        self._spacing = self._tensor(grid.spacing).view(-1, *[1] * grid.ndim)

    def zeros(self) -> Tensor:
        """Return (ndim, *functions) zeros."""
        return torch.zeros(self.grid.ndim, *[v.shape[1] for v in self._values], device=self.device)

    def displacement(self, coefficients: Tensor) -> Tensor:
        """Return the voxel-form field (ndim, *grid.shape)."""
        return along_axes(coefficients, self._values) / self._spacing

    def penalty(self, coefficients: Tensor, kind: Penalty) -> Tensor:
        """Return the mean over the field of view of the squared derivatives of the coefficients' field.

        diffusion: sum of (du_i/dx_a)^2. bending: sum of (s d2u_i/dx_a dx_b)^2, s being one percent of
        the longest side. Lengths are world lengths, so both are free of units and of the sampling.
        """
        order, extent = DERIVATIVE[kind], self.grid.extent
        unit = float(extent.max()) / 100
        total = coefficients.new_zeros(())
        for axes in combinations_with_replacement(range(self.grid.ndim), order):
            orders = [axes.count(axis) for axis in range(self.grid.ndim)]
            mixed = math.factorial(order) / math.prod(math.factorial(q) for q in orders)
            scale = unit ** (2 * order - 2) / math.prod(float(extent[axis]) ** 2 for axis in axes)
            factors = [self._factors[axis][q] for axis, q in enumerate(orders)]
            total = total + mixed * scale * along_axes(coefficients, factors).square().sum()
        return total

    def refine(self, coefficients: Tensor, finer: FreeForm) -> Tensor:
        """Express the field in a finer basis; exact for splines whose intervals divide the coarser ones."""
        pairs = zip(self.nodes, finer.nodes, strict=True)
        return along_axes(coefficients, [self._tensor(refinement(self.basis, k, m)) for k, m in pairs])

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=self.device)

    def _matrices(self, basis: Basis, nodes: Sequence[int], shape: Sequence[int]) -> list[Tensor]:
        pairs = zip(nodes, shape, strict=True)
        return [self._tensor(basis_values(basis, k, cell_positions(n))) for k, n in pairs]


class StationaryVelocity(FreeForm):
    """A cubic B-spline stationary velocity, integrated by scaling and squaring: a diffeomorphism.

    Arsigny et al., MICCAI 2006. The integration runs on a few cells for each control interval, and its
    result is read linearly on the grid. `penalty` is that of the velocity.
    """

    def __init__(self, grid: Grid, nodes: Sequence[int], *, device: torch.device | str = "cpu") -> None:
        super().__init__(grid, nodes, device=device)
        shape = [min(n, INTEGRATION_CELLS * k) for n, k in zip(grid.shape, self.nodes, strict=True)]
        self._velocity_values = self._matrices("cubic", self.nodes, shape)
        self._velocity_spacing = self._tensor(grid.extent / np.array(shape)).view(-1, *[1] * grid.ndim)
        self._upsampling = self._matrices("linear", shape, grid.shape)

    def displacement(self, coefficients: Tensor) -> Tensor:
        """Return the voxel-form field (ndim, *grid.shape)."""
        velocity = along_axes(coefficients, self._velocity_values) / self._velocity_spacing
        field = exponentiate(velocity, steps=_squarings(velocity)) * self._velocity_spacing
        return along_axes(field, self._upsampling) / self._spacing

    def relax(self, coefficients: Tensor) -> Tensor:
        """Return a slightly smoother velocity: 1-4-1 averages of its coefficients along each axis."""
        return along_axes(coefficients, [_smoothing(n, self.device) for n in coefficients.shape[1:]])


def _smoothing(n: int, device: torch.device) -> Tensor:
    """(n, n) matrix of the weights 1-4-1; an end repeats its own value."""
    neighbours = torch.eye(n, device=device)
    padded = torch.cat([neighbours[:1], neighbours, neighbours[-1:]])
    return (padded[:-2] + 4 * neighbours + padded[2:]) / 6


def _squarings(velocity: Tensor) -> int:
    """Squarings after which the first step of the integration is below a quarter of a cell; 4 to 10."""
    largest = max(float(velocity.detach().abs().max()), 1e-6)
    return min(10, max(4, math.ceil(math.log2(4 * largest))))


def parametrizations(
    kind: Literal["affine", "ffd", "svf", "ddf"],
    grids: Sequence[Grid],
    *,
    control_cells: int,
    device: torch.device | str = "cpu",
) -> list[Parametrization]:
    """Return the family `kind` on grids of one field of view, finest first.

    Control points stand `control_cells` of the finest grid's smallest cell apart, twice as far on each
    further grid, and never closer than that grid's own cells.
    """
    if kind == "affine":
        return [Affine(grid, device=device) for grid in grids]
    if kind == "ddf":
        return [FreeForm(grid, grid.shape, basis="linear", device=device) for grid in grids]
    family = StationaryVelocity if kind == "svf" else FreeForm
    finest, coarsening = grids[0], 2 ** (len(grids) - 1)
    intervals = np.minimum(finest.extent / (control_cells * finest.spacing.min()), finest.shape)
    coarse = np.maximum(np.round(intervals / coarsening), 1).astype(int)
    nodes = [coarse * (coarsening >> level) for level in range(len(grids))]
    return [family(grid, k.tolist(), device=device) for grid, k in zip(grids, nodes, strict=True)]
