"""Segmentation from clicks: random ones, and corrections where the mask is most wrong."""

from __future__ import annotations

import time

import numpy as np
import torch
from bench_models_cases import Labelled, dice, measuring_grid, random_cells, structure, world_of
from scipy import ndimage
from torch import Tensor

from promptreg.geometry import resample, world_to_index
from promptreg.models.base import PromptableModel
from promptreg.seeds import derive_seed
from promptreg.types import Candidates, Embedding, Grid

REPORTED = (1, 3, 5)
RANDOM_LABELS = (1, 1, 1, 0, 0)
Row = tuple[str, float]


def click_rows(
    model: PromptableModel, labelled: Labelled, embedding: Embedding, value: int, *, n_points: int, seed: int
) -> list[Row]:
    """Return (measure, value) of `n_points` prompts in one structure, for every number and kind of clicks."""
    truth, grid = structure(labelled, value), measuring_grid(labelled.image.grid)
    if not truth.any():
        return []
    draw = derive_seed(seed, labelled.name, value, "clicks")
    return _corrected(model, embedding, truth, grid, random_cells(truth, n_points, draw)) + _random(
        model, embedding, truth, grid, n_points, draw
    )


def _corrected(
    model: PromptableModel, embedding: Embedding, truth: Tensor, grid: Grid, first: Tensor
) -> list[Row]:
    """Click each prompt's first cell (B, ndim), then the centre of the largest error, up to five clicks."""
    cells, labels = first[:, None], torch.ones(len(first), 1, dtype=torch.long)
    rows: list[Row] = []
    for n_clicks in range(1, max(REPORTED) + 1):
        begun = time.process_time()
        candidates = decode(model, embedding, cells, labels, grid)
        seconds = (time.process_time() - begun) / len(first)
        masks = masks_on(candidates, embedding.mask_grid, grid)
        if n_clicks in REPORTED:
            what = f"{n_clicks} click{'s' * (n_clicks > 1)}"
            rows += _scored(candidates, masks, truth, what)
            rows.append((f"decoding seconds a prompt, {what}", seconds))
        chosen = masks[torch.arange(len(first)), candidates.best()]
        following = [correction(mask, truth, grid) for mask in chosen]
        cells = torch.cat([cells, torch.stack([cell for cell, _ in following])[:, None]], 1)
        labels = torch.cat([labels, torch.tensor([[label] for _, label in following])], 1)
    return rows


def _random(
    model: PromptableModel, embedding: Embedding, truth: Tensor, grid: Grid, n_points: int, seed: int
) -> list[Row]:
    """Three random clicks inside and two anywhere outside, at once."""
    labels = torch.tensor(RANDOM_LABELS).expand(n_points, -1)
    draws = [
        random_cells(truth if label else ~truth, n_points, derive_seed(seed, place))
        for place, label in enumerate(RANDOM_LABELS)
    ]
    candidates = decode(model, embedding, torch.stack(draws, 1), labels, grid)
    masks = masks_on(candidates, embedding.mask_grid, grid)
    return _scored(candidates, masks, truth, "3 + 2 random")


def _scored(candidates: Candidates, masks: Tensor, truth: Tensor, what: str) -> list[Row]:
    overlap = dice(masks, truth)
    best = overlap.gather(1, candidates.best()[:, None])[:, 0]
    return [(f"best, {what}", one) for one in best.tolist()] + [
        (f"oracle, {what}", one) for one in overlap.amax(1).tolist()
    ]


def decode(
    model: PromptableModel, embedding: Embedding, cells: Tensor, labels: Tensor, grid: Grid
) -> Candidates:
    """Decode clicks on cells (B, P, ndim) of the measuring grid."""
    points = world_to_index(embedding.image_grid, world_of(cells, grid)).float()
    with torch.no_grad():
        return model.decode(embedding, points, labels)


def masks_on(candidates: Candidates, mask_grid: Grid, grid: Grid) -> Tensor:
    """Return the candidates as (B, M, *grid.shape) bool on the measuring grid."""
    logits = candidates.logits.float()
    read = resample(logits.flatten(0, 1), mask_grid, grid, padding="border")
    return (read > 0).unflatten(0, logits.shape[:2])


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
    deepest = np.unravel_index(depth.argmax(), depth.shape)
    return torch.tensor(deepest) - 1, label
