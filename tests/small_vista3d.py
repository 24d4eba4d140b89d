"""A VISTA3D network small enough for tests, with random weights: cubes of 32 voxels, cells of 2."""

from __future__ import annotations

import torch
from monai.networks.nets import VISTA3D, SegResNetDS2
from monai.networks.nets.vista3d import ClassMappingClassify, PointMappingSAM

CHANNELS = 16
SIDE = 32
KNOWN_CLASSES = 2
MASK_GAIN = 8.0
"""Lets clicks change masks by more than the tolerances of tests."""


def small_vista3d(*, seed: int = 0) -> VISTA3D:
    """Build every module of the published network, thinner; all weights drawn, none at its initial value."""
    encoder = SegResNetDS2(
        in_channels=1,
        blocks_down=(1, 1, 1),
        norm="instance",
        out_channels=CHANNELS,
        init_filters=8,
        dsdepth=1,
    )
    clicks = PointMappingSAM(feature_size=CHANNELS, n_classes=4, last_supported=KNOWN_CLASSES)
    classes = ClassMappingClassify(n_classes=4, feature_size=CHANNELS, use_mlp=True)
    net = VISTA3D(encoder, classes, clicks)
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        fan = tensor[0].numel() if tensor.ndim > 1 else 1
        table = len(tensor) == 1 or "embed" in name or name.endswith("gaussian_matrix")
        spread = 0.1 if tensor.ndim == 1 else 1.0 if table else fan**-0.5
        middle = float(tensor.ndim == 1 and name.endswith("weight"))
        gain = MASK_GAIN if name == "point_head.output_hypernetworks_mlps.layers.2.weight" else 1.0
        tensor.copy_(gain * (torch.randn(tensor.shape, generator=generator) * spread + middle))
    return net.eval()
