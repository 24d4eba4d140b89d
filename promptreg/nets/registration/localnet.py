"""LabelReg's LocalNet: a field summed over levels (Hu et al., Med. Image Anal. 49, 2018), MONAI's.

MONAI's module averages its levels, repeats the cells of coarse ones, and in use normalizes by statistics of
all its training, though it was trained on pairs that were normalized one by one. The published network sums,
interpolates linearly, and normalizes every batch by itself; so does this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from promptreg.nets.registration.voxelmorph import scaled

CHANNELS = 32
LEVELS = (0, 1, 2, 3, 4)
LINEAR = {2: "bilinear", 3: "trilinear"}


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
            mode=LINEAR[len(shape)],
            align_corners=False,
        )
        levels: Any = self.net.output_block
        levels.mode, levels.align_corners = LINEAR[len(shape)], False
        for norm in self.net.modules():
            if isinstance(norm, nn.modules.batchnorm._BatchNorm):
                norm.track_running_stats = False
                norm.running_mean = norm.running_var = norm.num_batches_tracked = None

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Return the voxel-form field (B, ndim, *shape) of images (B, 1, *shape), sides multiples of 16.

        Images of one batch are normalized together.
        """
        return len(LEVELS) * self.net(torch.cat([moving, fixed], dim=1))
