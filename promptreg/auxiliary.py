"""Eq. 2: auxiliary prompts, points that pull the fixed region towards the shape of the moving one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from promptreg import config
from promptreg.alignment import align_roi
from promptreg.inverse import AuxiliaryRecord, InversePrompts
from promptreg.models.base import PromptableModel
from promptreg.objective import Objective
from promptreg.prototype import prototype
from promptreg.reach import directed_distances, place_points
from promptreg.types import Embedding

SAME_POINT = 0.01
"""Two points closer than this fraction of the longest side count as one."""


def add_auxiliary(
    model: PromptableModel,
    embedding: Embedding,
    inverse: InversePrompts,
    reference: Tensor,
    auxiliary: config.Auxiliary,
) -> InversePrompts:
    """Add points to B prompts until R^y and R^x reach equally far beyond each other.

    In every round R^x is aligned anew with the present R^y. With h_x the distance that R^x reaches
    beyond R^y and h_y the converse, h_x > h_y puts a positive point where R^x is missed, h_y > h_x a
    negative one where R^y spills over. The region that is kept is the one with the highest soft Dice
    with its aligned R^x among all rounds, the primary prompt alone included: not always the last.

    Args:
        embedding: of the fixed image.
        inverse: prompts of Eq. 1 with their regions R^y.
        reference: (B, *mask_grid.shape) R^x, brought to the fixed mask grid by `align_roi`.
        auxiliary: its lengths are fractions of the longest side of the fixed image.

    Returns:
        Prompts of (B, P + n) points, unused ones padding, with the record of each in `auxiliary`.
    """
    rounds = _Rounds(model, embedding, inverse, reference, auxiliary)
    while rounds.active.any():
        rounds.advance()
    return rounds.result()


@dataclass(eq=False)
class _Kept:
    """The best round of every prompt so far, and how many auxiliary points it had; see `AuxiliaryRecord`."""

    regions: Tensor
    candidate: Tensor
    n_points: Tensor
    missed: Tensor
    spilled: Tensor
    agreement: Tensor


class _Rounds:
    """The state of `add_auxiliary`. All prompts that are still active have equally many points."""

    def __init__(
        self,
        model: PromptableModel,
        embedding: Embedding,
        inverse: InversePrompts,
        reference: Tensor,
        auxiliary: config.Auxiliary,
    ) -> None:
        self.inverse, self.reference, self.auxiliary = inverse, reference, auxiliary
        self.objective = Objective.of(model, embedding, inverse.target, inverse.labels)
        self.side = float(embedding.image_grid.extent.max())
        n_prompts, self.n_primary = inverse.labels.shape
        room = auxiliary.max_points
        self.points = torch.cat([inverse.points, inverse.points[:, :1].expand(-1, room, -1)], dim=1)
        self.labels = pad(inverse.labels, (0, room), value=-1)
        self.regions, self.candidate = inverse.probabilities.clone(), inverse.candidate.clone()
        self.gap = torch.full_like(inverse.residual, torch.nan)
        self.n_tried = torch.zeros_like(inverse.candidate)
        self.active = torch.ones_like(self.n_tried, dtype=torch.bool)
        self.stop = [""] * n_prompts
        zero = torch.zeros_like(inverse.residual)
        self.kept = _Kept(
            self.regions.clone(), self.candidate.clone(), self.n_tried.clone(), zero, zero.clone(), zero - 1
        )

    def advance(self) -> None:
        """Compare the active prompts' regions, stop those that are done, give the others a point."""
        rows = self.active.nonzero().flatten()
        grid, present = self.objective.embedding.mask_grid, self.regions[rows]
        unmoved = np.eye(grid.ndim + 1)
        how = self.auxiliary.align
        aligned = align_roi(
            self.reference[rows].to(present), grid, present, grid, how=how, prealignment=unmoved
        )
        wanted, found = aligned > 0.5, present > 0.5
        missed, spilled = directed_distances(wanted, found, grid)
        self._keep_better(rows, soft_dice(aligned, present), missed.distance, spilled.distance)
        step = self.auxiliary.epsilon * self.side
        positive = missed.distance >= spilled.distance
        points = torch.where(
            positive[:, None],
            place_points(wanted, found, missed, grid, step=step),
            place_points(found, wanted, spilled, grid, step=step),
        )
        if self.auxiliary.trigger == "max":
            gap = torch.maximum(missed.distance, spilled.distance)
        else:
            gap = (missed.distance - spilled.distance).abs()
        done = self._stopped(rows, ~wanted.flatten(1).any(1), gap, positive, points)
        self.gap[rows] = gap.to(self.gap)
        self.active[rows[done]] = False
        if not done.all():
            self._decode(rows[~done], points[~done], positive[~done])

    def _keep_better(self, rows: Tensor, agreement: Tensor, missed: Tensor, spilled: Tensor) -> None:
        """Keep the present regions of those `rows` whose agreement is the highest so far."""
        kept, better = self.kept, agreement > self.kept.agreement[rows]
        chosen = rows[better]
        kept.regions[chosen], kept.candidate[chosen] = self.regions[chosen], self.candidate[chosen]
        kept.n_points[chosen] = self.n_tried[chosen]
        kept.missed[chosen], kept.spilled[chosen] = (
            missed[better].to(kept.missed),
            spilled[better].to(kept.spilled),
        )
        kept.agreement[chosen] = agreement[better].to(kept.agreement)

    def _stopped(self, rows: Tensor, empty: Tensor, gap: Tensor, positive: Tensor, points: Tensor) -> Tensor:
        """Say which of `rows` are done, (b,) bool, and note the first reason of each."""
        distances = (self.points[rows] - points[:, None].to(self.points)).norm(dim=-1)
        repeated = ((distances < SAME_POINT * self.side) & (self.labels[rows] >= 0)).any(1)
        reasons = {
            "empty moving region": empty,
            "within sigma": gap <= self.auxiliary.sigma * self.side,
            "most points": self.n_tried[rows] >= self.auxiliary.max_points,
            "no decrease": gap >= self.gap[rows],
            "no negative points": ~positive & (not self.objective.model.negative_points),
            "repeated point": repeated,
        }
        hits = torch.stack(list(reasons.values()), dim=1)
        for row, hit in zip(rows.tolist(), hits.tolist(), strict=True):
            self.stop[row] = next((name for name, true in zip(reasons, hit, strict=True) if true), "")
        return hits.any(1)

    def _decode(self, rows: Tensor, points: Tensor, positive: Tensor) -> None:
        """Append a point to each of `rows` and decode; a candidate that is gone is chosen anew."""
        n_points = self.n_primary + int(self.n_tried[rows[0]]) + 1
        self.points[rows, n_points - 1] = points.to(self.points)
        self.labels[rows, n_points - 1] = positive.to(self.labels)
        self.n_tried[rows] += 1
        objective = replace(self.objective.rows(rows), labels=self.labels[rows, :n_points])
        masks, scores = objective.decode(self.points[rows, :n_points])
        candidate = torch.where(self.candidate[rows] < masks.shape[1], self.candidate[rows], scores.argmax(1))
        self.candidate[rows] = candidate
        self.regions[rows] = masks[torch.arange(len(rows), device=rows.device), candidate]

    def result(self) -> InversePrompts:
        """Return the kept prompts; unused points repeat the first one and are labelled as padding."""
        kept, n_primary = self.kept, self.n_primary
        n_points = n_primary + int(kept.n_points.max())
        used = torch.arange(n_points, device=self.labels.device) < (n_primary + kept.n_points)[:, None]
        labels = torch.where(used, self.labels[:, :n_points], -1)
        n_positive, n_negative = ((labels[:, n_primary:] == label).sum(1) for label in (1, 0))
        regions = prototype(self.objective.features, self.objective.weights(kept.regions))
        residual, cosine = self.objective.measure(regions)
        return replace(
            self.inverse,
            points=torch.where(used[..., None], self.points[:, :n_points], self.points[:, :1]),
            labels=labels,
            candidate=kept.candidate,
            residual=residual,
            similarity=cosine,
            probabilities=kept.regions,
            auxiliary=AuxiliaryRecord(
                n_positive,
                n_negative,
                self.n_tried,
                kept.missed,
                kept.spilled,
                kept.agreement,
                tuple(self.stop),
            ),
        )


def soft_dice(first: Tensor, second: Tensor) -> Tensor:
    """Return 2 sum pq / sum (p² + q²) of probability maps (B, *spatial), (B,): one where they are equal."""
    p, q = first.flatten(1), second.flatten(1)
    total = (p.square() + q.square()).sum(1)
    return 2 * (p * q).sum(1) / total.clamp_min(torch.finfo(total.dtype).tiny)
