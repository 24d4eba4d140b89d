"""Regions of a label map: a label with all that lies inside it, chosen where both images show it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LEAST_AREA, LARGEST_AREA = 0.0015, 0.7
"""Regions that are learned cover between these shares of either image."""


def membership(parents: Tensor) -> Tensor:
    """Which label belongs to which region: (B, L, L) bool, [label, region], of parents (B, L) (0: none)."""
    n_labels = parents.shape[1]
    identity = torch.arange(n_labels, device=parents.device).expand_as(parents)
    member = functional.one_hot(identity, n_labels).bool()
    ancestor = parents
    for _ in range(n_labels):
        if not ancestor.any():
            return member
        member = member | (functional.one_hot(ancestor, n_labels).bool() & (ancestor > 0)[..., None])
        ancestor = parents.gather(1, ancestor)
    raise ValueError("the parents of the labels form a cycle")


def region_shares(labels: Tensor, member: Tensor) -> Tensor:
    """Share of the image (B, L) that each region of a label map (B, H, W) covers."""
    flat = labels.flatten(1)
    counts = torch.zeros(member.shape[:2], device=labels.device)
    counts = counts.scatter_add(1, flat, torch.ones_like(flat, dtype=counts.dtype))
    return torch.einsum("bl,blr->br", counts, member.float()) / flat.shape[1]


def chosen_regions(
    first: Tensor,
    second: Tensor,
    member: Tensor,
    n_regions: int,
    generator: torch.Generator,
    *,
    area_power: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Draw different regions that both label maps (B, H, W) show well.

    A region's chance goes with its mean area to `area_power`: of all regions round a click, large ones must
    not be rarer targets than their parts, or else one click is taken for a part.

    Returns ids (B, R) and which of them are valid (B, R) bool, as a scene may have fewer.
    """
    shares = torch.stack([region_shares(labels, member) for labels in (first, second)])
    shown = ((shares >= LEAST_AREA) & (shares <= LARGEST_AREA)).all(0)
    shown[:, 0] = False
    weights = shares.mean(0).clamp_min(LEAST_AREA).pow(area_power)
    draws = torch.rand(shown.shape, generator=generator, device=shown.device).pow(1 / weights)
    missing = max(n_regions - shown.shape[1], 0)
    ranked = functional.pad(draws.masked_fill(~shown, -1.0), (0, missing), value=-1.0)
    values, ids = ranked.topk(n_regions, dim=1)
    valid = values >= 0
    return ids.masked_fill(~valid, 0), valid


def region_masks(labels: Tensor, member: Tensor, ids: Tensor) -> Tensor:
    """Masks (B, R, H, W) float of the regions `ids` (B, R) in a label map (B, H, W)."""
    of_label = member.gather(2, ids[:, None].expand(-1, member.shape[1], -1)).float()
    flat = labels.flatten(1)[..., None].expand(-1, -1, ids.shape[1])
    return of_label.gather(1, flat).mT.unflatten(2, labels.shape[1:])
