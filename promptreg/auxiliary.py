"""Eq. 2: auxiliary prompts, points that pull the fixed region towards the shape of the moving one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from promptreg import config
from promptreg.alignment import Alignment, align_roi
from promptreg.inverse import InversePrompts
from promptreg.models.base import PromptableModel
from promptreg.objective import Objective
from promptreg.prototype import prototype
from promptreg.reach import Reach, directed_distances, place_points
from promptreg.types import Embedding, Grid

SAME_POINT = 0.01
"""Two points closer than this fraction of the longest side count as one."""


@dataclass(frozen=True, eq=False)
class MovingRegions:
    """The B regions R^x looked for, as (B, *grid.shape) probabilities, and the world map fixed to moving."""

    probabilities: Tensor
    grid: Grid
    prealignment: np.ndarray

    def beside(self, fixed: Tensor, fixed_grid: Grid, how: Alignment, rows: Tensor) -> Tensor:
        """Return the regions `rows` aligned with the fixed ones (b, *fixed_grid.shape); see `align_roi`."""
        return align_roi(
            self.probabilities[rows].to(fixed),
            self.grid,
            fixed,
            fixed_grid,
            how=how,
            prealignment=self.prealignment,
        )


@dataclass(frozen=True, eq=False)
class AuxiliaryRecord:
    """What became of each prompt.

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


def add_auxiliary(
    model: PromptableModel,
    embedding: Embedding,
    inverse: InversePrompts,
    moving: MovingRegions,
    auxiliary: config.Auxiliary,
) -> tuple[InversePrompts, AuxiliaryRecord]:
    """Add points to B prompts until their regions R^y reach no further beyond R^x than R^x beyond them.

    In every round R^x is aligned with the present R^y. With h_x the distance that R^x reaches beyond
    R^y and h_y the converse, h_x > h_y puts a positive point where R^x is missed, h_y > h_x a negative
    one where R^y spills over. The region that is kept is the one with the highest soft Dice with its
    aligned R^x, among all rounds and the primary prompt alone: not always the last.

    Args:
        inverse: prompts of Eq. 1 on the fixed image `embedding`, with their regions R^y.
        moving: the B regions R^x.
        auxiliary: lengths in it are fractions of the longest side of the fixed image.

    Returns:
        The prompts, with (B, P + n) points where unused ones are padding, and what became of each.
    """
    rounds = _Rounds(model, embedding, inverse, moving, auxiliary)
    while rounds.active.any():
        rounds.advance()
    return rounds.result()


class _Rounds:
    """The state of `add_auxiliary`; prompts that are still active have all had the same number of points."""

    def __init__(
        self,
        model: PromptableModel,
        embedding: Embedding,
        inverse: InversePrompts,
        moving: MovingRegions,
        auxiliary: config.Auxiliary,
    ) -> None:
        self.inverse, self.moving, self.auxiliary = inverse, moving, auxiliary
        self.objective = replace(
            Objective.of(model, embedding, inverse.target, inverse.labels), candidate=inverse.candidate
        )
        self.side = float(embedding.image_grid.extent.max())
        self.n_primary = inverse.points.shape[1]
        unused = auxiliary.max_points
        self.points = torch.cat([inverse.points, inverse.points[:, :1].expand(-1, unused, -1)], dim=1)
        self.labels = pad(inverse.labels, (0, unused), value=-1)
        self.regions = inverse.probabilities.clone()
        self.n_tried = torch.zeros_like(inverse.candidate)
        self.gap = torch.full_like(inverse.residual, torch.nan)
        self.active = torch.ones_like(self.n_tried, dtype=torch.bool)
        self.stop = [""] * len(self.points)
        self.candidate = inverse.candidate.clone()
        self.kept = inverse.probabilities.clone()
        self.kept_candidate = inverse.candidate.clone()
        self.n_kept = torch.zeros_like(self.n_tried)
        self.agreement = torch.full_like(self.gap, -1)
        self.missed, self.spilled = torch.zeros_like(self.gap), torch.zeros_like(self.gap)

    def advance(self) -> None:
        """Compare the active prompts' regions, stop those that are done, give the others a point."""
        rows = self.active.nonzero().flatten()
        grid = self.objective.embedding.mask_grid
        aligned = self.moving.beside(self.regions[rows], grid, self.auxiliary.align, rows)
        wanted, present = aligned > 0.5, self.regions[rows] > 0.5
        missed, spilled = directed_distances(wanted, present, grid)
        self._keep_better(rows, soft_dice(aligned, self.regions[rows]), missed, spilled)
        step = self.auxiliary.epsilon * self.side
        positive = missed.distance >= spilled.distance
        points = torch.where(
            positive[:, None],
            place_points(wanted, present, missed, grid, step=step),
            place_points(present, wanted, spilled, grid, step=step),
        )
        gap = (missed.distance - spilled.distance).abs()
        if self.auxiliary.trigger == "max":
            gap = torch.maximum(missed.distance, spilled.distance)
        done = self._stopped(rows, wanted, gap, positive, points)
        self.gap[rows] = gap.to(self.gap)
        self.active[rows[done]] = False
        if not done.all():
            self._decode(rows[~done], points[~done], positive[~done])

    def _keep_better(self, rows: Tensor, agreement: Tensor, missed: Reach, spilled: Reach) -> None:
        """Keep the regions of `rows` whose agreement is the highest so far."""
        better = agreement > self.agreement[rows]
        chosen = rows[better]
        self.agreement[chosen] = agreement[better]
        self.kept[chosen] = self.regions[chosen]
        self.kept_candidate[chosen] = self.candidate[chosen]
        self.n_kept[chosen] = self.n_tried[chosen]
        self.missed[chosen] = missed.distance[better].to(self.missed)
        self.spilled[chosen] = spilled.distance[better].to(self.spilled)

    def _stopped(self, rows: Tensor, wanted: Tensor, gap: Tensor, positive: Tensor, points: Tensor) -> Tensor:
        """Say which of `rows` are done, (b,) bool, and note the first reason."""
        distances = (self.points[rows] - points[:, None].to(self.points)).norm(dim=-1)
        repeated = ((distances < SAME_POINT * self.side) & (self.labels[rows] >= 0)).any(1)
        reasons = {
            "empty moving region": ~wanted.flatten(1).any(1),
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
        """Append a point (b, ndim) to each of `rows` and decode; a candidate that is gone is chosen anew."""
        n_points = self.n_primary + int(self.n_tried[rows[0]]) + 1
        self.points[rows, n_points - 1] = points.to(self.points)
        self.labels[rows, n_points - 1] = positive.to(self.labels)
        self.n_tried[rows] += 1
        objective = replace(self.objective.rows(rows), labels=self.labels[rows, :n_points])
        masks, scores = objective.decode(self.points[rows, :n_points])
        candidate = torch.where(self.candidate[rows] < masks.shape[1], self.candidate[rows], scores.argmax(1))
        self.candidate[rows] = candidate
        self.regions[rows] = masks[torch.arange(len(rows), device=rows.device), candidate]

    def result(self) -> tuple[InversePrompts, AuxiliaryRecord]:
        """Return the kept prompts; unused points repeat the first one and are labelled as padding."""
        n_points = self.n_primary + int(self.n_kept.max())
        used = torch.arange(n_points, device=self.labels.device) < (self.n_primary + self.n_kept)[:, None]
        points = torch.where(used[..., None], self.points[:, :n_points], self.points[:, :1])
        labels = torch.where(used, self.labels[:, :n_points], -1)
        residual, cosine = self.objective.measure(
            prototype(self.objective.features, self.objective.weights(self.kept))
        )
        prompts = replace(
            self.inverse,
            points=points,
            labels=labels,
            candidate=self.kept_candidate,
            residual=residual,
            similarity=cosine,
            probabilities=self.kept,
        )
        added = labels[:, self.n_primary :]
        n_positive, n_negative = (added == 1).sum(1), (added == 0).sum(1)
        return prompts, AuxiliaryRecord(
            n_positive, n_negative, self.n_tried, self.missed, self.spilled, self.agreement, tuple(self.stop)
        )


def soft_dice(first: Tensor, second: Tensor) -> Tensor:
    """Return 2 sum pq / sum (p² + q²) of probability maps (B, *spatial), (B,): one where they are equal."""
    p, q = first.flatten(1), second.flatten(1)
    total = (p.square() + q.square()).sum(1)
    return 2 * (p * q).sum(1) / total.clamp_min(torch.finfo(total.dtype).tiny)
