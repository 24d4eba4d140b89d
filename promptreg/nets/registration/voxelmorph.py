"""VoxelMorph: a small U-Net on both images (Balakrishnan et al., IEEE TMI 38(8), 2019), MONAI's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

CHANNELS = (16, 32, 32, 32, 32, 32)
LAST_CHANNELS = (16, 16)
SQUARINGS = 7
FIRST_FLOW = 1e-5
"""Standard deviation of the last layer's first weights: training begins at the identity."""


class VoxelMorphNet(nn.Module):
    """The published network; its velocity is integrated, so that the field is a diffeomorphism."""

    def __init__(self, shape: Sequence[int], width: float) -> None:
        from monai.networks.nets import VoxelMorph, VoxelMorphUNet

        super().__init__()
        unet = VoxelMorphUNet(
            spatial_dims=len(shape),
            in_channels=2,
            unet_out_channels=scaled(CHANNELS[1], width),
            channels=[scaled(n, width) for n in CHANNELS],
            final_conv_channels=[scaled(n, width) for n in LAST_CHANNELS],
        )
        begin_still(unet.get_submodule("net.1.final_conv_out.conv"))
        self.net = VoxelMorph(unet, SQUARINGS, half_res=False, spatial_dims=len(shape))

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Return the voxel-form field (B, ndim, *shape) of images (B, 1, *shape), sides multiples of 16."""
        velocity = self.net.backbone(torch.cat([moving, fixed], dim=1)).float()
        return self.net.dvf2ddf(velocity)


def scaled(channels: int, width: float) -> int:
    """Return a share of some channels, a multiple of four."""
    return max(4, 4 * round(channels * width / 4))


def begin_still(layer: nn.Module) -> None:
    """Draw the weights of the convolution that gives the field so small that the field is nearly zero."""
    for name, one in layer.named_parameters():
        nn.init.normal_(one, std=FIRST_FLOW if name == "weight" else 0.0)
