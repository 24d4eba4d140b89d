"""LabelReg's LocalNet: a field summed over levels (Hu et al., Med. Image Anal. 49, 2018), MONAI's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from promptreg.nets.registration.voxelmorph import scaled

CHANNELS = 32
LEVELS = (0, 1, 2, 3)


class LocalRegistrationNet(nn.Module):
    """The published network without its affine stage, as every method here starts from a pre-alignment."""

    def __init__(self, shape: Sequence[int], width: float) -> None:
        from monai.networks.nets import LocalNet

        super().__init__()
        self.net = LocalNet(
            spatial_dims=len(shape),
            in_channels=2,
            num_channel_initial=scaled(CHANNELS, width),
            extract_levels=LEVELS,  # type: ignore[arg-type]
            out_kernel_initializer="zeros",
            out_channels=len(shape),
        )

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Return the voxel-form field (B, ndim, *shape) of images (B, 1, *shape), sides multiples of 8."""
        return self.net(torch.cat([moving, fixed], dim=1))
