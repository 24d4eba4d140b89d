"""Tissue scenes: large compartments, in them many glands or vessels, each with a wall and a lumen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from promptreg.synth.draws import Draws
from promptreg.synth.mosaics import Seeds, Waves, draw_seeds, draw_waves

GAP = 0.008


@dataclass(frozen=True, eq=False)
class Tissue:
    """Labels: C compartments, then S glands, then S lumens.

    Attributes:
        compartments: functions with C + 1 channels, the last one is the empty slide.
        ripples: functions that make the outlines of the glands irregular.
        seeds: middles of the glands.
        radii, lumens: (N, S) radius of each gland, 0 for none, and of its lumen as a share of it.
        kinds: (N, S) int64, the gland whose look a gland shares.
    """

    compartments: Waves
    ripples: Waves
    seeds: Seeds
    radii: Tensor
    lumens: Tensor
    kinds: Tensor

    @property
    def parents(self) -> Tensor:
        """(N, C + 2 S + 1) int64: a gland belongs to the compartment at its middle."""
        n, n_seeds = self.radii.shape
        n_compartments = self.compartments.phases.shape[1] - 1
        top = torch.zeros(n, n_compartments + 1, dtype=torch.long, device=self.radii.device)
        home = self._compartment(self.seeds.centers.mT)
        glands = torch.arange(n_seeds, device=self.radii.device).expand(n, -1) + n_compartments + 1
        return torch.cat((top, home, glands), 1)

    @property
    def alike(self) -> Tensor:
        """(N, C + 2 S + 1) int64, the label whose look each label shares."""
        n, n_seeds = self.radii.shape
        n_compartments = self.compartments.phases.shape[1] - 1
        top = torch.arange(n_compartments + 1, device=self.radii.device).expand(n, -1)
        glands = self.kinds + n_compartments + 1
        return torch.cat((top, glands, glands + n_seeds), 1)

    def jittered(self, draws: Draws) -> Tissue:
        """Return a neighbouring section: the glands moved and of other sizes, in the same compartments."""
        moved = self.seeds.centers + 0.012 * draws.normal(*self.seeds.centers.shape)
        home = self._compartment(self.seeds.centers.mT)
        stays = (self._compartment(moved.mT) == home)[..., None]
        return replace(
            self,
            ripples=self.ripples.jittered(draws),
            seeds=replace(self.seeds, centers=torch.where(stays, moved, self.seeds.centers)),
            radii=self.radii * draws.uniform(*self.radii.shape, low=0.85, high=1.15),
            lumens=self.lumens * draws.uniform(*self.lumens.shape, low=0.85, high=1.15),
        )

    def labels(self, places: Tensor) -> Tensor:
        """Return the labels (N, P) int64 at places (N, ndim, P) of the scene."""
        n_seeds, n_compartments = self.radii.shape[1], self.compartments.phases.shape[1] - 1
        found = self._compartment(places)
        which, distance, second = self.seeds.nearest(places)
        ratio = distance / self.radii.gather(1, which).clamp_min(1e-6)
        ratio = ratio + 0.1 * self.ripples.heights(places)
        gland = which + n_compartments + 1
        found = torch.where((ratio < 1) & (second - distance > 2 * GAP), gland, found)
        return torch.where(ratio < self.lumens.gather(1, which), gland + n_seeds, found)

    def _compartment(self, places: Tensor) -> Tensor:
        label = self.compartments.highest(places) + 1
        return label * (label < self.compartments.phases.shape[1])


def draw_tissue(draws: Draws, n: int, ndim: int, n_seeds: int = 26) -> Tissue:
    """Draw N tissue scenes."""
    sizes = draws.log_uniform(n, 1, low=0.022, high=0.075)
    radii = sizes * draws.uniform(n, n_seeds, low=0.75, high=1.3) * draws.chance(0.85, n, n_seeds)
    return Tissue(
        draw_waves(draws, n, 4, ndim, low=0.8, high=1.8),
        draw_waves(draws, n, 1, ndim, low=8, high=14),
        replace(draw_seeds(draws, n, n_seeds, ndim), boxy=torch.zeros(n, device=draws.device)),
        radii,
        draws.chance(0.7, n, 1) * draws.uniform(n, n_seeds, low=0.4, high=0.75),
        draws.integers(n, n_seeds, low=0, high=2),
    )
