"""Damped Gauss-Newton steps on Eq. 1 for models whose masks carry derivatives.

The step solves one least-squares problem for the composition prompt -> prototype -> similarity. The
paper's printed chain of two pseudo-inverses is kept for the ablation; see `two_step`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from promptreg import config
from promptreg.objective import Iterate, Objective, clamp_to_view, improves
from promptreg.prototype import prototype_jacobian, tangent_jacobian

STILL = 1e-3
"""A step shorter than this, in feature cells, ends the iteration."""


@dataclass(frozen=True, eq=False)
class Linearization:
    """An iterate and J = ∂G/∂Z there, (B, C, P * ndim), per feature cell along its axes."""

    iterate: Iterate
    jacobian: Tensor

    def rows(self, index: Tensor) -> Linearization:
        """Return the prompts `index` (b,)."""
        return Linearization(self.iterate.rows(index), self.jacobian[index])

    def put(self, index: Tensor, other: Linearization) -> Linearization:
        """Return a copy whose prompts `index` (b,) are those of `other`."""
        return Linearization(
            self.iterate.put(index, other.iterate), self.jacobian.index_copy(0, index, other.jacobian)
        )


def linearize(objective: Objective, points: Tensor) -> Linearization:
    """Evaluate world points (B, P, ndim) and the prototype's Jacobian there.

    Every coordinate costs one forward-mode product through prompt encoder and mask decoder; the image
    encoder is never differentiated.
    """
    axes = _cell_axes(objective, points)
    derivatives = []
    for point in range(points.shape[1]):
        for axis in axes:
            tangent = torch.zeros_like(points)
            tangent[:, point] = axis
            masks, dmasks = torch.func.jvp(objective.probabilities, (points,), (tangent,))[:2]
            derivatives.append(objective.weights(dmasks))
    weights = objective.weights(masks)
    jacobian = prototype_jacobian(objective.features, weights, torch.stack(derivatives, dim=1))
    return Linearization(objective.evaluate(points, masks), jacobian)


def _cell_axes(objective: Objective, points: Tensor) -> Tensor:
    """World vectors of one feature cell along each array axis, (ndim, ndim), a row each."""
    return torch.as_tensor(objective.embedding.feature_grid.affine[:-1, :-1].T.copy()).to(points)


def joint_step(jacobian: Tensor, gram: Tensor, error: Tensor, damping: Tensor) -> Tensor:
    """Return -(JₙᵀMJₙ + λ max(diag) I)⁻¹ JₙᵀM error, (B, d).

    Args:
        jacobian: (B, C, d), Jₙ, of the unit prototype.
        gram: (C, C), M.
        error: (B, C), Ĝ^y - Ĝ^x.
        damping: (B,) Levenberg factors λ, relative to the largest diagonal entry.
    """
    weighted = torch.einsum("cd,bdk->bck", gram, jacobian)
    normal = torch.einsum("bck,bcl->bkl", jacobian, weighted)
    gradient = torch.einsum("bck,bc->bk", weighted, error)
    largest = normal.diagonal(dim1=1, dim2=2).amax(1).clamp_min(torch.finfo(normal.dtype).tiny)
    identity = torch.eye(normal.shape[1], dtype=normal.dtype, device=normal.device)
    normal = normal / largest[:, None, None] + damping[:, None, None] * identity
    return -torch.linalg.solve(normal, gradient / largest[:, None])


def two_step(jacobian: Tensor, prototypes: Tensor, gram: Tensor, error: Tensor) -> Tensor:
    """Return -J⁺ (J^sim)⁺ δS, (B, d), the paper's two inversions one after the other, as an increment.

    (J^sim)⁺ δS is the shortest change of the prototype that explains δS; it need not be one that any
    prompt can make, so this is not the least-squares step. Arguments as in `joint_step`, but with
    `jacobian` J of the prototype itself and `prototypes` (B, C).
    """
    direction = normalize(prototypes, dim=1)
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    tangent = identity - direction[:, :, None] * direction[:, None]
    curvature = torch.linalg.pinv(tangent @ gram @ tangent, hermitian=True)
    pulled = torch.einsum("bcd,de,be->bc", tangent, gram, error)
    change = torch.einsum("bcd,bd->bc", curvature, pulled) * prototypes.norm(dim=1, keepdim=True)
    return -torch.einsum("bkc,bc->bk", torch.linalg.pinv(jacobian), change)


def gauss_newton(
    objective: Objective,
    points: Tensor,
    newton: config.Newton,
    *,
    kind: Literal["joint", "two_step"] = "joint",
) -> tuple[Iterate, Tensor]:
    """Refine world points (B, P, ndim) until E stops falling; return the iterate and accepted steps (B,).

    Steps are cut to the trust radius and to the field of view, and taken only where `improves` agrees.
    A refused joint step is tried again with more damping; a refused two-step increment ends
    the prompt's iteration, since it has no length to choose.
    """
    state = linearize(objective, points)
    damping = torch.full_like(state.iterate.residual, newton.damping)
    steps = torch.zeros_like(objective.candidate)
    active = torch.ones_like(steps, dtype=torch.bool)
    for _ in range(newton.iterations):
        rows = active.nonzero().flatten()
        if len(rows) == 0:
            break
        part, current = objective.rows(rows), state.rows(rows)
        step = _trusted(_step(part, current, damping[rows], kind), points.shape[1], newton.trust_cells)
        moved = current.iterate.points + step.to(points) @ _cell_axes(objective, points)
        trial = linearize(part, clamp_to_view(moved, objective.embedding.image_grid))
        accepted = improves(trial.iterate, current.iterate)
        state = state.put(rows[accepted], trial.rows(accepted))
        steps[rows] += accepted
        damping[rows] *= torch.where(accepted, 0.3, 4.0)
        active[rows] = (step.norm(dim=-1).amax(1) > STILL) & (accepted | (kind == "joint"))
    return state.iterate, steps


def _step(
    objective: Objective, current: Linearization, damping: Tensor, kind: Literal["joint", "two_step"]
) -> Tensor:
    """Step of every prompt in feature cells, (B, P * ndim)."""
    prototypes = current.iterate.prototypes
    error = normalize(prototypes, dim=1) - objective.target
    if kind == "two_step":
        return two_step(current.jacobian, prototypes, objective.gram, error)
    return joint_step(tangent_jacobian(current.jacobian, prototypes), objective.gram, error, damping)


def _trusted(step: Tensor, n_points: int, radius: float) -> Tensor:
    """Shorten a prompt's whole step until no point moves further than `radius` cells; (B, P, ndim)."""
    step = step.reshape(len(step), n_points, -1)
    longest = step.norm(dim=-1).amax(1)
    return step * (radius / longest.clamp_min(radius))[:, None, None]
