"""VoxelMorph: a small U-Net on both images (Balakrishnan et al., IEEE TMI 38(8), 2019), MONAI's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

CHANNELS = (16, 32, 32, 32, 32, 32)
LAST_CHANNELS = (16, 16)
SQUARINGS = 7
FIRST_FLOW = 1e-5
"""Standard deviation of the last layer's first weights: training begins at the identity."""


class VoxelMorphNet(nn.Module):
    """The published network; its velocity is integrated, so that the field is a diffeomorphism.

    `halved` has every block of 2^ndim cells as the channels of one, and the field at half of the resolution:
    an eighth of the work in volumes, nothing of the images is lost.
    """

    def __init__(self, shape: Sequence[int], width: float, *, halved: bool = False) -> None:
        from monai.networks.nets import VoxelMorph, VoxelMorphUNet

        super().__init__()
        self.block = 2 if halved else 1
        unet = VoxelMorphUNet(
            spatial_dims=len(shape),
            in_channels=2 * self.block ** len(shape),
            unet_out_channels=scaled(CHANNELS[1], width),
            channels=[scaled(n, width) for n in CHANNELS],
            final_conv_channels=[scaled(n, width) for n in LAST_CHANNELS],
        )
        begin_still(unet.get_submodule("net.1.final_conv_out.conv"))
        self.net = VoxelMorph(unet, SQUARINGS, half_res=False, spatial_dims=len(shape))

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Return the voxel-form field (B, ndim, *shape) of images (B, 1, *shape), sides multiples of 32."""
        both = blocks_as_channels(torch.cat([moving, fixed], dim=1), self.block)
        field = self.net.dvf2ddf(self.net.backbone(both).float())
        if self.block == 1:
            return field
        mode = {4: "bilinear", 5: "trilinear"}[field.ndim]
        return self.block * interpolate(field, fixed.shape[2:], mode=mode)


def blocks_as_channels(images: Tensor, side: int) -> Tensor:
    """Return images (B, C, *shape) as (B, C * side^ndim, *(shape / side)): a block of cells is one cell."""
    for axis in range(2, images.ndim):
        images = images.unflatten(axis, (-1, side)).movedim(axis + 1, 2).flatten(1, 2)
    return images


def scaled(channels: int, width: float) -> int:
    """Return a share of some channels, a multiple of four."""
    return max(4, 4 * round(channels * width / 4))


def begin_still(layer: nn.Module) -> None:
    """Draw the weights of the convolution that gives the field so small that the field is nearly zero."""
    for name, one in layer.named_parameters():
        nn.init.normal_(one, std=FIRST_FLOW if name == "weight" else 0.0)
