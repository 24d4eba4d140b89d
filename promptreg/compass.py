"""Compass search on Eq. 1 for models whose masks carry no derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from promptreg import config
from promptreg.objective import Iterate, Objective, clamp_to_view, improves


def compass_search(objective: Objective, points: Tensor, newton: config.Newton) -> tuple[Iterate, Tensor]:
    """Refine world points (B, P, ndim) by trying a step either way along every axis.

    The step shrinks from the trust radius to a half and a quarter of it (2, 1 and 1/2 feature cells by
    default), one poll each, all neighbours of all prompts in one batch: 6 P ndim decodes of a prompt
    in total. The best neighbour is taken where `improves` agrees.

    Returns:
        The iterate and the number of accepted steps, (B,).
    """
    n_points, ndim = points.shape[1:]
    axes = torch.as_tensor(objective.embedding.feature_grid.affine[:-1, :-1].T.copy()).to(points)
    moves = torch.eye(n_points, dtype=points.dtype, device=points.device)[:, None, :, None] * axes[:, None]
    moves = torch.cat([moves, -moves]).reshape(-1, n_points, ndim)
    state = objective.evaluate(points)
    steps = torch.zeros_like(objective.candidate)
    for length in [newton.trust_cells / 2**k for k in range(min(3, newton.iterations))]:
        rows = (state.residual > 0).nonzero().flatten()
        if len(rows) == 0:
            break
        current = state.rows(rows)
        best = _best_neighbour(objective.rows(rows), current.points, length * moves)
        accepted = improves(best, current)
        state = state.put(rows[accepted], best.rows(accepted))
        steps[rows] += accepted
    return state, steps


def _best_neighbour(objective: Objective, points: Tensor, moves: Tensor) -> Iterate:
    """Evaluate points (B, P, ndim) displaced by every move (N, P, ndim); keep the lowest E of each prompt."""
    n_prompts, n_moves = len(points), len(moves)
    neighbours = clamp_to_view((points[:, None] + moves).flatten(0, 1), objective.embedding.image_grid)
    prompts = torch.arange(n_prompts, device=points.device)
    tried = objective.rows(prompts.repeat_interleave(n_moves)).evaluate(neighbours)
    return tried.rows(prompts * n_moves + tried.residual.reshape(n_prompts, n_moves).argmin(1))
