"""The network `pocket` thin enough for tests, with random weights none of which is zero."""

from __future__ import annotations

import torch
from torch import Tensor

from promptreg.nets.encoder import Architecture
from promptreg.nets.pocket_net import PocketNet, seeded

SMALL_SIZES = Architecture(
    widths=(16, 16, 32, 32), blocks=(1, 1, 1, 1), attention=1, embedding=32, decoder=16, heads=2
)


def scene(side: int, seed: int = 0) -> Tensor:
    """Smooth noise (1, 3, side, side) in [0, 1]."""
    coarse = torch.rand(1, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)


def small_pocket(*, seed: int = 0) -> PocketNet:
    """Build the network; branches that begin at zero in training get weights too."""
    net = seeded(seed, SMALL_SIZES).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.add_(0.03 * torch.randn(parameter.shape, generator=generator))
    return net
