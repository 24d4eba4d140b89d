"""Contrastive losses on the embedding: they ask what registration asks.

Each is a cross-entropy: where in the other image lies this region, this point? `scale` is the inverse
temperature.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from promptreg.nets.sampling import read_at, tents, to_cells

LARGEST_SCALE = 30.0
OVERLAP = 0.5
"""Regions of one image that overlap more (IoU) are no negatives of each other."""


def prototypes(embedding: Tensor, shares: Tensor) -> Tensor:
    """Unit mean features (B, R, E) of regions, from shares (B, R, h, w) of the cells of (B, E, h, w)."""
    sums = torch.einsum("brhw,behw->bre", shares, embedding)
    return functional.normalize(sums, dim=-1, eps=1e-6)


def peak_loss(protos: Tensor, embedding: Tensor, shares: Tensor, valid: Tensor, scale: Tensor) -> Tensor:
    """The probability that the peak of similarity falls inside the same region of the other image.

    `protos` (B, R, E) of one image, `embedding` (B, E, h, w) and region `shares` (B, R, h, w) of the other.
    """
    logits = scale * torch.einsum("bre,behw->brhw", protos, embedding).flatten(2)
    inside = logits + (shares.flatten(2) + 1e-6).log()
    return _mean(logits.logsumexp(-1) - inside.logsumexp(-1), valid)


def region_loss(first: Tensor, second: Tensor, shares: Tensor, valid: Tensor, scale: Tensor) -> Tensor:
    """Which of all prototypes of the second images (B, R, E) is that of the same region of the first.

    `shares` (B, R, h, w) of the second images say which regions overlap too much to be told apart.
    """
    n_regions = valid.shape[1]
    logits = scale * first.flatten(0, 1) @ second.flatten(0, 1).T
    same_image = torch.block_diag(*_overlaps(shares) > OVERLAP)
    excluded = (same_image | ~valid.flatten()) & ~torch.eye(
        len(logits), dtype=torch.bool, device=logits.device
    )
    target = torch.arange(len(logits), device=logits.device)
    loss = functional.cross_entropy(logits.masked_fill(excluded, -1e4), target, reduction="none")
    return _mean(loss.unflatten(0, (-1, n_regions)), valid)


def point_loss(
    first: Tensor, second: Tensor, points: Tensor, targets: Tensor, valid: Tensor, scale: Tensor
) -> Tensor:
    """Where in the second embedding (B, E, h, w) lie points of the first.

    `points` and `targets` (B, N, 2) y, x in pixels of the input; the truth of each is spread over its four
    nearest cells as interpolation does.
    """
    queries = read_at(first, to_cells(points, 4))
    logits = scale * torch.einsum("bne,behw->bnhw", functional.normalize(queries, dim=-1), second)
    cells = to_cells(targets, 4)
    height, width = second.shape[-2:]
    hit = torch.einsum("bnhw,bnh,bnw->bn", logits, tents(cells[..., 0], height), tents(cells[..., 1], width))
    return _mean(logits.flatten(2).logsumexp(-1) - hit, valid)


def _overlaps(shares: Tensor) -> Tensor:
    """IoU (B, R, R) of soft regions (B, R, h, w) of one image."""
    flat = shares.flatten(2)
    common = flat @ flat.mT
    area = common.diagonal(dim1=1, dim2=2)
    return common / (area[:, :, None] + area[:, None] - common).clamp_min(1e-6)


def _mean(loss: Tensor, valid: Tensor) -> Tensor:
    return (loss * valid).sum() / valid.sum().clamp_min(1)
