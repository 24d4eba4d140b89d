"""A SegVol network small enough for tests, with random weights: 16 x 32 x 48 voxels, 8 x 8 x 12 cells."""

from __future__ import annotations

import torch

from promptreg.nets.segvol_net import SegVolNet, SegVolSizes

SMALL = SegVolSizes(shape=(16, 32, 48), patch=(2, 4, 4), width=64, depth=2, heads=2, score_channels=16)

MASK_GAIN = 16.0
"""Lets clicks change masks by more than the tolerances of tests."""


def small_segvol(*, seed: int = 0) -> SegVolNet:
    """Build every module of the published network, thinner; all weights drawn, none at its initial value."""
    net = SegVolNet(SMALL)
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        norm = tensor.ndim == 1 or name.startswith("mask_decoder.output_upscaling.1.")
        fan = tensor[0].numel() if tensor.ndim > 1 else 1
        spread = 0.1 if norm else 1.0 if len(tensor) in (1, 3) else fan**-0.5
        gain = MASK_GAIN if name == "mask_decoder.output_hypernetworks_mlps.0.layers.2.weight" else 1.0
        middle = float(norm and name.endswith("weight"))
        tensor.copy_(gain * (torch.randn(tensor.shape, generator=generator) * spread + middle))
    return net.eval()
