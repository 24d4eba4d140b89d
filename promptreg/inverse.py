"""Eq. 1: the prompt on the fixed image whose region has the prototype of the moving region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from promptreg import config
from promptreg.compass import compass_search
from promptreg.models.base import PromptableModel
from promptreg.newton import gauss_newton
from promptreg.objective import Iterate, Objective
from promptreg.prototype import prototype
from promptreg.types import Embedding, Grid


@dataclass(frozen=True, eq=False)
class AuxiliaryRecord:
    """What became of each prompt in Eq. 2.

    Attributes:
        n_positive, n_negative: (B,) auxiliary points that were kept.
        n_tried: (B,) auxiliary points that were decoded.
        missed, spilled: (B,) h_x and h_y of the kept region, world units.
        agreement: (B,) soft Dice of the kept region and the aligned moving region.
        stop: B reasons: "within sigma", "most points", "no decrease", "repeated point",
            "no negative points" (the model has none) or "empty moving region".
    """

    n_positive: Tensor
    n_negative: Tensor
    n_tried: Tensor
    missed: Tensor
    spilled: Tensor
    agreement: Tensor
    stop: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class InversePrompts:
    """Corresponding prompts Z^y of B regions on the fixed image, and what they segment.

    Attributes:
        points: (B, P, ndim) world.
        labels: (B, P) 1 positive, 0 negative, -1 padding.
        candidate: (B,) index of the candidate mask.
        target: (B, C) unit prototypes G^x that were looked for.
        residual: (B,) E, the sum over cells of squared similarity differences.
        start_residual: (B,) E of the best start, before any step.
        similarity: (B,) cosine of G^y and G^x.
        probabilities: (B, *mask_grid.shape), R^y.
        steps: (B,) accepted refinement steps.
        auxiliary: what became of them in Eq. 2, once auxiliary points have been sought.
    """

    points: Tensor
    labels: Tensor
    candidate: Tensor
    target: Tensor
    residual: Tensor
    start_residual: Tensor
    similarity: Tensor
    probabilities: Tensor
    steps: Tensor
    auxiliary: AuxiliaryRecord | None = None


def invert_prompts(
    model: PromptableModel,
    embedding: Embedding,
    target: Tensor,
    starts: Tensor,
    labels: Tensor,
    *,
    eq1: Literal["peak", "gauss_newton", "two_step"],
    newton: config.Newton,
    target_size: Tensor | None = None,
    start_weights: Tensor | None = None,
) -> InversePrompts:
    """Find the prompts whose regions on the fixed image have the prototypes `target`.

    Every start is decoded and the best candidate mask of the best start is kept (see
    `choose_candidate`); `gauss_newton` then refines it with derivatives, or by a compass search where
    the model has none, and `two_step` takes the paper's literal increments.

    Args:
        embedding: of the fixed image.
        target: (B, C) prototypes G^x of the moving regions.
        starts: (B, n, P, ndim) world points, n starts of P points.
        labels: (B, P) of the points.
        target_size: (B,) size of the moving regions in world units (`region_size`), if known.
        start_weights: (B, n) in (0, 1], how likely each start is before anything is decoded; E is divided by
            it when starts are compared.

    Raises:
        ValueError: without prompts or starts, or on `two_step` with a model without derivatives.
    """
    if 0 in starts.shape:
        msg = f"nothing to invert: starts are {tuple(starts.shape)}, give at least one prompt and start"
        raise ValueError(msg)
    if eq1 == "two_step" and not model.differentiable:
        msg = (
            f"search.eq1=two_step needs derivatives of the masks, which model '{model.name}' does not have: "
            "use eq1=gauss_newton (a compass search for such models) or eq1=peak"
        )
        raise ValueError(msg)
    objective, best = _best_start(
        Objective.of(model, embedding, target, labels), starts, target_size, start_weights
    )
    if eq1 == "peak":
        found, steps = best, torch.zeros_like(objective.candidate)
    elif not model.differentiable:
        found, steps = compass_search(objective, best.points, newton)
    else:
        kind: Literal["joint", "two_step"] = "two_step" if eq1 == "two_step" else "joint"
        found, steps = gauss_newton(objective, best.points, newton, kind=kind)
    return InversePrompts(
        points=found.points,
        labels=labels,
        candidate=objective.candidate,
        target=objective.target,
        residual=found.residual,
        start_residual=best.residual,
        similarity=found.similarity,
        probabilities=found.probabilities,
        steps=steps,
    )


def _best_start(
    objective: Objective, starts: Tensor, target_size: Tensor | None, start_weights: Tensor | None
) -> tuple[Objective, Iterate]:
    """Decode all starts (B, n, P, ndim), freeze each prompt's best candidate, return the iterate there."""
    decoded = [objective.decode(start) for start in starts.unbind(1)]
    masks = torch.stack([m for m, _ in decoded], dim=1)
    scores = torch.stack([s for _, s in decoded], dim=1)
    n_prompts, n_starts, n_masks = scores.shape
    prototypes = prototype(objective.features, objective.weights(masks.flatten(0, 2)))
    prompts = torch.arange(n_prompts, device=masks.device)
    residual, _ = objective.rows(prompts.repeat_interleave(n_starts * n_masks)).measure(prototypes)
    if start_weights is not None:
        residual = residual / start_weights.to(residual).repeat_interleave(n_masks, dim=1).flatten()
    grid = objective.embedding.mask_grid
    sizes = region_size(masks.flatten(0, 2), grid).reshape(n_prompts, -1)
    empty = (masks.flatten(3).amax(-1) <= 0.5).flatten(1)
    chosen = choose_candidate(
        residual.reshape(n_prompts, -1), scores.flatten(1), empty, sizes=sizes, target_size=target_size
    )
    frozen = replace(objective, candidate=chosen % n_masks)
    return frozen, frozen.evaluate(starts[prompts, chosen // n_masks], masks.flatten(1, 2)[prompts, chosen])


def choose_candidate(
    residual: Tensor, scores: Tensor, empty: Tensor, *, sizes: Tensor, target_size: Tensor | None
) -> Tensor:
    """Return the index of the mask to keep among N candidates of every prompt, (B,).

    The lowest E wins among masks that are not empty and whose own score is at least half the prompt's
    best (among all masks, if none is left). E cannot tell a part of a uniform object from the whole,
    so that, where `target_size` is known, E is multiplied by the ratio of sizes, whichever way it
    exceeds one; that product needs no weight, and leaves an exact match (E = 0) unbeaten.

    Args:
        residual, scores, empty, sizes: (B, N).
        target_size: (B,) in the units of `sizes`, or absent.
    """
    cost = residual
    if target_size is not None:
        tiny = torch.finfo(sizes.dtype).tiny
        ratio = sizes.clamp_min(tiny).log() - target_size.to(sizes).clamp_min(tiny).log()[:, None]
        cost = cost * ratio.abs().exp()
    offered = torch.where(empty, -torch.inf, scores)
    top = offered.amax(1, keepdim=True)
    doubtful = empty | (offered < torch.minimum(top / 2, top))
    return torch.where(doubtful & ~doubtful.all(1, keepdim=True), torch.inf, cost).argmin(1)


def region_size(probabilities: Tensor, grid: Grid) -> Tensor:
    """Return the expected area or volume of soft masks (B, *grid.shape) in world units, (B,)."""
    cell = abs(float(np.linalg.det(grid.affine[:-1, :-1])))
    return probabilities.flatten(1).sum(1) * cell
