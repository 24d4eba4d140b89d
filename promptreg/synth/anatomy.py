"""Nested anatomy scenes: a body with layers, organs with inner parts, rings, mirrored twins and vessels."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from promptreg.synth.draws import Draws
from promptreg.synth.objects import Objects

N_PARTS = (6, 6, 3, 3, 3, 2, 2)
N_LOOSE = 4
N_BUMPS = 3
LOOSE_SIZE = 0.1
RING_SHARE, TWIN_SHARE, BODY_SHARE = 0.45, 0.6, 0.85


def draw_anatomy(draws: Draws, n: int, ndim: int) -> Objects:
    """Draw N anatomy scenes; the body fills most of the scene, which is one unit wide."""
    table = _Table(draws, n, ndim)
    inner = _add_body(table)
    sizes = _organ_sizes(draws, n)
    centers = _spread(draws, sizes, ndim)
    for organ, n_parts in enumerate(N_PARTS):
        if organ == 1:
            centers[:, 1] = torch.where(table.twins[:, None], centers[:, 0] * table.mirror, centers[:, 1])
        _add_organ(table, organ, n_parts, inner, centers[:, organ], sizes[:, organ])
    first_loose = len(table.slots)
    for loose in range(N_LOOSE):
        shape = (
            _tube(draws, n, ndim)
            if loose % 2
            else draws.log_uniform(n, 1, low=0.08, high=0.2).expand(n, ndim)
        )
        table.add(
            offset=centers[:, len(N_PARTS) + loose],
            matrix=table.turned(shape),
            frame=table.body,
            container=inner,
            above=inner,
            twins=table.body + first_loose + loose % 2,
            present=draws.chance(0.6, n),
            bends=0.8 * draws.uniform(n, low=-1, high=1) * (loose % 2),
        )
    return table.objects()


class _Table:
    """Slots of objects in the making; slot k of all N scenes has the same role."""

    def __init__(self, draws: Draws, n: int, ndim: int) -> None:
        self.draws, self.n, self.ndim = draws, n, ndim
        self.slots: list[dict[str, Tensor]] = []
        self.nothing = torch.full((n,), -1, device=draws.device)
        self.body = self.nothing + 1
        self.mirror = torch.ones(ndim, device=draws.device)
        self.mirror[-1] = -1
        self.twins = draws.chance(TWIN_SHARE, n)

    def turned(self, semi_axes: Tensor) -> Tensor:
        """Return (N, ndim, ndim) matrices of semi-axes (N, ndim) in random orientation."""
        angles = math.pi * self.draws.uniform(self.n, low=-1, high=1)
        return self.draws.rotations(angles, self.ndim) @ torch.diag_embed(semi_axes)

    def bumps(self, size: float) -> dict[str, Tensor]:
        """Return random bumps of (N, M) sizes up to `size`."""
        draws, n = self.draws, self.n
        waves = draws.uniform(n, N_BUMPS, 1, low=1.5, high=4.5) * draws.directions(n, N_BUMPS, self.ndim)
        return {
            "bump_sizes": size * draws.uniform(n, N_BUMPS),
            "bump_waves": waves,
            "bump_phases": 2 * math.pi * draws.uniform(n, N_BUMPS),
        }

    def add(self, *, offset: Tensor, matrix: Tensor, **given: Tensor) -> int:
        """Append one slot and return its number; what is not given is plain."""
        draws, n = self.draws, self.n
        plain = {
            "frame": self.nothing,
            "container": self.nothing,
            "above": self.nothing,
            "twins": self.nothing + 1 + len(self.slots),
            "present": draws.chance(1.0, n),
            "boxiness": draws.chance(0.15, n) * draws.uniform(n),
            "bends": torch.zeros(n, device=draws.device),
        }
        form = {} if "bump_sizes" in given else self.bumps(0.12)
        self.slots.append({**plain, **form, "offset": offset, "matrix": matrix, **given})
        return len(self.slots) - 1

    def share_look(self, slot: int, other: int, where: Tensor) -> None:
        """Let one slot look like an earlier one in the scenes where (N,) bool is true."""
        self.slots[slot]["twins"] = torch.where(where, other, self.slots[slot]["twins"])

    def objects(self) -> Objects:
        """Return the scenes of all slots."""
        names = {"offset": "offsets", "matrix": "matrices", "frame": "frames", "container": "containers"}
        columns: dict[str, Any] = {
            names.get(key, key): torch.stack([slot[key] for slot in self.slots], 1) for key in self.slots[0]
        }
        return Objects(**columns)


def _add_body(table: _Table) -> Tensor:
    """Add a body and its layers; return (N,) the innermost one that is there, or -1."""
    draws, n, ndim = table.draws, table.n, table.ndim
    semi_axes = draws.uniform(n, ndim, low=0.3, high=0.48)
    there = draws.chance(BODY_SHARE, n)
    body_bumps = table.bumps(0.07)
    still = torch.zeros(n, ndim, device=draws.device)
    table.add(offset=still, matrix=torch.diag_embed(semi_axes), present=there, **body_bumps)
    inner = torch.where(there, 0, -1)
    for low, high, share in ((0.82, 0.95, 0.6), (0.8, 0.93, 0.3)):
        size = draws.uniform(n, 1, low=low, high=high) * torch.ones(ndim, device=draws.device)
        present = draws.chance(share, n) & there
        frame = inner.clamp_min(0)
        slot = table.add(
            offset=0.03 * draws.normal(n, ndim),
            matrix=torch.diag_embed(size),
            frame=frame,
            container=inner,
            above=inner,
            present=present,
            **body_bumps,
        )
        inner = torch.where(present, slot, inner)
    return inner


def _add_organ(table: _Table, organ: int, n_parts: int, inner: Tensor, center: Tensor, size: Tensor) -> None:
    """Add one organ and its parts; organ 1 is the mirrored twin of organ 0 where the scene has twins."""
    draws, n, ndim = table.draws, table.n, table.ndim
    matrix = table.turned(size[:, None] * draws.log_uniform(n, ndim, low=0.65, high=1.5))
    bumps = table.bumps(0.16)
    present = draws.chance(0.75, n)
    if organ == 1:
        first = table.slots[-1 - N_PARTS[0]]
        twins = table.twins
        near = first["matrix"] * table.mirror[:, None]
        matrix = torch.where(twins[:, None, None], near * draws.uniform(n, 1, 1, low=0.9, high=1.1), matrix)
        present = torch.where(twins, first["present"], present)
        for key, value in bumps.items():
            twin = twins.view(n, *[1] * (value.ndim - 1))
            bumps[key] = torch.where(twin, first[key], value)
    bends = draws.chance(0.3, n) * draws.uniform(n, low=-0.5, high=0.5)
    slot = table.add(
        offset=center,
        matrix=matrix,
        frame=table.body,
        container=inner,
        above=inner,
        present=present,
        bends=bends,
        **bumps,
    )
    _add_parts(table, slot, n_parts, present, bumps | {"bends": bends})
    if organ == 1:
        for number in range(slot, len(table.slots)):
            table.share_look(number, number - 1 - N_PARTS[0], table.twins)


def _add_parts(table: _Table, organ: int, n_parts: int, present: Tensor, form: dict[str, Tensor]) -> None:
    """Add inner parts: a thin wall round a cavity, or lobes and cores; or none."""
    draws, n, ndim = table.draws, table.n, table.ndim
    ring = draws.chance(RING_SHARE * (n_parts <= 3), n)
    count = draws.integers(n, low=2, high=max(n_parts, 2)) * draws.chance(0.6, n)
    here = torch.full((n,), organ, device=draws.device)
    boxiness = table.slots[organ]["boxiness"]
    for part in range(n_parts):
        size = draws.log_uniform(n, ndim, low=0.3, high=0.85)
        offset = draws.uniform(n, 1, low=0.1, high=0.75) * draws.directions(n, ndim)
        matrix, bumps = table.turned(size), table.bumps(0.15) | {"bends": torch.zeros(n, device=draws.device)}
        inside = count > part
        if part < 2:
            scale = torch.ones(n, device=draws.device) if part == 0 else draws.uniform(n, low=0.55, high=0.88)
            concentric = torch.diag_embed(scale[:, None].expand(n, ndim))
            matrix = torch.where(ring[:, None, None], concentric, matrix)
            offset = torch.where(ring[:, None], 0, offset)
            for key, value in bumps.items():
                bumps[key] = torch.where(ring.view(n, *[1] * (value.ndim - 1)), form[key], value)
            inside = inside | ring
        table.add(
            offset=offset,
            matrix=matrix,
            frame=here,
            container=here,
            above=here,
            present=present & inside & ((part < 2) | ~ring),
            boxiness=boxiness,
            **bumps,
        )


def _organ_sizes(draws: Draws, n: int) -> Tensor:
    """Return (N, O) mean semi-axes in units of the body, of large organs, small ones and loose objects."""
    large = draws.uniform(n, 2, low=0.2, high=0.62)
    small = draws.log_uniform(n, len(N_PARTS) - 2, low=0.1, high=0.4)
    return torch.cat((large, small, torch.full((n, N_LOOSE), LOOSE_SIZE, device=draws.device)), 1)


def _tube(draws: Draws, n: int, ndim: int) -> Tensor:
    """Return (N, ndim) semi-axes, thin ones and a long second one."""
    thin = draws.log_uniform(n, 1, low=0.05, high=0.12).repeat(1, ndim)
    thin[:, 1] = draws.uniform(n, low=0.3, high=0.8)
    return thin


def _spread(draws: Draws, sizes: Tensor, ndim: int, n_tries: int = 12) -> Tensor:
    """Return (N, O, ndim) places in the unit ball that leave room for objects of sizes (N, O).

    The first is to one side, and the second mirrors it.
    """
    n, n_centers = sizes.shape
    tries = draws.directions(n, n_centers, n_tries, ndim)
    tries = tries * 0.85 * draws.uniform(n, n_centers, n_tries, 1).sqrt()
    side = (sizes[:, :1] * draws.uniform(n, 1, low=0.9, high=1.3)).clamp(0.3, 0.65) * draws.signs(n, 1)
    first = torch.cat((tries[:, 0, 0, :-1] * 0.5, side), 1)
    second = torch.cat((first[:, :-1], -first[:, -1:]), 1)
    chosen = torch.stack((first, second), 1)
    for center in range(2, n_centers):
        room = torch.cdist(tries[:, center], chosen) - sizes[:, None, :center]
        best = room.amin(2).argmax(1)[:, None, None].expand(-1, 1, ndim)
        chosen = torch.cat((chosen, tries[:, center].gather(1, best)), 1)
    return chosen
