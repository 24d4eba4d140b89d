"""The image encoder of SAM-Med3D (Wang et al., arXiv:2310.15161): a transformer over the cells of a cube.

Modules bear the names of the released weights. Its windows are wider than the cube (14 cells over 8), so a
window is the whole cube with empty cells beyond its far faces, which are attended to like any others: their
keys and values are the biases. Nothing reads what empty cells attend to, so here they ask nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.modeling.common import MLPBlock
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

NORM_EPS = 1e-6


@dataclass(frozen=True)
class VolumeSizes:
    """Sizes of the network; the defaults are those of the released weights ("vit_b_ori").

    `side` and `patch` are in voxels, `window` in cells; blocks that are numbered in `whole` have no window.
    """

    side: int = 128
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    window: int = 14
    whole: tuple[int, ...] = (2, 5, 8, 11)
    embedding: int = 384
    mask_channels: int = 16
    score_channels: int = 256

    @property
    def cells(self) -> int:
        """Number of cells along an axis of the cube."""
        return self.side // self.patch


class VolumeViT(nn.Module):
    """Encode cubes (N, 1, side, side, side) as (N, embedding, cells, cells, cells)."""

    def __init__(self, sizes: VolumeSizes) -> None:
        super().__init__()
        width, n_cells = sizes.width, sizes.cells
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(1, width, sizes.patch, stride=sizes.patch)})
        self.pos_embed = nn.Parameter(torch.zeros(1, n_cells, n_cells, n_cells, width))
        reaches = [n_cells if i in sizes.whole else sizes.window for i in range(sizes.depth)]
        self.blocks = nn.ModuleList(Block(width, n_heads=sizes.heads, reach=reach) for reach in reaches)
        self.neck = nn.Sequential(
            nn.Conv3d(width, sizes.embedding, 1, bias=False),
            ChannelNorm(sizes.embedding),
            nn.Conv3d(sizes.embedding, sizes.embedding, 3, padding=1, bias=False),
            ChannelNorm(sizes.embedding),
        )

    def forward(self, cubes: Tensor) -> Tensor:
        """Encode normalized cubes."""
        cells = self.patch_embed["proj"](cubes).movedim(1, -1) + self.pos_embed
        for block in self.blocks:
            cells = block(cells)
        return self.neck(cells.movedim(-1, 1))


class Block(nn.Module):
    """Attention, then a perceptron in every cell, each beside an identity."""

    def __init__(self, width: int, *, n_heads: int, reach: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=NORM_EPS) for _ in range(2))
        self.attn = CubeAttention(width, n_heads=n_heads, reach=reach)
        self.mlp = MLPBlock(width, 4 * width)

    def forward(self, cells: Tensor) -> Tensor:
        """Map (N, X, Y, Z, width) to the same shape."""
        cells = cells + self.attn(self.norm1(cells))
        return cells + self.mlp(self.norm2(cells))


class CubeAttention(nn.Module):
    """Attention between all cells of a cube, and to empty ones that fill it up to `reach` along each axis.

    Positions are relative and enter by axis (Li et al., MViTv2, arXiv:2112.01526), but not as there: the code
    that trained the weights mixes axes up, and so they must stay. With Q(i, j, k) the query of a cell and
    D, H, W the tables, the logit from (x, y, z) to (a, b, c) gains
    Q(x, y, z) . D[x - c] + Q(x, y, a) . H[y - c] + Q(x, y, b) . W[b - c].
    """

    rel_pos_d: nn.Parameter
    rel_pos_h: nn.Parameter
    rel_pos_w: nn.Parameter

    def __init__(self, width: int, *, n_heads: int, reach: int) -> None:
        super().__init__()
        self.n_heads, self.reach = n_heads, reach
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        for axis in "dhw":
            table = torch.zeros(2 * reach - 1, width // n_heads)
            self.register_parameter(f"rel_pos_{axis}", nn.Parameter(table))

    def forward(self, cells: Tensor) -> Tensor:
        """Map (N, X, Y, Z, width) to the same shape; ValueError if an axis has more cells than the reach."""
        shape = cells.shape[1:4]
        if max(shape) > self.reach:
            raise ValueError(f"a cube of {tuple(shape)} cells does not fit a window of {self.reach} cells")
        query, key, value = self._heads(self.qkv(cells)).unbind(2)
        empty = self._heads(self.qkv.bias.expand(1, 1, 1, 1, -1)).unbind(2)
        row = filled_up(query, empty[0], (*shape[:2], self.reach))
        key, value = (
            filled_up(one, nothing, (self.reach,) * 3).flatten(2, 4)
            for one, nothing in zip((key, value), empty[1:], strict=True)
        )
        by_position = self._by_position(query, row)
        attended = scaled_dot_product_attention(query.flatten(2, 4), key, value, attn_mask=by_position)
        return self.proj(attended.movedim(1, 2).flatten(2)).unflatten(1, shape)

    def _heads(self, channels: Tensor) -> Tensor:
        """(N, X, Y, Z, 3 width) to (N, heads, 3, X, Y, Z, c)."""
        return channels.unflatten(-1, (3, self.n_heads, -1)).permute(0, 5, 4, 1, 2, 3, 6)

    def _by_position(self, query: Tensor, row: Tensor) -> Tensor:
        """What positions add to all logits, (N, heads, X Y Z, reach^3).

        `query` (N, heads, X, Y, Z, c) are the queries, `row` (N, heads, X, Y, reach, c) with empty cells too.
        """
        n_x, n_y = query.shape[2:4]
        d, h = relative(self.rel_pos_d, n_x, self.reach), relative(self.rel_pos_h, n_y, self.reach)
        w = relative(self.rel_pos_w, self.reach, self.reach)
        by_d = torch.einsum("nhxyzi,xci->nhxyzc", query, d)[..., None, None, :]
        by_h = torch.einsum("nhxyai,yci->nhxyac", row, h)[..., None, :, None, :]
        by_w = torch.einsum("nhxybi,bci->nhxybc", row, w)[..., None, None, :, :]
        return (by_d + by_h + by_w).flatten(5).flatten(2, 4)


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of maps (N, C, *spatial)."""

    def __init__(self, n_channels: int) -> None:
        super().__init__(n_channels, eps=NORM_EPS)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, *spatial) to the same shape."""
        return super().forward(maps.movedim(1, -1)).movedim(-1, 1)


def filled_up(cells: Tensor, empty: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Cells (N, heads, x, y, z, c) with empty ones (1, heads, 1, 1, 1, c) beyond: (N, heads, *shape, c)."""
    x, y, z = cells.shape[2:5]
    full = empty.expand(len(cells), -1, *shape, -1).clone()
    full[:, :, :x, :y, :z] = cells
    return full


def relative(table: Tensor, n_cells: int, reach: int) -> Tensor:
    """Rows of a table (2 reach - 1, c) from each of `n_cells` to each of `reach`: (n_cells, reach, c)."""
    cells = torch.arange(reach, device=table.device)
    return table[cells[:n_cells, None] - cells + reach - 1]
