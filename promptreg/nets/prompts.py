"""The prompt encoder: clicks as tokens, and as maps of what is like them and how far they are.

Positions are always taken relative to a prompt's first positive click, the anchor: where in the image
a click lies says nothing. Padding takes no part.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from promptreg.nets.encoder import Architecture, Encoded
from promptreg.nets.sampling import read_at, to_cells

N_WAVES = 12
SHORTEST_WAVE, LONGEST_WAVE = 6.0, 600.0
"""Range of wavelengths of the position code, in pixels of the input."""

REACHES = (4.0, 12.0, 36.0)
"""Distances, in pixels of the input, at which the maps of nearness have fallen to 1/e."""

N_MAPS = 2 * (2 + len(REACHES))
SHARPNESS = (1.0, 8.0)
"""How fast likeness at stride 2 falls with the squared distance of looks: to 1/e at its inverse."""

N_FINE_MAPS = 2 * len(SHARPNESS)
FAR = -1.0
"""Similarity that stands for a missing click."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """K prompts of P points on each of B images, as the decoder takes them.

    Attributes:
        tokens: (B, K, P, D).
        real: (B, K, P) bool, False for padding.
        maps: (B, K, N_MAPS, H/4, W/4) similarity and nearness to positive and to negative clicks.
        fine: (B, K, N_FINE_MAPS, H/2, W/2) likeness to them in the finest map.
        rows: (B, K, H/8, 2 N_WAVES) position code of every row of the decoder's cells, and
        columns: (B, K, W/8, 2 N_WAVES) of every column.
    """

    tokens: Tensor
    real: Tensor
    maps: Tensor
    fine: Tensor
    rows: Tensor
    columns: Tensor


class PromptEncoder(nn.Module):
    """Encode clicks with what the image shows under them."""

    def __init__(self, sizes: Architecture) -> None:
        super().__init__()
        n = sizes.decoder
        self.position = nn.Linear(4 * N_WAVES, n)
        self.look = nn.Linear(sizes.embedding + sizes.fine[1], n)
        self.kinds = nn.Embedding(2, n)

    def forward(self, encoded: Encoded, points: Tensor, labels: Tensor) -> Prompts:
        """Encode points (B, K, P, 2) y, x in pixels of the input with labels (B, K, P) 1, 0, -1."""
        first = (labels == 1).long().argmax(-1)
        anchor = points.gather(2, first[..., None, None].expand(-1, -1, 1, 2))
        code = position_code(points - anchor).flatten(-2)
        looks = clicked(encoded, points)
        tokens = self.position(code) + self.look(looks) + self.kinds(labels.clamp_min(0))
        height, width = encoded.tokens.shape[-2:]
        return Prompts(
            tokens=tokens,
            real=labels >= 0,
            maps=click_maps(encoded, looks, points, labels),
            fine=fine_maps(encoded.skip2, points, labels),
            rows=position_code(pixels_of(height, 8, points) - anchor[..., 0]),
            columns=position_code(pixels_of(width, 8, points) - anchor[..., 1]),
        )


def pixels_of(n: int, stride: int, like: Tensor) -> Tensor:
    """Positions (n,) in pixels of the input of the cells along an axis of a map."""
    return stride * torch.arange(n, device=like.device, dtype=like.dtype) + (stride - 1) / 2


def position_code(offset: Tensor) -> Tensor:
    """Code offsets (...) in pixels as sines and cosines (..., 2 N_WAVES)."""
    steps = torch.arange(N_WAVES, device=offset.device, dtype=offset.dtype) / (N_WAVES - 1)
    waves = SHORTEST_WAVE * (LONGEST_WAVE / SHORTEST_WAVE) ** steps
    turns = 2 * torch.pi * offset[..., None] / waves
    return torch.cat([turns.sin(), turns.cos()], dim=-1)


def clicked(encoded: Encoded, points: Tensor) -> Tensor:
    """What the image shows under points (B, K, P, 2): embedding and fine map, (B, K, P, E + fine)."""
    cells = to_cells(points.flatten(1, 2), 4)
    maps = torch.cat([encoded.embedding.to(cells), encoded.skip4.to(cells)], dim=1)
    return read_at(maps, cells).unflatten(1, points.shape[1:3])


def click_maps(encoded: Encoded, looks: Tensor, points: Tensor, labels: Tensor) -> Tensor:
    """Similarity to the clicks in both maps, and nearness to them: (B, K, N_MAPS, H/4, W/4)."""
    n = encoded.embedding.shape[1]
    alike = torch.stack(
        [
            similarity(encoded.embedding, looks[..., :n]),
            similarity(encoded.skip4, looks[..., n:]),
        ],
        dim=3,
    )
    height, width = encoded.embedding.shape[-2:]
    dy = pixels_of(height, 4, points) - points[..., :1]
    dx = pixels_of(width, 4, points) - points[..., 1:]
    distance = (dy.square()[..., :, None] + dx.square()[..., None, :] + 1).sqrt() - 1
    near = torch.stack([(-distance / reach).exp() for reach in REACHES], dim=3)
    return torch.cat(
        [
            strongest(maps, labels == kind, least)
            for kind in (1, 0)
            for maps, least in ((alike, FAR), (near, 0.0))
        ],
        dim=2,
    )


def fine_maps(skip2: Tensor, points: Tensor, labels: Tensor) -> Tensor:
    """Likeness to the clicks in the finest map: (B, K, N_FINE_MAPS, H/2, W/2), where boundaries are sharp."""
    maps = skip2.to(points)
    looks = read_at(maps, to_cells(points.flatten(1, 2), 2)).unflatten(1, points.shape[1:3])
    product = torch.einsum("bkpc,bchw->bkphw", looks, maps)
    squares = looks.square().sum(-1)[..., None, None] + maps.square().sum(1)[:, None, None]
    distance = (squares - 2 * product).clamp_min(0) / maps.shape[1]
    alike = torch.stack([(-sharpness * distance).exp() for sharpness in SHARPNESS], dim=3)
    return torch.cat([strongest(alike, labels == kind, 0.0) for kind in (1, 0)], dim=2)


def similarity(maps: Tensor, looks: Tensor) -> Tensor:
    """Cosine of every cell of (B, C, H, W) with every vector of (B, K, P, C): (B, K, P, H, W)."""
    unit = nn.functional.normalize(maps.to(looks), dim=1)
    return torch.einsum("bkpc,bchw->bkphw", nn.functional.normalize(looks, dim=-1), unit)


def strongest(maps: Tensor, chosen: Tensor, least: float) -> Tensor:
    """Largest of maps (B, K, P, M, H, W) over the chosen points (B, K, P); `least` where there is none."""
    return maps.masked_fill(~chosen[..., None, None, None], least).amax(2)
