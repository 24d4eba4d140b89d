"""One-dimensional basis functions over one axis of a field of view, as small dense matrices.

Positions run from 0 to 1 between the outer edges of the axis. "cubic": `nodes` intervals carry
nodes + 3 uniform B-splines. "linear": `nodes` hat functions at the centres of as many cells, constant
beyond the outermost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor

Basis = Literal["cubic", "linear"]


def cell_positions(n_cells: int) -> np.ndarray:
    """Return the positions (n_cells,) of the centres of equal cells."""
    return (np.arange(n_cells) + 0.5) / n_cells


def basis_values(basis: Basis, nodes: int, position: np.ndarray) -> np.ndarray:
    """Return the basis functions at positions (n,) in [0, 1]; (n, n_functions)."""
    if basis == "cubic":
        return np.asarray(_splines(nodes)(position))
    index = np.clip(position * nodes - 0.5, 0, nodes - 1)
    return np.maximum(0, 1 - np.abs(index[:, None] - np.arange(nodes)))


def derivative_factors(basis: Basis, nodes: int) -> list[np.ndarray]:
    """Return R of order 0, 1, 2 with |R c|^2 the mean over the axis of the squared derivative of the field c.

    Each has a column for each function. Derivatives are with respect to the position: exact for splines,
    differences of neighbours for hats. Factors, not Gram matrices: in float32 those would cancel to noise.
    """
    if basis == "cubic":
        roots, weights = np.polynomial.legendre.leggauss(4)
        position = ((np.arange(nodes)[:, None] + (roots + 1) / 2) / nodes).ravel()
        weight = np.sqrt(np.tile(weights / 2, nodes) / nodes)[:, None]
        values = [weight * _splines(nodes, order)(position) for order in (0, 1, 2)]
        return [np.linalg.qr(v).R for v in values]
    differences = [np.diff(np.eye(nodes), n=order, axis=0) * float(nodes) ** order for order in (0, 1, 2)]
    return [d / np.sqrt(max(len(d), 1)) for d in differences]


def refinement(basis: Basis, nodes: int, finer: int) -> np.ndarray:
    """Return the matrix (finer functions, functions) that carries coefficients to a finer basis.

    Exact for splines when `finer` is a multiple of `nodes`, which makes the spaces nested.
    """
    if basis == "linear":
        return basis_values(basis, nodes, cell_positions(finer))
    position = cell_positions(8 * finer)
    fine, coarse = basis_values(basis, finer, position), basis_values(basis, nodes, position)
    return np.linalg.lstsq(fine, coarse, rcond=None)[0]


def along_axes(data: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Apply one matrix (n, m) along each spatial axis of data (C, *m); (C, *n)."""
    for axis, matrix in enumerate(matrices, start=1):
        data = torch.tensordot(data, matrix, dims=([axis], [1])).movedim(-1, axis)
    return data


def _splines(nodes: int, order: int = 0) -> BSpline:
    """All uniform cubic B-splines of the axis, or a derivative of them."""
    splines = BSpline(np.arange(-3, nodes + 4) / nodes, np.eye(nodes + 3), 3)
    return splines.derivative(order) if order else splines
