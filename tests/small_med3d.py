"""A SAM-Med3D network small enough for tests, with random weights: cubes of 32 voxels, 8 x 8 x 8 cells."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from promptreg.nets.volume_decoder import VolumeSam
from promptreg.nets.volume_vit import VolumeSizes

SMALL = VolumeSizes(
    side=32,
    patch=4,
    width=24,
    depth=2,
    heads=2,
    window=10,
    whole=(1,),
    embedding=48,
    mask_channels=32,
    score_channels=16,
)

MASK_GAIN = 4.0
"""Lets clicks change masks by more than the tolerances of tests."""


def drawn(module: nn.Module, *, seed: int = 0) -> None:
    """Draw all weights of a network in place, none at its initial value."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        fan = tensor[0].numel() if tensor.ndim > 1 else 1
        spread = 0.1 if tensor.ndim == 1 else 1.0 if len(tensor) in (1, 3) else fan**-0.5
        gain = MASK_GAIN if name == "mask_decoder.output_hypernetworks_mlps.0.layers.2.weight" else 1.0
        middle = float(tensor.ndim == 1 and name.endswith("weight"))
        draw = torch.randn(tensor.shape, generator=generator) * spread + middle
        tensor.copy_(gain * draw)


def reference_med3d() -> nn.Module:
    """Build the same network by the package `medim`, with weights of its own."""
    from medim.models.sam_med3d import ImageEncoderViT3D, MaskDecoder3D, PromptEncoder3D, SAM_Med3D

    encoder = ImageEncoderViT3D(
        img_size=SMALL.side,
        patch_size=SMALL.patch,
        embed_dim=SMALL.width,
        depth=SMALL.depth,
        num_heads=SMALL.heads,
        window_size=SMALL.window,
        global_attn_indexes=SMALL.whole,
        out_chans=SMALL.embedding,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
    )
    prompts = PromptEncoder3D(SMALL.embedding, (SMALL.cells,) * 3, (SMALL.side,) * 3, SMALL.mask_channels)
    decoder = MaskDecoder3D(transformer_dim=SMALL.embedding, iou_head_hidden_dim=SMALL.score_channels)
    return SAM_Med3D(encoder, prompts, decoder).eval()


def small_med3d(*, seed: int = 0) -> VolumeSam:
    """Build every module of the published network, thinner."""
    net = VolumeSam(SMALL)
    drawn(net, seed=seed)
    return net.eval()
