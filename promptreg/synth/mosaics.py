"""Scenes without objects: smooth-noise label maps, Voronoi fields with streets, tissue with glands."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from promptreg.synth.draws import Draws

N_WAVES = 6


@dataclass(frozen=True, eq=False)
class Waves:
    """N x C smooth random functions, sums of waves: frequencies (N, C, W, ndim), phases (N, C, W)."""

    frequencies: Tensor
    phases: Tensor

    def highest(self, places: Tensor) -> Tensor:
        """Return (N, P) int64, which of the C functions is highest at places (N, ndim, P)."""
        best = self.heights(places)
        which = torch.zeros_like(best, dtype=torch.long)
        for channel in range(1, self.phases.shape[1]):
            height = self.heights(places, channel)
            which.masked_fill_(height > best, channel)
            best = torch.maximum(best, height)
        return which

    def heights(self, places: Tensor, channel: int = 0) -> Tensor:
        """Return (N, P), the values of one of the C functions, of the order of 1."""
        angles = torch.baddbmm(self.phases[:, channel, :, None], self.frequencies[:, channel], places)
        return angles.sin_().sum(1).mul_((2 / N_WAVES) ** 0.5)

    def jittered(self, draws: Draws) -> Waves:
        """Return functions that are a little different everywhere."""
        return replace(self, phases=self.phases + 0.3 * draws.normal(*self.phases.shape))


def draw_waves(draws: Draws, n: int, n_channels: int, ndim: int, *, low: float, high: float) -> Waves:
    """Draw functions with `low` to `high` periods in a unit, one range of periods for each scene."""
    fastest = draws.log_uniform(n, 1, 1, 1, low=low, high=high)
    periods = fastest * draws.uniform(n, n_channels, N_WAVES, 1, low=0.35, high=1)
    directions = draws.directions(n, n_channels, N_WAVES, ndim)
    phases = 2 * math.pi * draws.uniform(n, n_channels, N_WAVES)
    return Waves(2 * math.pi * periods * directions, phases)


@dataclass(frozen=True, eq=False)
class SmoothNoise:
    """Where one of C functions is highest: a third of them background, the second C some inner parts.

    Attributes:
        coarse, fine: functions with C channels each.
        owner: (N, C) int64 label of each coarse channel, 0 for background.
        split: (N, C) bool, whether the coarse channel has inner parts.
    """

    coarse: Waves
    fine: Waves
    owner: Tensor
    split: Tensor

    @property
    def parents(self) -> Tensor:
        """(N, 2 C + 1) int64: labels C + 1 to 2 C are the inner parts of labels 1 to C."""
        n, n_channels = self.owner.shape
        top = torch.zeros(n, n_channels + 1, dtype=torch.long, device=self.owner.device)
        return torch.cat((top, self.owner), 1)

    @property
    def alike(self) -> Tensor:
        """(N, 2 C + 1) int64: every label has a look of its own."""
        return torch.arange(self.parents.shape[1], device=self.owner.device).expand_as(self.parents)

    def jittered(self, draws: Draws) -> SmoothNoise:
        """Return the scenes of another subject."""
        return replace(self, coarse=self.coarse.jittered(draws), fine=self.fine.jittered(draws))

    def labels(self, places: Tensor) -> Tensor:
        """Return the labels (N, P) int64 at places (N, ndim, P) of the scene."""
        coarse = self.coarse.highest(places)
        inner = self.fine.highest(places) == 0
        owner = self.owner.gather(1, coarse)
        part = owner + self.owner.shape[1] * (inner & self.split.gather(1, coarse))
        return torch.where(owner > 0, part, 0)


def draw_smooth_noise(draws: Draws, n: int, ndim: int, n_channels: int = 7) -> SmoothNoise:
    """Draw N smooth-noise label maps."""
    owner = torch.arange(1, n_channels + 1, device=draws.device).repeat(n, 1)
    owner = owner * ~draws.chance(0.2, n, n_channels)
    return SmoothNoise(
        draw_waves(draws, n, n_channels, ndim, low=1.2, high=3.5),
        draw_waves(draws, n, 2, ndim, low=3.0, high=5.0),
        owner,
        draws.chance(0.3, n, n_channels) & (owner > 0),
    )


@dataclass(frozen=True, eq=False)
class Seeds:
    """N x S seeds at `centers` (N, S, ndim); `boxy` (N,) 0 for straight to 1 for rectangular borders."""

    centers: Tensor
    boxy: Tensor

    def nearest(self, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return for places (N, ndim, P) the nearest seed (N, P), its distance, and that of the second."""
        n, n_seeds, _ = self.centers.shape
        first = torch.full((n, places.shape[2]), torch.inf, device=places.device)
        second, which = first.clone(), torch.zeros_like(first, dtype=torch.long)
        for seed in range(n_seeds):
            away = (places - self.centers[:, seed, :, None]).abs_()
            distance = torch.lerp(away.square().sum(1).sqrt_(), away.amax(1), self.boxy[:, None])
            second = torch.minimum(second, torch.maximum(first, distance))
            which.masked_fill_(distance < first, seed)
            first = torch.minimum(first, distance)
        return which, first, second

    def offsets(self, places: Tensor, which: Tensor) -> Tensor:
        """Return places (N, ndim, P) relative to seeds `which` (N, P)."""
        ndim = places.shape[1]
        return places - self.centers.mT.gather(2, which[:, None].expand(-1, ndim, -1))


def draw_seeds(draws: Draws, n: int, n_seeds: int, ndim: int, n_tries: int = 4) -> Seeds:
    """Draw seeds about the unit square or cube, far from one another."""
    chosen = draws.uniform(n, 1, ndim, low=-0.6, high=0.6)
    for _ in range(n_seeds - 1):
        tries = draws.uniform(n, n_tries, ndim, low=-0.6, high=0.6)
        best = torch.cdist(tries, chosen).amin(2).argmax(1)[:, None, None].expand(-1, 1, ndim)
        chosen = torch.cat((chosen, tries.gather(1, best)), 1)
    return Seeds(chosen, draws.chance(0.5, n) * draws.uniform(n))


@dataclass(frozen=True, eq=False)
class Fields:
    """Fields between streets; some have a house, and some neighbours make up a district.

    Labels: D districts, then S fields, then S houses.

    Attributes:
        seeds: middles of the fields.
        district: (N, S) int64, 1 to D, or 0 for a field of its own.
        half_street: (N,) half the width of the streets, 0 for none.
        houses: (N, S, ndim) half sizes of the houses, 0 for none.
        is_land: (N, S) bool, false where a field is background.
        crop: (N, S) int64, the field whose look a field shares.
    """

    seeds: Seeds
    district: Tensor
    half_street: Tensor
    houses: Tensor
    is_land: Tensor
    crop: Tensor
    n_districts: int

    @property
    def parents(self) -> Tensor:
        """(N, D + 2 S + 1) int64, the parent of each label."""
        n, n_seeds = self.district.shape
        top = torch.zeros(n, self.n_districts + 1, dtype=torch.long, device=self.district.device)
        fields = torch.arange(n_seeds, device=self.district.device) + self.n_districts + 1
        return torch.cat((top, self.district, fields * self.is_land), 1)

    @property
    def alike(self) -> Tensor:
        """(N, D + 2 S + 1) int64, the label whose look each label shares."""
        n, n_seeds = self.district.shape
        top = torch.arange(self.n_districts + 1, device=self.district.device).expand(n, -1)
        fields = self.crop + self.n_districts + 1
        return torch.cat((top, fields, fields + n_seeds), 1)

    def jittered(self, draws: Draws) -> Fields:
        """Return the scenes after some time: borders and houses a little elsewhere."""
        centers = self.seeds.centers
        moved = centers + 0.02 * draws.normal(*centers.shape)
        houses = self.houses * draws.uniform(*self.houses.shape, low=0.85, high=1.15)
        return replace(self, seeds=replace(self.seeds, centers=moved), houses=houses)

    def labels(self, places: Tensor) -> Tensor:
        """Return the labels (N, P) int64 at places (N, ndim, P) of the scene."""
        which, first, second = self.seeds.nearest(places)
        n_seeds = self.district.shape[1]
        field = which + self.n_districts + 1
        half = torch.stack([one.gather(1, which) for one in self.houses.unbind(2)], 1)
        in_house = (self.seeds.offsets(places, which).abs_() < half).all(1)
        land = torch.where(self.is_land.gather(1, which), field, 0)
        land = torch.where((second - first) / 2 < self.half_street[:, None], 0, land)
        return torch.where(in_house, field + n_seeds, land)


def draw_fields(draws: Draws, n: int, ndim: int, n_seeds: int = 20, n_districts: int = 3) -> Fields:
    """Draw N scenes of fields, streets, houses and districts."""
    seeds = draw_seeds(draws, n, n_seeds, ndim)
    capitals = draws.uniform(n, n_districts, ndim, low=-0.4, high=0.4)
    distance, district = torch.cdist(seeds.centers, capitals).min(2)
    district = (district + 1) * (distance < 0.3)
    half_street = draws.chance(0.7, n) * draws.log_uniform(n, low=0.006, high=0.02)
    houses = draws.chance(0.4, n, n_seeds, 1) * draws.log_uniform(n, n_seeds, ndim, low=0.02, high=0.05)
    is_land = draws.chance(0.85, n, n_seeds)
    own = torch.arange(n_seeds, device=draws.device).expand(n, -1)
    shared = draws.chance(0.6, n, n_seeds) & (half_street > 0)[:, None]
    crop = torch.where(shared, draws.integers(n, n_seeds, low=0, high=5), own)
    return Fields(seeds, district * is_land, half_street, houses, is_land, crop, n_districts)
