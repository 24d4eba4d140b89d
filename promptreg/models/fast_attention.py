"""The attention of Segment Anything's image encoder by fused kernels, with the published weights.

The package's own attention adds the relative positions to logits that it keeps for every pair of cells,
and takes their softmax by itself. Here they are a bias of `scaled_dot_product_attention`, for a few heads
at a time: for 64 x 64 cells the bias of one head alone has 64 MiB in single precision.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

BIAS_ELEMENTS = 1 << 26
"""Most elements of the bias at a time."""


class FastAttention(nn.Module):
    """A drop-in for `segment_anything`'s attention: its parameters under their names, equal results."""

    qkv: nn.Linear
    proj: nn.Linear
    rel_pos_h: Tensor
    rel_pos_w: Tensor

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.num_heads: int = original.num_heads
        self.use_rel_pos: bool = original.use_rel_pos
        self.qkv, self.proj = original.qkv, original.proj
        if self.use_rel_pos:
            self.rel_pos_h, self.rel_pos_w = original.rel_pos_h, original.rel_pos_w

    def forward(self, x: Tensor) -> Tensor:
        """Attend between all cells of (B, H, W, C)."""
        batch, height, width, _ = x.shape
        qkv = self.qkv(x).reshape(batch, height * width, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.flatten(1, 2)[:, :, None].unbind(0)
        together = max(BIAS_ELEMENTS // (height * width) ** 2, 1)
        heads = zip(*(part.split(together) for part in (q, k, v)), strict=True)
        mixed = torch.cat(
            [scaled_dot_product_attention(a, b, c, self._bias(a, height, width)) for a, b, c in heads]
        )
        return self.proj(
            mixed.view(batch, self.num_heads, height, width, -1).permute(0, 2, 3, 1, 4).flatten(3)
        )

    def _bias(self, q: Tensor, height: int, width: int) -> Tensor | None:
        """Relative positions' share of the logits, (N, 1, H W, H W), of queries (N, 1, H W, C)."""
        if not self.use_rel_pos:
            return None
        cells = q.reshape(len(q), height, width, -1)
        rows = torch.einsum("nhwc,hkc->nhwk", cells, relative(self.rel_pos_h, height)).contiguous()
        columns = torch.einsum("nhwc,wkc->nhwk", cells, relative(self.rel_pos_w, width)).contiguous()
        return (rows[..., None] + columns[..., None, :]).view(len(q), 1, height * width, height * width)


def relative(table: Tensor, n: int) -> Tensor:
    """Positions (n, n, C) of keys relative to queries, from a table (2 n - 1, C) of all differences.

    A table made for another number of cells is interpolated, as the package does.
    """
    if len(table) != 2 * n - 1:
        table = nn.functional.interpolate(table.T[None], size=2 * n - 1, mode="linear")[0].T
    place = torch.arange(n, device=table.device)
    return table[place[:, None] - place + n - 1]


def with_fast_attention(encoder: nn.Module) -> nn.Module:
    """Replace every attention of `segment_anything` in an encoder, in place; other kinds stay as they are."""
    from segment_anything.modeling.image_encoder import Attention

    for module in list(encoder.modules()):
        for name, child in list(module.named_children()):
            if type(child) is Attention:
                setattr(module, name, FastAttention(child))
    return encoder
