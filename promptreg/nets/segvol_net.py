"""The network of SegVol (Du et al., arXiv:2311.13385) for clicks: a transformer over a whole volume.

Modules bear the names of the released weights; the parts for text, boxes and former masks are left out.
Positions of clicks are coded as (i / J, j / I, k / K), those of cells as (j / J, i / I, k / K): so the model
was trained, and so it must be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from promptreg.nets.volume_decoder import VolumeDecoder
from promptreg.nets.volume_vit import VolumeSizes


@dataclass(frozen=True)
class SegVolSizes:
    """Sizes of the network; the defaults are those of the released weights.

    `shape` is that of the volumes that it sees and `patch` that of a cell, in voxels, (up, front, right).
    """

    shape: tuple[int, int, int] = (32, 256, 256)
    patch: tuple[int, int, int] = (4, 16, 16)
    width: int = 768
    depth: int = 12
    heads: int = 12
    score_channels: int = 256

    @property
    def cells(self) -> tuple[int, ...]:
        """Number of cells along each axis."""
        return tuple(n // p for n, p in zip(self.shape, self.patch, strict=True))


class SegVolNet(nn.Module):
    """The three parts, as the released weights name them."""

    def __init__(self, sizes: SegVolSizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes or SegVolSizes()
        self.image_encoder = SegVolViT(self.sizes)
        self.prompt_encoder = SegVolPrompts(self.sizes)
        self.mask_decoder = SegVolDecoder(self.sizes)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.prompt_encoder.no_mask_embed.weight.device

    def masks(self, cells: Tensor, points: Tensor, labels: Tensor) -> Tensor:
        """Logits (B, 1, 4 I', 4 J', 4 K') of one volume's cells (C, I', J', K') and B prompts of P clicks.

        `points` (B, P, 3) are in voxels of `sizes.shape`, `labels` (B, P) are 1 or 0.
        """
        tokens = self.prompt_encoder.tokens(points, labels)
        image = cells + self.prompt_encoder.no_mask_embed.weight[0, :, None, None, None]
        images = image.expand(len(tokens), *image.shape)
        return self.mask_decoder(images, self.prompt_encoder.places(), tokens)


class SegVolViT(nn.Module):
    """Encode volumes (N, 1, I, J, K) as (N, C, I', J', K')."""

    def __init__(self, sizes: SegVolSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.patch_embedding = Patches(sizes)
        self.blocks = nn.ModuleList(Block(sizes.width, n_heads=sizes.heads) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, volumes: Tensor) -> Tensor:
        """Encode normalized volumes."""
        cells = self.patch_embedding(volumes)
        for block in self.blocks:
            cells = block(cells)
        return self.norm(cells).mT.unflatten(2, self.sizes.cells)


class Patches(nn.Module):
    """Cut volumes (N, 1, I, J, K) into cells and project each: (N, cells, C), with places added."""

    def __init__(self, sizes: SegVolSizes) -> None:
        super().__init__()
        i, j, k = self.patch = sizes.patch
        self.patch_embeddings = nn.Sequential(nn.Identity(), nn.Linear(i * j * k, sizes.width))
        n_cells = torch.Size(sizes.cells).numel()
        self.position_embeddings = nn.Parameter(torch.zeros(1, n_cells, sizes.width))

    def forward(self, volumes: Tensor) -> Tensor:
        """Project cells."""
        i, j, k = self.patch
        cut = volumes[:, 0].unflatten(3, (-1, k)).unflatten(2, (-1, j)).unflatten(1, (-1, i))
        flat = cut.permute(0, 1, 3, 5, 2, 4, 6).flatten(4).flatten(1, 3)
        return self.patch_embeddings(flat) + self.position_embeddings


class Block(nn.Module):
    """Attention, then a perceptron in every cell, each beside an identity."""

    def __init__(self, width: int, *, n_heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = SelfAttention(width, n_heads=n_heads)
        wider, back = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.mlp = nn.ModuleDict({"linear1": wider, "linear2": back})

    def forward(self, cells: Tensor) -> Tensor:
        """Update cells (N, cells, C)."""
        cells = cells + self.attn(self.norm1(cells))
        inner = nn.functional.gelu(self.mlp["linear1"](self.norm2(cells)))
        return cells + self.mlp["linear2"](inner)


class SelfAttention(nn.Module):
    """Attention of cells to each other with several heads."""

    def __init__(self, width: int, *, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv, self.out_proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)

    def forward(self, cells: Tensor) -> Tensor:
        """Attend among cells (N, cells, C)."""
        query, key, value = self.qkv(cells).unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out_proj(scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class SegVolPrompts(nn.Module):
    """Encode clicks in a volume, and where its cells lie."""

    def __init__(self, sizes: SegVolSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.pe_layer = nn.Module()
        self.pe_layer.register_buffer("positional_encoding_gaussian_matrix", torch.zeros(3, sizes.width // 2))
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, sizes.width) for _ in range(4))
        self.not_a_point_embed, self.no_mask_embed = (nn.Embedding(1, sizes.width) for _ in range(2))

    def tokens(self, points: Tensor, labels: Tensor) -> Tensor:
        """Tokens (B, P + 1, C) of points (B, P, 3) i, j, k in voxels with labels (B, P) 1 or 0.

        The last token stands for "no box".
        """
        i, j, k = self.sizes.shape
        kinds = torch.cat(list(self.point_embeddings.parameters()))
        clicks = self.waves((points + 0.5) / points.new_tensor([j, i, k])) + kinds[labels]
        return torch.cat([clicks, self.not_a_point_embed.weight.expand(len(points), 1, -1)], dim=1)

    def places(self) -> Tensor:
        """The code of where cells lie, (1, C, *cells)."""
        like = self.no_mask_embed.weight
        axes = ((torch.arange(n).to(like) + 0.5) / n for n in self.sizes.cells)
        i, j, k = torch.meshgrid(*axes, indexing="ij")
        return self.waves(torch.stack([j, i, k], dim=-1)).movedim(-1, 0)[None]

    def waves(self, unit: Tensor) -> Tensor:
        """Code positions (..., 3) by sines and cosines: (..., C)."""
        phase = 2 * pi * (2 * unit - 1) @ self.pe_layer.get_buffer("positional_encoding_gaussian_matrix")
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class SegVolDecoder(VolumeDecoder):
    """The decoder of SAM-Med3D, but for a normalization over whole maps."""

    def __init__(self, sizes: SegVolSizes) -> None:
        super().__init__(VolumeSizes(embedding=sizes.width, score_channels=sizes.score_channels))
        self.output_upscaling[1] = nn.LayerNorm((sizes.width // 4, *(2 * n for n in sizes.cells)))
