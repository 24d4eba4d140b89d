"""A planar model on volumes: one feature volume of all slices, masks carried from slice to slice.

Slices lie across the axis with the largest spacing. Similarity and search then run over the whole
volume, and the slice of a corresponding prompt follows from them; only the slices that a prompt's
region reaches are decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, max_pool2d

from promptreg.geometry import antialiased
from promptreg.models.base import check_prompts, compile_encoder
from promptreg.models.planar_batches import PlanarModel, embed_planar
from promptreg.models.slice_choice import standing_for
from promptreg.models.slice_grids import lift, lower, plane_of, slicing_axis
from promptreg.types import Candidates, Embedding, Image

OUTSIDE = -20.0
"""Logit of the slices that a prompt does not reach."""

RING = 3
"""Width of the surroundings with which a region is compared, in feature cells."""


@dataclass(frozen=True, eq=False)
class Region:
    """What B prompts' M masks cover in one slice.

    Attributes:
        area: (B, M) expected number of mask cells.
        inside: (B, M, C) mean feature of the region.
        around: (B, M, C) mean feature of a ring of `RING` feature cells about it.
    """

    area: Tensor
    inside: Tensor
    around: Tensor

    def rows(self, index: Tensor) -> Region:
        """Return the regions of the prompts `index` (b,)."""
        return Region(self.area[index], self.inside[index], self.around[index])


class Slicewise:
    """Wraps a planar model; planar images pass straight through.

    On the slice of its first positive point a prompt is decoded as it is. It is then carried up and
    down with the same in-slice position, joined by its other points where they lie on the slice, as
    long as (a) the area changes by less than `area_ratio` from slice to slice and (b) the region is
    more like the region at the start than like what surrounds that. Slices up to the farthest positive
    point are kept in any case. Each candidate mask is carried on its own. Masks do not change while a
    point moves within a slice's thickness: derivatives across slices are zero.
    """

    ndim: tuple[int, ...] = (2, 3)
    area_ratio = 2.0

    def __init__(self, planar: PlanarModel) -> None:
        self.planar = planar
        self.name = planar.name
        self.differentiable = planar.differentiable
        self.negative_points = planar.negative_points

    def embed(self, image: Image) -> Embedding:
        """Encode a planar image, or the slices of a volume; slices of padding share one encoding."""
        if image.grid.ndim == 2:
            return self.planar.embed(image)
        axis = slicing_axis(image.grid)
        chosen, place = standing_for(image, axis).unique(return_inverse=True)
        stack = self.planar.prepare(image.data).movedim(1 + axis, 0)
        encoded = self.planar.embed_stack(stack[chosen], plane_of(image.grid, axis))
        slices = [encoded[number] for number in place.tolist()]
        first = slices[0]
        return Embedding(
            torch.stack([one.features for one in slices]).movedim(0, 1 + axis),
            lift(first.feature_grid, image.grid, axis),
            image.grid,
            lift(first.mask_grid, image.grid, axis),
            {name: torch.stack([one.extras[name] for one in slices]) for name in first.extras},
        )

    def embed_all(self, images: Sequence[Image]) -> list[Embedding]:
        """Encode several images of one number of axes; planar ones that are alike together."""
        if all(image.grid.ndim == 2 for image in images):
            return embed_planar(self.planar, images)
        return [self.embed(image) for image in images]

    def compile_encoder(self) -> bool:
        """Compile the planar model's encoder; False where it offers no such thing."""
        return compile_encoder(self.planar)

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts; scores are those of the slice where the prompt was given."""
        if embedding.image_grid.ndim == 2:
            return self.planar.decode(embedding, points, labels)
        check_prompts(points, labels, ndim=3, negative=self.negative_points)
        axis = slicing_axis(embedding.image_grid)
        stack = _Stack(embedding, axis)
        prompts = _Prompts.of(points, labels, axis, stack.n_slices)
        start = self._decode_starts(stack, prompts)
        empty = torch.full_like(start.logits.detach(), OUTSIDE)
        planes = [empty] * stack.n_slices
        for number, rows in prompts.by_start():
            planes[number] = planes[number].index_put((rows,), start.logits[rows])
        for direction in (1, -1):
            for number, rows, logits in self._carried(stack, prompts, start, direction):
                planes[number] = planes[number].index_put((rows,), logits)
        return Candidates(torch.stack(planes, dim=2 + axis), start.scores)

    def _decode_starts(self, stack: _Stack, prompts: _Prompts) -> Candidates:
        """Decode every prompt on its own slice: (B, M, y, x) and (B, M)."""
        groups = list(prompts.by_start())
        found = [self._decode_slice(stack, prompts, number, rows) for number, rows in groups]
        n_masks = max(one.logits.shape[1] for one in found)
        found = [with_candidates(one, n_masks) for one in found]
        order = torch.cat([rows for _, rows in groups]).argsort()
        logits = torch.cat([one.logits for one in found])[order]
        return Candidates(logits, torch.cat([one.scores for one in found])[order])

    def _decode_slice(self, stack: _Stack, prompts: _Prompts, number: int, rows: Tensor) -> Candidates:
        return self.planar.decode(stack[number], prompts.in_plane[rows], prompts.labels_on(number)[rows])

    def _carried(
        self, stack: _Stack, prompts: _Prompts, start: Candidates, direction: int
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Carry all prompts one way; yield slice, rows (b,) of prompts and their logits (b, M, y, x)."""
        reference = self._regions_at_start(stack, prompts, start)
        area = reference.area.clone()
        alive = torch.ones_like(area, dtype=torch.bool)
        for number in range(stack.n_slices)[::direction]:
            beyond = (number - prompts.start) * direction > 0
            rows = (beyond & alive.any(1)).nonzero().flatten()
            if len(rows) == 0:
                continue
            found = with_candidates(self._decode_slice(stack, prompts, number, rows), area.shape[1])
            region = _region(stack[number], found.logits.detach())
            needed = prompts.reaches(number)[rows, None]
            alive[rows] &= self._continues(region, reference.rows(rows), area[rows]) | needed
            area[rows] = region.area
            yield number, rows, torch.where(alive[rows][..., None, None], found.logits, OUTSIDE)

    def _regions_at_start(self, stack: _Stack, prompts: _Prompts, start: Candidates) -> Region:
        groups = list(prompts.by_start())
        parts = [_region(stack[number], start.logits[rows].detach()) for number, rows in groups]
        area, inside, around = (
            torch.cat([getattr(part, name) for part in parts]) for name in ("area", "inside", "around")
        )
        return Region(area, inside, around).rows(torch.cat([rows for _, rows in groups]).argsort())

    def _continues(self, region: Region, reference: Region, area: Tensor) -> Tensor:
        """Whether the masks of the next slice are still the same thing, (B, M)."""
        change = region.area.clamp_min(1e-6).log() - area.clamp_min(1e-6).log()
        alike = cosine_similarity(region.inside, reference.inside, dim=-1)
        astray = cosine_similarity(region.inside, reference.around, dim=-1)
        return (change.abs() < np.log(self.area_ratio)) & (alike > astray) & (region.area >= 1)


class _Stack:
    """The slices of an embedded volume as planar embeddings, counted along the slicing axis."""

    def __init__(self, embedding: Embedding, axis: int) -> None:
        self.n_slices = embedding.image_grid.shape[axis]
        self._features = embedding.features.movedim(1 + axis, 0)
        self._extras = embedding.extras
        self._plane = plane_of(embedding.image_grid, axis)
        grids = (embedding.feature_grid, embedding.mask_grid)
        self._feature_grid, self._mask_grid = (lower(grid, embedding.image_grid, axis) for grid in grids)

    def __getitem__(self, number: int) -> Embedding:
        extras = {name: stacked[number] for name, stacked in self._extras.items()}
        return Embedding(self._features[number], self._feature_grid, self._plane, self._mask_grid, extras)


@dataclass(frozen=True, eq=False)
class _Prompts:
    """B prompts of P points taken apart.

    Attributes:
        in_plane: (B, P, 2) positions within their slices.
        slices: (B, P) their slices.
        labels: (B, P).
        start: (B,) the slice of the first positive point.
        main: (B, P) bool, marks that point.
    """

    in_plane: Tensor
    slices: Tensor
    labels: Tensor
    start: Tensor
    main: Tensor

    @classmethod
    def of(cls, points: Tensor, labels: Tensor, axis: int, n_slices: int) -> _Prompts:
        across = points.detach()[..., axis].round().long().clamp(0, n_slices - 1)
        kept = [a for a in range(3) if a != axis]
        first = (labels == 1).long().argmax(1)
        main = torch.arange(labels.shape[1], device=labels.device) == first[:, None]
        return cls(points[..., kept], across, labels, across.gather(1, first[:, None])[:, 0], main)

    def by_start(self) -> Iterator[tuple[int, Tensor]]:
        """Yield each slice on which prompts start, with their rows; slice 0 if there are no prompts."""
        for number in self.start.unique().tolist() or [0]:
            yield number, (self.start == number).nonzero().flatten()

    def labels_on(self, number: int) -> Tensor:
        """Labels (B, P) on a slice: the first positive point and what lies on it; the rest is padding."""
        return torch.where(self.main | (self.slices == number), self.labels, -1)

    def reaches(self, number: int) -> Tensor:
        """Whether a slice lies between the start and the farthest positive point, (B,)."""
        positive = self.labels == 1
        low = torch.where(positive, self.slices, self.start[:, None]).amin(1)
        high = torch.where(positive, self.slices, self.start[:, None]).amax(1)
        return (low <= number) & (number <= high)


def with_candidates(found: Candidates, n_masks: int) -> Candidates:
    """Return candidates of B prompts as `n_masks` each: as they are, or the best one repeated."""
    if found.logits.shape[1] == n_masks:
        return found
    best = found.best()
    rows = torch.arange(len(best), device=best.device)
    return Candidates(
        found.select(best)[:, None].expand(-1, n_masks, -1, -1),
        found.scores[rows, best][:, None].expand(-1, n_masks),
    )


def _region(embedding: Embedding, logits: Tensor) -> Region:
    """Measure masks (B, M, y, x) of one slice."""
    soft = logits.sigmoid()
    share = antialiased(soft.flatten(0, 1), embedding.mask_grid, embedding.feature_grid)
    ring = max_pool2d(share[:, None], 2 * RING + 1, stride=1, padding=RING)[:, 0] - share
    cells = embedding.features.flatten(1).to(share).T
    inside, around = (
        (weight @ cells / weight.sum(1, keepdim=True).clamp_min(1e-6)).unflatten(0, logits.shape[:2])
        for weight in (share.flatten(1), ring.flatten(1))
    )
    return Region(soft.sum((-2, -1)), inside, around)
