"""Synthetic images clicked at: cues of every candidate mask, and how good it truly is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from promptreg.geometry import antialiased, default_affine, index_to_world, world_to_index
from promptreg.models.blend import learned_cells
from promptreg.models.click_masks import Pool, click_pool, joined
from promptreg.models.context_features import image_maps
from promptreg.models.hand_cues import hand_score
from promptreg.models.opinions import learned_masks
from promptreg.models.pocket import Pocket
from promptreg.models.pooled import pool_cues
from promptreg.models.weightfree import mask_grid_of, mask_maps
from promptreg.seeds import derive_seed
from promptreg.synth import synth_pairs
from promptreg.training.regions import chosen_regions, membership, region_masks
from promptreg.types import Grid, Image

SHAPES = {
    2: ((192, 192), (160, 192), (192, 144), (128, 128)),
    3: ((64, 64, 64), (48, 64, 64), (40, 64, 64), (64, 64, 64), (48, 48, 48)),
}
STEPS = {2: (1,), 3: (4, 2, 3, 2, 1, 5)}
"""Every so many slices of a volume are kept."""

REGIONS = 6
AREA_POWER = 0.5
POSITIVE_SHARE = 0.6
FOLLOW_HAND = 0.5
"""Share of the corrections that are of the candidate with the best hand score; the others are of any one."""

RANDOM_SHARE = 0.4
"""Share of the prompts of the last round whose corrections give way to random clicks."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A synthetic image with R regions as masks (R, *shape) bool on its own grid."""

    image: Image
    regions: Tensor
    number: int


@dataclass(frozen=True, eq=False)
class Examples:
    """N prompts: `cues` (N, M, n_cues), true `iou` (N, M), how many `clicks` (N,), which `scene` (N,)."""

    cues: Tensor
    iou: Tensor
    clicks: Tensor
    scene: Tensor

    def rows(self, which: Tensor) -> Examples:
        """Return the prompts `which` (N,) bool."""
        return Examples(*(getattr(self, one.name)[which] for one in fields(self)))


def scenes(ndim: int, count: int, seed: int) -> Iterator[Scene]:
    """Yield both images of `count` synthetic pairs, as far as they show regions that both do."""
    for number in range(count):
        draw = derive_seed("mask scores", seed, ndim, number)
        shape = SHAPES[ndim][number % len(SHAPES[ndim])]
        pairs = synth_pairs(1, shape, seed=draw)
        member = membership(pairs.parents)
        generator = torch.Generator().manual_seed(draw)
        ids, valid = chosen_regions(
            pairs.first_labels, pairs.second_labels, member, REGIONS, generator, area_power=AREA_POWER
        )
        step = STEPS[ndim][number % len(STEPS[ndim])]
        for data, labels in ((pairs.first, pairs.first_labels), (pairs.second, pairs.second_labels)):
            masks = region_masks(labels.flatten(1, -2), member, ids)[0, valid[0]].view(-1, *shape) > 0.5
            grey = bool((data[0] == data[0, :1]).all())
            shown = data[0, : 1 if grey else 3, ::step].contiguous()
            grid = Grid(tuple(shown.shape[1:]), default_affine(ndim, [float(step), *[1.0] * (ndim - 1)]))
            if len(masks):
                yield Scene(Image(shown, grid), masks[:, ::step], number)


class Clicker:
    """Clicks at one scene with the models as they are used."""

    def __init__(self, scene: Scene, pocket: Pocket, seed: int) -> None:
        maps = image_maps(scene.image)
        self.scene, self.pocket = scene, pocket
        self.grid = mask_grid_of(maps, scene.image.grid)
        self.maps = mask_maps(maps, self.grid)
        self.learned = pocket.embed(scene.image)
        self.cells = learned_cells(self.learned, maps.cells, maps.body)
        self.truth = antialiased(scene.regions.float(), scene.image.grid, self.grid) >= 0.5
        self.truth = self.truth[self.truth.flatten(1).any(1)]
        self.generator = torch.Generator().manual_seed(seed)

    def examples(self) -> Examples:
        """Click once, then correct, then correct and click further, or click anew."""
        cells = self._random(self.truth)[:, None]
        signs = torch.ones(len(cells), 1, dtype=torch.long)
        rounds = []
        for last in (False, False, True):
            if last:
                cells, signs = self._more(cells, signs)
            pool, cues, found = self._measured(cells, signs)
            rounds.append(found)
            following = [self._correction(pool, cues, row) for row in range(len(cells))]
            cells = torch.cat([cells, torch.stack([cell for cell, _ in following])[:, None]], 1)
            signs = torch.cat([signs, torch.tensor([[sign] for _, sign in following])], 1)
        return together(rounds)

    def _measured(self, cells: Tensor, signs: Tensor) -> tuple[Pool, Tensor, Examples]:
        """Decode prompts of cells (B, P, ndim) with labels (B, P)."""
        maps, grid, image_grid = self.maps, self.grid, self.scene.image.grid
        pool = click_pool(**maps, cells=cells, labels=signs, grid=grid)
        own = None
        if grid.ndim == 2:
            points = world_to_index(image_grid, index_to_world(grid, cells.double())).float()
            logits, own = learned_masks(self.pocket.decode(self.learned, points, signs), grid, image_grid)
            pool = joined(pool, logits)
        cues = pool_cues(pool, self.cells, own, grid)
        return pool, cues, self._rated(pool, cues, signs)

    def _rated(self, pool: Pool, cues: Tensor, signs: Tensor) -> Examples:
        flat, truth = pool.masks.flatten(2).float(), self.truth.flatten(1).float()
        common = torch.einsum("bmn,bn->bm", flat, truth)
        iou = common / (flat.sum(2) + truth.sum(1)[:, None] - common).clamp_min(1)
        numbers = torch.full((len(cues),), self.scene.number)
        return Examples(cues, iou, (signs >= 0).sum(1), numbers)

    def _random(self, masks: Tensor) -> Tensor:
        """Draw a cell (B, ndim) of each mask (B, *shape)."""
        flat = torch.multinomial(masks.flatten(1).float() + 1e-9, 1, generator=self.generator)[:, 0]
        return torch.stack([torch.as_tensor(i) for i in np.unravel_index(flat.numpy(), masks.shape[1:])], 1)

    def _more(self, cells: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
        """Add up to two random clicks to corrected prompts; some keep only their first click beside them."""
        n = len(cells)
        inside = self._chance(POSITIVE_SHARE, n, 2)
        flips = ~inside.view(n, 2, *[1] * self.grid.ndim)
        drawn = torch.stack([self._random(self.truth ^ flips[:, number]) for number in range(2)], 1)
        kinds = inside.long().masked_fill(self._chance(0.5, n, 2), -1)
        signs = signs.clone()
        signs[:, 1:][self._chance(RANDOM_SHARE, n)] = -1
        return torch.cat([cells, drawn], 1), torch.cat([signs, kinds], 1)

    def _chance(self, share: float, *shape: int) -> Tensor:
        """Return bool, true with a probability."""
        return torch.rand(shape, generator=self.generator) < share

    def _correction(self, pool: Pool, cues: Tensor, row: int) -> tuple[Tensor, int]:
        """Click where one candidate is most wrong, that of the best hand score or any."""
        best = int(hand_score(cues[row]).argmax())
        any_one = int(torch.randint(cues.shape[1], (1,), generator=self.generator))
        by_hand = float(torch.rand(1, generator=self.generator)) < FOLLOW_HAND
        return correction(pool.masks[row, best if by_hand else any_one], self.truth[row], self.grid)


def together(parts: list[Examples]) -> Examples:
    """Return all examples as one."""
    return Examples(*(torch.cat([getattr(one, field.name) for one in parts]) for field in fields(Examples)))


def correction(mask: Tensor, truth: Tensor, grid: Grid) -> tuple[Tensor, int]:
    """Return the deepest cell (ndim,) of the largest connected error, and the click's label.

    1 where the mask misses the truth, 0 where it spills, -1 (with any cell) where there is no error.
    """
    missed, spilled = (truth & ~mask).numpy(), (mask & ~truth).numpy()
    parts = [ndimage.label(wrong)[0] for wrong in (missed, spilled)]
    sizes = [np.bincount(part.ravel())[1:].max(initial=0) for part in parts]
    if max(sizes) == 0:
        return torch.zeros(truth.ndim, dtype=torch.long), -1
    label = 1 if sizes[0] >= sizes[1] else 0
    part = parts[0] if label else parts[1]
    region = part == 1 + np.bincount(part.ravel())[1:].argmax()
    depth = ndimage.distance_transform_edt(np.pad(region, 1), sampling=grid.spacing)
    return torch.tensor(np.unravel_index(depth.argmax(), depth.shape)) - 1, label
