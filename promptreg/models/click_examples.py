"""Synthetic images clicked at, with the truth on every candidate mask: what the mask score is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from promptreg.geometry import default_affine, resample
from promptreg.models.click_masks import mask_pool
from promptreg.models.mask_score import hand_score
from promptreg.models.weightfree import WeightFree
from promptreg.seeds import derive_seed
from promptreg.synth import region, synth_pairs
from promptreg.types import Grid, Image

SHAPES = {2: (256, 256), 3: (64, 64, 64)}
VOLUMES_EVERY = 3
SLICE_STEPS = (1, 2, 3)
PROMPTS, FOLLOWED, MOST_CLICKS = 6, 3, 5
SIZES = (0.001, 0.5)


@dataclass(frozen=True, eq=False)
class Examples:
    """Clicked candidates: `cues` (N, 6, n_cues) and their true `dice` (N, 6)."""

    cues: Tensor
    dice: Tensor


def synthetic_images(seed: int) -> Iterator[tuple[Image, Tensor, Tensor, int]]:
    """Yield images with labels (*shape), parents (n_labels,) and a seed, without end.

    A volume keeps every slice, every second or every third.
    """
    for number in range(2**31):
        ndim = 3 if number % VOLUMES_EVERY == VOLUMES_EVERY - 1 else 2
        pairs = synth_pairs(1, SHAPES[ndim], seed=derive_seed("mask score", seed, number))
        sides = ((pairs.first, pairs.first_labels), (pairs.second, pairs.second_labels))
        for side, (data, labels) in enumerate(sides):
            step = SLICE_STEPS[(number // VOLUMES_EVERY + side) % len(SLICE_STEPS)] if ndim == 3 else 1
            grey = bool((data[0] == data[0, :1]).all())
            shown = data[0, : 1 if grey else 3, ::step]
            spacing = [float(step), *[1.0] * (ndim - 1)]
            grid = Grid(tuple(shown.shape[1:]), default_affine(ndim, spacing))
            draw = derive_seed("clicks", seed, number, side)
            yield Image(shown, grid), labels[0, ::step], pairs.parents[0], draw


def clicked_examples(image: Image, labels: Tensor, parents: Tensor, *, seed: int) -> Examples:
    """Click at random regions of an image (6 first clicks, 3 of them corrected up to five clicks).

    The truth is the region, or any region that holds it or lies in it, which agrees with all clicks best:
    what one click in an organ's part means is not known.
    """
    embedding = WeightFree().embed(image)
    grid, extras = embedding.mask_grid, embedding.extras
    truth = resample(labels[None].float(), image.grid, grid, mode="nearest").long()
    generator = torch.Generator().manual_seed(seed)
    wanted, cells = first_clicks(truth, parents, generator)
    signs = torch.ones(len(cells), 1, dtype=torch.long)
    cues, dices = [], []
    for n_clicks in range(1, MOST_CLICKS + 1):
        _, masks, now = mask_pool(
            extras["levels"], extras["edges"], extras["words"], cells=cells, labels=signs, grid=grid
        )
        levels = regions_at(truth, parents, cells[:, 0])
        cues.append(now)
        dices.append(best_dice(masks, levels, cells, signs))
        if n_clicks == 1:
            wanted, cells, signs, masks, now = (one[:FOLLOWED] for one in (wanted, cells, signs, masks, now))
        chosen = masks[torch.arange(len(masks)), hand_score(now).argmax(1)]
        following = [correction(mask, aim, grid) for mask, aim in zip(chosen, wanted, strict=True)]
        cells = torch.cat([cells, torch.stack([cell for cell, _ in following])[:, None]], 1)
        signs = torch.cat([signs, torch.tensor([[sign] for _, sign in following])], 1)
    return Examples(torch.cat(cues), torch.cat(dices))


def first_clicks(truth: Tensor, parents: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw regions (B, *shape) bool of labels (1, *shape), not tiny nor huge, and cells (B, 1, ndim)."""
    every = torch.arange(1, len(parents))
    regions = region(truth, parents[None], every[None])[0]
    share = regions.flatten(1).float().mean(1)
    usable = regions[(share >= SIZES[0]) & (share <= SIZES[1])]
    if not len(usable):
        usable = regions[share.argmax()][None]
    wanted = usable[torch.randint(len(usable), (PROMPTS,), generator=generator)]
    cells = [one.nonzero()[torch.randint(int(one.sum()), (1,), generator=generator)] for one in wanted]
    return wanted, torch.stack(cells)


def regions_at(truth: Tensor, parents: Tensor, cells: Tensor) -> Tensor:
    """Return (B, L, *shape) bool: the regions of labels (1, *shape) that hold cells (B, ndim)."""
    chain = [truth[0][tuple(cells.T)]]
    while chain[-1].any():
        chain.append(parents[chain[-1]])
    labels = torch.stack(chain, 1).flatten()
    masks = region(truth, parents[None], labels[None])[0] & (labels > 0).view(-1, *[1] * (truth.ndim - 1))
    return masks.unflatten(0, (len(cells), -1))


def best_dice(masks: Tensor, levels: Tensor, cells: Tensor, signs: Tensor) -> Tensor:
    """Return (B, M) the Dice of masks (B, M, *shape) with the best of the levels (B, L, *shape) that agree.

    A level agrees if it holds every positive click and no negative one: cells (B, P, ndim), signs (B, P).
    """
    flat, truth = masks.flatten(2).float(), levels.flatten(2).float()
    sizes = flat.sum(2)[:, :, None] + truth.sum(2)[:, None]
    overlap = 2 * flat @ truth.transpose(1, 2) / sizes.clamp_min(1)
    index: tuple = (torch.arange(len(cells))[:, None], slice(None), *cells.unbind(-1))
    held = levels[index]
    agrees = ((held == (signs == 1)[..., None]) | (signs < 0)[..., None]).all(1)
    return overlap.masked_fill(~agrees[:, None], 0).amax(2)


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
    region_of = part == 1 + np.bincount(part.ravel())[1:].argmax()
    depth = ndimage.distance_transform_edt(np.pad(region_of, 1), sampling=grid.spacing)
    deepest = np.unravel_index(depth.argmax(), depth.shape)
    return torch.tensor(deepest) - 1, label
