"""Images of any kind as the 8-bit colours that encoders of photographs were trained on."""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import interpolate

PERCENTILES = (0.005, 0.995)
QUANTILE_SAMPLES = 1 << 20
"""Most values of which percentiles are taken, evenly strided; `torch.quantile` refuses more than 16 M."""


def to_colours(data: Tensor) -> Tensor:
    """Bring intensities (C, *spatial) of any range to colours (3, *spatial) in [0, 255].

    Three channels of 8-bit colour stay as they are. Anything else is windowed between the 0.5 and 99.5
    percentiles of its values that are not exactly zero (padding, masked air): three channels together,
    so that hues stay; other channels each, then averaged to grey.
    """
    data = data.float()
    if len(data) == 3:
        eight_bit = bool((data.amin() >= 0) & (data.amax() <= 255) & (data.amax() > 1))
        return data if eight_bit else _windowed(data)
    grey = torch.stack([_windowed(channel) for channel in data]).mean(0)
    return grey.expand(3, *grey.shape)


def _windowed(data: Tensor) -> Tensor:
    """Map the percentiles of the non-zero values to 0 and 255, clipped; a constant becomes zero."""
    values = data[data != 0]
    if values.numel() == 0:
        return torch.zeros_like(data)
    step = ceil(values.numel() / QUANTILE_SAMPLES)
    low, high = torch.quantile(values[::step], values.new_tensor(PERCENTILES))
    span = (high - low).clamp_min(torch.finfo(data.dtype).tiny)
    return ((data - low) / span).clamp(0, 1) * 255 * (high > low)


def resize_8bit(colours: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Resize (N, C, Y, X) in [0, 255] with antialiased linear weights, rounding after either axis.

    That is what Pillow does to 8-bit images (columns first, halves up), and what the published encoders
    were trained on; one value in a thousand differs by one level, where Pillow's fixed-point weights tie.
    """
    for size in ((colours.shape[-2], shape[1]), shape):
        colours = (interpolate(colours, size, mode="bilinear", antialias=True) + 0.5).floor().clamp(0, 255)
    return colours
