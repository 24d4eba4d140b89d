"""The two-way attention between prompts and image that the family of Segment Anything shares.

The modules are those of the package `transformers`; its own `forward` is passed by, because it repeats the
image for every prompt before the first projection and runs kernels without forward derivatives. Here the
image stays one item until the prompts' attention makes it differ, and every step has both kinds.
"""

from __future__ import annotations

from math import pi
from typing import Any

import torch
from torch import Tensor


def attend(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend from `query` (B, Q, C) to `key` and `value` (B, K, C); (B, Q, C). B broadcasts where it is one.

    `attention` has the projections `q_proj`, `k_proj`, `v_proj`, and `o_proj` or `out_proj`.
    """
    heads = attention.num_attention_heads
    projections = ((attention.q_proj, query), (attention.k_proj, key), (attention.v_proj, value))
    q, k, v = (project(x).unflatten(-1, (heads, -1)).transpose(1, 2) for project, x in projections)
    weights = (q @ k.mT * attention.scaling).softmax(dim=-1)
    merged = (weights @ v).transpose(1, 2).flatten(2)
    out = attention.o_proj if hasattr(attention, "o_proj") else attention.out_proj
    return out(merged)


def two_way(transformer: Any, tokens: Tensor, image: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
    """Let prompts and one image attend to each other.

    Args:
        transformer: the two-way transformer of a mask decoder.
        tokens: (B, T, C) tokens of B prompts.
        image: (1, N, C) cells of the image.
        position: (1, N, C) position codes of the cells.

    Returns:
        The tokens (B, T, C) and the cells (B, N, C) after attention.
    """
    queries, keys = tokens, image
    for layer in transformer.layers:
        queries, keys = _layer(layer, queries, keys, tokens, position)
    found = attend(transformer.final_attn_token_to_image, queries + tokens, keys + position, keys)
    return transformer.layer_norm_final_attn(queries + found), keys


def prompted(net: Any, own: Tensor, features: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    """Let the tokens of B prompts and one image attend to each other, as every mask decoder begins.

    Args:
        net: the whole model.
        own: (S, C) the decoder's own tokens, which stand before those of the prompt.
        features: (C, n, n) of the image.
        prompts: (B, T, C) from `point_tokens`.

    Returns:
        All tokens (B, S + T, C) and the cells (B, C, n, n) after attention.
    """
    tokens = torch.cat([own.expand(len(prompts), -1, -1), prompts], dim=1)
    image = features.flatten(1).mT[None] + net.prompt_encoder.no_mask_embed.weight
    position = cell_positions(net.shared_image_embedding.positional_embedding, features.shape[-1])
    attended, cells = two_way(net.mask_decoder.transformer, tokens, image, position)
    return attended, cells.mT.unflatten(2, features.shape[1:])


def masks_from(heads: Any, tokens: Tensor, fine: Tensor) -> Tensor:
    """Masks (B, M, Y, X) of M mask tokens (B, M, C) with a head each, on maps `fine` (B, C', Y, X)."""
    weights = torch.stack([head(tokens[:, i]) for i, head in enumerate(heads)], dim=1)
    return torch.einsum("bmc,bchw->bmhw", weights, fine)


def point_tokens(encoder: Any, points: Tensor, labels: Tensor) -> Tensor:
    """Prompt tokens (B, P + 1, C) of points (B, P, 2), x, y as fractions of the encoder's input.

    `labels` (B, P) are 1 or 0. The last token is the padding that stands for "no box".
    """
    kinds = encoder.point_embed
    weights = kinds.weight if isinstance(kinds, torch.nn.Embedding) else torch.cat([k.weight for k in kinds])
    position = fourier(encoder.shared_embedding.positional_embedding, points)
    nothing = encoder.not_a_point_embed.weight.expand(len(points), 1, -1)
    return torch.cat([position + weights[labels], nothing], dim=1)


def cell_positions(frequencies: Tensor, n_cells: int) -> Tensor:
    """Position codes (1, n_cells * n_cells, C) of the cells of a square image, in row order."""
    centres = (torch.arange(n_cells, device=frequencies.device, dtype=frequencies.dtype) + 0.5) / n_cells
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return fourier(frequencies, torch.stack([x, y], dim=-1)).flatten(0, 1)[None]


def fourier(frequencies: Tensor, unit: Tensor) -> Tensor:
    """Sines and cosines (..., C) of positions (..., 2) x, y in [0, 1]; `frequencies` is (2, C / 2)."""
    phase = 2 * pi * (2 * unit - 1) @ frequencies
    return torch.cat([phase.sin(), phase.cos()], dim=-1)


def _layer(
    layer: Any, queries: Tensor, keys: Tensor, tokens: Tensor, position: Tensor
) -> tuple[Tensor, Tensor]:
    """One layer: among tokens, from tokens to image, a perceptron, from image to tokens."""
    if layer.skip_first_layer_pe:
        queries = attend(layer.self_attn, queries, queries, queries)
    else:
        placed = queries + tokens
        queries = queries + attend(layer.self_attn, placed, placed, queries)
    queries = layer.layer_norm1(queries)
    placed_keys = keys + position
    found = attend(layer.cross_attn_token_to_image, queries + tokens, placed_keys, keys)
    queries = layer.layer_norm2(queries + found)
    queries = layer.layer_norm3(queries + layer.mlp(queries))
    told = attend(layer.cross_attn_image_to_token, placed_keys, queries + tokens, queries)
    return queries, layer.layer_norm4(keys + told)
