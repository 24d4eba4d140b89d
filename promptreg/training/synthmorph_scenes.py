"""Pairs to learn registration from without a real image: one scene under two appearances, nearly aligned.

A drawn pair is used several times, each time changed in ways that cost nothing: mirrored, the images
exchanged, their grey values bent.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from promptreg.geometry import cell_indices, sample
from promptreg.seeds import derive_seed
from promptreg.synth import synth_pairs

TURN_DEG, SCALE, SHIFT = 10.0, 1.1, 0.05
"""Remaining affine motion: a pair is as well pre-aligned as a rough method can."""

BENT = 0.5
"""Grey values are raised to powers between exp(-BENT) and exp(BENT)."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A pair of images (1, *shape) in [0, 1], and their label maps (*shape) int16; 0 is background."""

    moving: Tensor
    fixed: Tensor
    moving_labels: Tensor
    fixed_labels: Tensor

    def varied(self, generator: torch.Generator) -> Scene:
        """Return the pair mirrored, exchanged and with bent grey values, as drawn."""
        ndim = self.moving_labels.ndim
        lot = torch.rand(ndim + 1, generator=generator) < 0.5
        axes = [axis - ndim for axis in range(ndim) if lot[axis]]
        powers = (BENT * (2 * torch.rand(2, generator=generator) - 1)).exp().tolist()
        sides = [(self.moving, self.moving_labels), (self.fixed, self.fixed_labels)]
        (moving, of_moving), (fixed, of_fixed) = sides[::-1] if lot[ndim] else sides
        return Scene(
            moving.flip(axes) ** powers[0],
            fixed.flip(axes) ** powers[1],
            of_moving.flip(axes),
            of_fixed.flip(axes),
        )


@dataclass(frozen=True, eq=False)
class Batch:
    """B pairs of images (B, 1, *shape), and their labels as masks (B, L, *shape)."""

    moving: Tensor
    fixed: Tensor
    moving_masks: Tensor
    fixed_masks: Tensor


def drawn_scenes(n: int, shape: tuple[int, ...], seed: int) -> list[Scene]:
    """Draw pairs of one scene each, pre-aligned up to a small affine; the same seed gives the same pairs."""
    pairs = synth_pairs(n, shape, seed=seed)
    generator = torch.Generator().manual_seed(derive_seed("synthmorph", seed))
    moving, fixed = _grey(pairs.second), _grey(pairs.first)
    scenes = []
    for number in range(n):
        index = _nearly_aligned(pairs.flow[number], generator)
        labels = sample(pairs.second_labels[number][None].float(), index, "nearest")[0].to(torch.int16)
        scenes.append(
            Scene(
                sample(moving[number], index),
                fixed[number],
                labels,
                pairs.first_labels[number].to(torch.int16),
            )
        )
    return scenes


def batched(scenes: list[Scene]) -> Batch:
    """Return pairs as one batch; their labels are numbered alike only within a pair."""
    maps = [torch.stack([getattr(one, f"{side}_labels") for one in scenes]) for side in ("moving", "fixed")]
    count = int(max(one.max() for one in maps)) + 1
    masks = [one_hot(one.long(), count).movedim(-1, 1)[:, 1:].float() for one in maps]
    images = [torch.stack([getattr(one, side) for one in scenes]) for side in ("moving", "fixed")]
    return Batch(images[0], images[1], masks[0], masks[1])


class ScenePool:
    """The pairs drawn last, of which each step takes some.

    What a step takes follows from the seed and the step's number alone: a new pool that is asked for a
    later step draws again what it needs.
    """

    def __init__(self, shape: tuple[int, ...], *, seed: int, size: int, fresh: int, every: int) -> None:
        """Keep `size` pairs; `fresh` of them are drawn anew at every `every`-th step."""
        self._shape, self._seed, self._fresh, self._every = shape, seed, fresh, every
        self._draws = -(-size // fresh)
        self._kept: deque[list[Scene]] = deque(maxlen=self._draws)
        self._next: int | None = None

    def taken(self, step: int, n: int) -> list[Scene]:
        """Return `n` varied pairs for a step."""
        last = step // self._every
        first = last - self._draws + 1 if self._next is None else self._next
        for number in range(max(first, 0), last + 1):
            self._kept.append(drawn_scenes(self._fresh, self._shape, self._seed_of("drawn", number)))
        self._next = last + 1
        generator = torch.Generator().manual_seed(self._seed_of("taken", step))
        everything = [scene for draw in self._kept for scene in draw]
        chosen = torch.randint(len(everything), (n,), generator=generator).tolist()
        return [everything[number].varied(generator) for number in chosen]

    def _seed_of(self, *what: str | int) -> int:
        return derive_seed(self._seed, "synthmorph", *what) % 2**31


def overlap(moved: Tensor, fixed: Tensor) -> Tensor:
    """Return the mean soft Dice (B,) of masks (B, L, *shape) over labels that both images show."""
    moved, fixed = moved.flatten(2), fixed.flatten(2)
    both, sizes = (moved * fixed).sum(2), moved.square().sum(2) + fixed.square().sum(2)
    shown = (moved.sum(2) > 1) & (fixed.sum(2) > 1)
    return (2 * both / sizes.clamp_min(1) * shown).sum(1) / shown.sum(1).clamp_min(1)


def _grey(images: Tensor) -> Tensor:
    """One channel between two percentiles of each image, (B, 1, *shape) in [0, 1]."""
    grey = images.mean(1, keepdim=True)
    low, high = (torch.quantile(grey.flatten(1), q, dim=1) for q in (0.01, 0.99))
    ones = [1] * (grey.ndim - 1)
    return ((grey - low.view(-1, *ones)) / (high - low).clamp_min(1e-6).view(-1, *ones)).clamp(0, 1)


def _nearly_aligned(flow: Tensor, generator: torch.Generator) -> Tensor:
    """Where a small affine and then the affine part of a flow (*shape, ndim) send each cell."""
    shape, ndim = flow.shape[:-1], flow.shape[-1]
    cells = cell_indices(shape)
    middle = (torch.tensor(shape) - 1) / 2
    design = torch.cat([cells - middle, torch.ones_like(cells[..., :1])], -1).flatten(0, -2)
    solved = torch.linalg.lstsq(design, flow.flatten(0, -2)).solution
    lot = 2 * torch.rand(3 + ndim, generator=generator) - 1
    turn, scale = math.radians(TURN_DEG) * lot[0], math.log(SCALE) * lot[1]
    small = torch.eye(ndim)
    small[-2:, -2:] = torch.stack(
        [torch.stack([turn.cos(), -turn.sin()]), torch.stack([turn.sin(), turn.cos()])]
    )
    shift = SHIFT * max(shape) * lot[3:]
    moved = (cells - middle) @ (small * scale.exp()).T + shift
    return torch.cat([moved, torch.ones_like(moved[..., :1])], -1) @ solved
