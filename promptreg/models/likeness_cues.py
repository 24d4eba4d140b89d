"""What learned features say of candidate masks: is all inside like the clicks, and the shell around not?"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate, normalize

from promptreg.models.hand_cues import shell

ALIKE = (0.3, 0.6)
"""Cosines above which a cell counts as like the clicks."""


def likeness_cues(features: Tensor, masks: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Return the cues of every candidate, (B, M, 10).

    Args:
        features: (C, *cells) centred learned features over the same field of view as the masks.
        masks: (B, M, *spatial) bool.
        positive: (B, *spatial) bool, cells clicked positive; at least one.
        negative: (B, *spatial) bool.
    """
    cells = normalize(features, dim=0).flatten(1).T
    shape = features.shape[1:]
    inside, around = (_shares(one, shape) for one in (masks, shell(masks)))
    wanted, unwanted = (_shares(one[:, None], shape) for one in (positive, negative))
    own, other, clicked, refused = (_means(one, cells) for one in (inside, around, wanted, unwanted))
    alike = normalize(clicked, dim=2) @ cells.T
    which = torch.stack([alike[:, 0] > level for level in ALIKE], dim=2).float()
    cues = [
        torch.stack(
            [
                cosine_similarity(own, clicked, dim=2),
                cosine_similarity(other, clicked, dim=2),
                cosine_similarity(own, other, dim=2),
                own.norm(dim=2),
                other.norm(dim=2),
                cosine_similarity(own, refused, dim=2),
            ],
            dim=2,
        ),
        inside @ which,
        around @ which,
    ]
    return torch.cat(cues, dim=2)


def _shares(masks: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return (B, M, cells): the weights with which cells of a grid make up each mask; they sum to one."""
    flat = masks.float()
    if flat.shape[2:] != shape:
        flat = interpolate(flat, size=shape, mode="area")
    flat = flat.flatten(2)
    return flat / flat.sum(2, keepdim=True).clamp_min(1e-6)


def _means(weights: Tensor, cells: Tensor) -> Tensor:
    return weights @ cells
