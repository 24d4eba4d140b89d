"""A network of nnInteractive small enough for tests, random weights: cubes of 16 voxels, three stages."""

from __future__ import annotations

import torch

from promptreg.nets.residual_unet import ResidualUNet

SIDE = 16


def small_nninteractive(*, seed: int = 0) -> ResidualUNet:
    """Build every module of the published network, thinner; all weights drawn in the order of their names."""
    net = ResidualUNet(widths=(6, 8, 10), blocks=(1, 2, 1))
    generator = torch.Generator().manual_seed(seed)
    for _, tensor in sorted(net.state_dict().items()):
        spread = 0.1 if tensor.ndim == 1 else tensor[0].numel() ** -0.5
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread + (tensor.ndim == 1))
    return net.eval()
