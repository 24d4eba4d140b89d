"""A Segment Anything model small enough for tests, with random weights: 128 pixels, 8 x 8 cells."""

from __future__ import annotations

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer


def small_sam(*, seed: int = 0, side: int = 128) -> Sam:
    """Build every module of the published model, thinner; all weights drawn, none at its initial zero."""
    channels, cells = 32, side // 16
    encoder = ImageEncoderViT(
        img_size=side,
        embed_dim=32,
        depth=2,
        num_heads=2,
        out_chans=channels,
        use_rel_pos=True,
        window_size=5,
        global_attn_indexes=(1,),
    )
    prompts = PromptEncoder(channels, (cells, cells), (side, side), 4)
    transformer = TwoWayTransformer(depth=2, embedding_dim=channels, mlp_dim=64, num_heads=2)
    decoder = MaskDecoder(transformer_dim=channels, transformer=transformer, iou_head_hidden_dim=32)
    sam = Sam(encoder, prompts, decoder)
    generator = torch.Generator().manual_seed(seed)
    for tensor in [*sam.parameters(), prompts.pe_layer.positional_encoding_gaussian_matrix]:
        spread = 0.1 if tensor.ndim == 1 else 1.0 if len(tensor) == 1 else tensor.shape[-1] ** -0.5
        drawn = torch.randn(tensor.shape, generator=generator) * spread
        tensor.data.copy_(drawn + (tensor.ndim == 1))
    return sam.eval()
