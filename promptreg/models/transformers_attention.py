"""Fused attention for the image encoders of `SamModel` and `SamHQModel`.

Their own attention keeps the bias of all heads for every pair of cells: 768 MiB an image with 12 heads.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from promptreg.models.fast_attention import FastAttention


class FusedAttention(FastAttention):
    """A drop-in for the attention of `transformers`: its parameters under their names, equal results."""

    def __init__(self, original: Any) -> None:
        original.num_heads = original.num_attention_heads
        super().__init__(original)

    def forward(self, hidden_states: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        """Attend between all cells of (B, H, W, C); no weights are kept for the layer."""
        return super().forward(hidden_states), None


def fuse(encoder: Any) -> None:
    """Replace every attention of an encoder, in place."""
    for layer in encoder.layers:
        if not isinstance(layer.attn, FusedAttention):
            layer.attn = FusedAttention(layer.attn)
