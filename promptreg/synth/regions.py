"""Label maps whose labels have parents: regions, and dropping what cannot be seen."""

from __future__ import annotations

import torch
from torch import Tensor

MAX_DEPTH = 6


def region(labels: Tensor, parents: Tensor, label: Tensor) -> Tensor:
    """Return the masks of the regions of some labels: a label itself and all its descendants.

    Args:
        labels: (B, *shape) int64 label maps.
        parents: (B, n_labels) int64, the parent of each label, 0 if none.
        label: (B,) or (B, R) int64, the wanted labels of each map.

    Returns:
        (B, *shape) or (B, R, *shape) bool. The region of label 0 is the background alone.
    """
    wanted = label.reshape(len(labels), -1)
    ancestor = torch.arange(parents.shape[1], device=labels.device).expand_as(parents)
    member = ancestor[:, None] == wanted[:, :, None]
    for _ in range(MAX_DEPTH):
        ancestor = parents.gather(1, ancestor)
        member |= (ancestor[:, None] == wanted[:, :, None]) & (ancestor[:, None] > 0)
    cells = labels.flatten(1)[:, None].expand(-1, wanted.shape[1], -1)
    return member.gather(2, cells).reshape(*label.shape, *labels.shape[1:])


def region_sizes(labels: Tensor, parents: Tensor) -> Tensor:
    """Return (B, n_labels) int64, the number of cells of each label's region in labels (B, *shape)."""
    cells = labels.flatten(1)
    own = torch.zeros_like(parents).scatter_add_(1, cells, torch.ones_like(cells))
    total, rising = own.clone(), own
    for _ in range(MAX_DEPTH):
        rising = torch.zeros_like(own).scatter_add_(1, parents, rising)
        rising[:, 0] = 0
        total += rising
    return total


def compacted(maps: list[Tensor], parents: Tensor, min_cells: int) -> tuple[list[Tensor], Tensor]:
    """Give the labels of B scenes ids without gaps, after labels that are too small joined their parents.

    Args:
        maps: label maps (B, *shape) int64 of the same B scenes; a label stays if its region has
            `min_cells` cells in any of them.
        parents: (B, n) int64.

    Returns:
        the new maps, and the new parents (B, n_labels).
    """
    keep = torch.stack([region_sizes(one, parents) >= min_cells for one in maps]).any(0)
    keep[:, 0] = True
    kept = torch.arange(parents.shape[1], device=parents.device).repeat(len(parents), 1)
    for _ in range(MAX_DEPTH):
        kept = torch.where(keep.gather(1, kept), kept, parents.gather(1, kept))
    new_id = (keep.cumsum(1) - 1).gather(1, kept)
    new_parents = torch.zeros(len(parents), int(new_id.max()) + 1, dtype=torch.long, device=parents.device)
    new_parents.scatter_reduce_(1, new_id, new_id.gather(1, parents) * keep, "amax")
    new_maps = [new_id.gather(1, one.flatten(1)).reshape(one.shape) for one in maps]
    return new_maps, new_parents
