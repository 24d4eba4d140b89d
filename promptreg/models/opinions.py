"""A learned model's candidates beside those of the weight-free model, and what its own scores say of all."""

from __future__ import annotations

import torch
from torch import Tensor

from promptreg.geometry import resample, resized
from promptreg.models.hand_cues import KIND_SIZE
from promptreg.types import Candidates, Grid


def learned_masks(found: Candidates, grid: Grid, image_grid: Grid) -> tuple[Tensor, Tensor]:
    """Bring a learned model's candidates onto a mask grid: logits (B, 3, *grid.shape), scores (B, 3).

    Its masks cover the image's field of view; a single mask stands three times.
    """
    source = resized(image_grid, found.logits.shape[2:])
    logits = resample(found.logits.float().flatten(0, 1), source, grid, padding="border")
    logits = logits.unflatten(0, found.logits.shape[:2])
    n = KIND_SIZE // logits.shape[1]
    return logits.repeat_interleave(n, 1), found.scores.float().repeat_interleave(n, 1)


def opinion_cues(masks: Tensor, own: Tensor) -> Tensor:
    """Return (B, M, 3): a learned candidate's own score, its best score, and the overlap with that candidate.

    `masks` (B, M, *spatial) bool, the last three of them learned, with own scores `own` (B, 3).
    """
    flat = masks.flatten(2).float()
    first = masks.shape[1] - own.shape[1]
    best = own.argmax(1) + first
    chosen = flat[torch.arange(len(best), device=best.device), best][..., None]
    common, size = (flat @ chosen)[..., 0], flat.sum(2)
    overlap = common / (size + chosen.sum(1) - common).clamp_min(1)
    scores = torch.cat([torch.zeros_like(overlap[:, :first]), own], 1)
    return torch.stack([scores, own.amax(1, keepdim=True).expand_as(overlap), overlap], 2)
