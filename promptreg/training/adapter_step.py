"""One step of training adapters: a slab of slices, clicks into its regions, the loss of the masks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from promptreg.config import Train
from promptreg.geometry import blurred, resample
from promptreg.models.adapter3d import SamAdapter
from promptreg.training.adapter_data import LabelledStack, Slab, region_masks
from promptreg.training.clicks import STRIDE, simulated_clicks
from promptreg.training.losses import OTHERS, intersection_over_union, mask_loss
from promptreg.types import Candidates, Grid

SINGLE_SHARE = 0.5
"""Share of the regions that get one click."""

Decoded = tuple[Candidates, Tensor]
"""Candidates of some regions, and their truth (R, *mask_grid.shape)."""


def decoded(
    model: SamAdapter,
    stack: LabelledStack,
    slab: Slab,
    generator: torch.Generator,
    *,
    clicks: int,
    device: torch.device,
) -> Iterator[Decoded]:
    """Encode a slab and decode its regions from simulated clicks, slice by slice.

    One click in half of the regions, else up to `clicks`, positive and negative; all of them positive and
    single if `clicks` is 1. Each click lies in the slice of its region.
    """
    colours = stack.colours[slab.first : slab.last].to(device)
    embeddings = model.embed_stack(colours, stack.grid)
    for number in slab.numbers.unique().tolist():
        masks = region_masks(stack, slab, number)
        points, labels = simulated_clicks(
            avg_pool2d(masks[None], STRIDE),
            clicks,
            single_share=1.0 if clicks == 1 else SINGLE_SHARE,
            generator=generator,
        )
        embedding = embeddings[number]
        candidates = model.decode(embedding, points[0].to(device), labels[0].to(device))
        yield candidates, on_cells(masks, stack.grid, embedding.mask_grid).to(device)


def slab_loss(
    model: SamAdapter,
    stack: LabelledStack,
    slab: Slab,
    config: Train,
    generator: torch.Generator,
    device: torch.device,
) -> dict[str, Tensor]:
    """Mean losses over the regions of a slab: of masks (focal and Dice) and of predicted IoUs."""
    masks, scores = [], []
    for candidates, truth in decoded(model, stack, slab, generator, clicks=config.clicks, device=device):
        wide = truth[:, None].expand_as(candidates.logits)
        each = mask_loss(candidates.logits, wide, balanced=0.0)
        masks.append((1 - OTHERS) * each.amin(1) + OTHERS * each.mean(1))
        actual = intersection_over_union(candidates.logits.detach(), wide)
        scores.append((candidates.scores - actual).square().mean(1))
    return {"mask": torch.cat(masks).mean(), "score": torch.cat(scores).mean()}


@torch.no_grad()
def slab_dice(
    model: SamAdapter, stack: LabelledStack, slab: Slab, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Dice (R,) of what the model answers to one click into each region of a slab."""
    found = []
    for candidates, truth in decoded(model, stack, slab, generator, clicks=1, device=device):
        mask, true = candidates.select(candidates.best()) > 0, truth > 0.5
        both, total = (mask & true).sum((-2, -1)), mask.sum((-2, -1)) + true.sum((-2, -1))
        found.append(2 * both / total.clamp_min(1))
    return torch.cat(found).cpu()


def on_cells(masks: Tensor, grid: Grid, cells: Grid) -> Tensor:
    """Masks (R, *grid.shape) as shares of the cells of the mask grid, (R, *cells.shape)."""
    width = cells.spacing / 2
    smooth = blurred(masks, grid, width.tolist()) if (cells.spacing > 1.5 * grid.spacing).any() else masks
    return resample(smooth, grid, cells)
