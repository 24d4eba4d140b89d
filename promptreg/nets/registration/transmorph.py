"""TransMorph: a Swin transformer with a convolutional decoder (Chen et al., Med. Image Anal. 82, 2022).

Built on MONAI's transformer, so published weights do not fit. The skip at a quarter of the resolution is
taken before the first stage of attention, not after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from promptreg.nets.registration.voxelmorph import begin_still

EMBEDDED = 96
DEPTHS, HEADS = (2, 2, 4, 2), (4, 4, 8, 8)
PATCH = 4
DROP_PATH = 0.3
LAST_CHANNELS = 16
Convolution = Callable[..., nn.Module]

COARSEST = 32
"""Cells of the image to one token of the last stage; windows have as many tokens, as published."""


class TransMorphNet(nn.Module):
    """Swin encoder, decoder, and two convolutional skips at full and at half resolution."""

    def __init__(self, shape: Sequence[int], width: float) -> None:
        super().__init__()
        ndim = len(shape)
        embedded = 8 * max(1, round(EMBEDDED * width / 8))
        self.body = _body(shape, embedded)
        conv: Convolution = {2: nn.Conv2d, 3: nn.Conv3d}[ndim]
        widths = [8 * embedded, 4 * embedded, 2 * embedded, embedded, embedded // 2, LAST_CHANNELS]
        skips = [4 * embedded, 2 * embedded, embedded, embedded // 2, LAST_CHANNELS]
        self.halves = _Block(conv, 2, skips[3])
        self.full = _Block(conv, 2, skips[4])
        self.up = nn.ModuleList(
            nn.Sequential(_Block(conv, below + skip, here), _Block(conv, here, here))
            for below, skip, here in zip(widths, skips, widths[1:], strict=False)
        )
        self.last = conv(LAST_CHANNELS, ndim, 3, padding=1)
        begin_still(self.last)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Return the voxel-form field (B, ndim, *shape) of images (B, 1, *shape), sides multiples of 32."""
        both = torch.cat([moving, fixed], dim=1)
        tokens = self.body(both)
        half = interpolate(both, scale_factor=0.5, mode="area")
        skips = [tokens[2], tokens[1], tokens[0], self.halves(half), self.full(both)]
        x = tokens[4]
        for block, skip in zip(self.up, skips, strict=True):
            x = block(torch.cat([_to(x, skip), skip], dim=1))
        return self.last(x)


class _Block(nn.Module):
    """Convolution, instance norm and leaky ReLU."""

    def __init__(self, conv: Convolution, channels: int, out: int) -> None:
        super().__init__()
        self.conv = conv(channels, out, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        # A map of one cell has no variance to divide by.
        spread = x.flatten(2).std(-1, correction=0).clamp_min(1e-5)
        mean = x.flatten(2).mean(-1)
        ones = [1] * (x.ndim - 2)
        return leaky_relu((x - mean.unflatten(1, (-1, *ones))) / spread.unflatten(1, (-1, *ones)), 0.2)


def _body(shape: Sequence[int], embedded: int) -> nn.Module:
    from monai.networks.nets.swin_unetr import SwinTransformer

    body = SwinTransformer(
        in_chans=2,
        embed_dim=embedded,
        window_size=[max(2, n // COARSEST) for n in shape],
        patch_size=[PATCH] * len(shape),
        depths=DEPTHS,
        num_heads=HEADS,
        drop_path_rate=DROP_PATH,
        patch_norm=True,
        spatial_dims=len(shape),
    )
    setattr(body.get_submodule("layers4.0"), "downsample", None)  # noqa: B010
    return body


def _to(x: Tensor, like: Tensor) -> Tensor:
    mode = {4: "bilinear", 5: "trilinear"}[x.ndim]
    return interpolate(x, size=like.shape[2:], mode=mode, align_corners=False)
