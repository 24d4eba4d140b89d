"""Scenes of objects painted one over another, each in the frame of an earlier one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from promptreg.synth.draws import Draws
from promptreg.synth.regions import MAX_DEPTH

# One object in one scene is too little work for an accelerator, and all at once are too much for a cache.
CELLS_AT_ONCE = (2**17, 2**25)


@dataclass(frozen=True, eq=False)
class Objects:
    """N scenes of K objects, painted in this order; object k has label k + 1.

    An object is where, in its own frame, norm(l) + sum of sine bumps < 1. Its own frame lies in the frame
    of an earlier object (or in the scene's), it covers only what its container covers, and its parent is
    the earlier object whose region it counts to.

    Attributes:
        offsets: (N, K, ndim) middle, in the frame's units.
        matrices: (N, K, ndim, ndim) semi-axes as columns, in the frame's units.
        frames, containers, above: (N, K) int64, an earlier object or -1; `above` are the parents.
        twins: (N, K) int64, the object whose look an object shares, most often itself.
        present: (N, K) bool.
        boxiness: (N, K) 0 for an ellipse to 1 for a box.
        bends: (N, K) how far the ends of the second axis bend along the first.
        bump_sizes, bump_phases: (N, K, M); bump_waves: (N, K, M, ndim).
    """

    offsets: Tensor
    matrices: Tensor
    frames: Tensor
    containers: Tensor
    above: Tensor
    twins: Tensor
    present: Tensor
    boxiness: Tensor
    bends: Tensor
    bump_sizes: Tensor
    bump_waves: Tensor
    bump_phases: Tensor

    @property
    def parents(self) -> Tensor:
        """(N, K + 1) int64, the parent of each label."""
        return torch.nn.functional.pad(self.above + 1, (1, 0))

    @property
    def alike(self) -> Tensor:
        """(N, K + 1) int64, the label whose look each label shares."""
        return torch.nn.functional.pad(self.twins + 1, (1, 0))

    def jittered(self, draws: Draws) -> Objects:
        """Return the same scenes of another subject: each object moved, sheared and reshaped a bit."""
        size = self.matrices.norm(dim=-2)
        moves = (0.02 + 0.12 * size) * draws.normal(*size.shape)
        shears = 0.08 * draws.normal(*self.matrices.shape)
        return replace(
            self,
            offsets=self.offsets + moves.clamp(-0.1, 0.1),
            matrices=self.matrices + self.matrices @ shears,
            bump_sizes=self.bump_sizes * draws.uniform(*self.bump_sizes.shape, low=0.7, high=1.3),
            bump_phases=self.bump_phases + 0.4 * draws.normal(*self.bump_phases.shape),
        )

    def labels(self, places: Tensor) -> Tensor:
        """Return the labels (N, P) int64 at places (N, ndim, P) of the scene."""
        (n, n_objects), n_places = self.present.shape, places.shape[2]
        covers = torch.zeros(n, n_objects + 1, n_places, dtype=torch.bool, device=places.device)
        covers[:, 0] = True
        rows, objects = self.present.nonzero().unbind(1)
        frames = self._world_frames()
        at_once = max(1, CELLS_AT_ONCE[places.device.type != "cpu"] // n_places)
        for row, k in zip(rows.split(at_once), objects.split(at_once), strict=True):
            covers[row, k + 1] = self._inside(row, k, places[row], *(one[row, k] for one in frames))
        every, found = torch.arange(n, device=places.device), covers[:, 0].long() - 1
        for k in range(n_objects):
            inside = covers[:, k + 1].logical_and_(covers[every, self.containers[:, k] + 1])
            found.masked_fill_(inside, k + 1)
        return found

    def _world_frames(self) -> tuple[Tensor, Tensor]:
        """Return the centres (N, K, ndim) and the maps (N, K, ndim, ndim) from the scene to own frames."""
        frames, row = self.frames + 1, torch.arange(len(self.frames), device=self.frames.device)[:, None]
        ndim = self.offsets.shape[2]
        maps = torch.zeros(*self.frames.shape, ndim + 1, ndim + 1, device=self.frames.device)
        maps[..., :-1, :-1], maps[..., :-1, -1], maps[..., -1, -1] = self.matrices, self.offsets, 1
        scene = torch.eye(ndim + 1, device=maps.device).repeat(len(maps), 1, 1, 1)
        world = maps
        for _ in range(MAX_DEPTH):
            world = torch.cat((scene, world), 1)[row, frames] @ maps
        return world[..., :-1, -1], torch.linalg.inv(world[..., :-1, :-1])

    def _inside(self, rows: Tensor, k: Tensor, places: Tensor, centers: Tensor, inverses: Tensor) -> Tensor:
        """Return (R, P) bool, the places (R, ndim, P) inside objects `k` (R,) of scenes `rows` (R,)."""
        shift = -(inverses @ centers[:, :, None])
        waves = self.bump_waves[rows, k] @ inverses
        constants = self.bump_waves[rows, k] @ shift + self.bump_phases[rows, k, :, None]
        own = torch.baddbmm(shift, inverses, places)
        bumps = self.bump_sizes[rows, k, None] @ torch.baddbmm(constants, waves, places).sin_()
        own[:, 0] += self.bends[rows, k, None] * (own[:, 1] ** 2 - 0.3)
        round_, box = own.square().sum(1).sqrt_(), own.abs_().amax(1)
        return torch.lerp(round_, box, self.boxiness[rows, k, None]).add_(bumps[:, 0]) < 1
