"""Building blocks of the encoder: convolutions without absolute position, wide context, attention.

Borders are continued by their outermost cells: padding with zeros would tell a network where it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS_PER_GROUP = 16
LONGEST_WAVE = 100.0
"""Longest wavelength of the rotary code, in cells."""


def convolution(n_in: int, n_out: int, size: int = 3, *, groups: int = 1) -> nn.Conv2d:
    """Build a convolution of odd `size` that keeps the number of cells."""
    return nn.Conv2d(n_in, n_out, size, padding=size // 2, padding_mode="replicate", groups=groups)


def silent(layer: nn.Conv2d) -> nn.Conv2d:
    """Let a branch beside an identity begin with nothing: deep random branches would drown what they join."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def norm(n_channels: int) -> nn.GroupNorm:
    """Build a group normalization."""
    return nn.GroupNorm(max(1, n_channels // CHANNELS_PER_GROUP), n_channels)


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside an identity."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(n_channels), convolution(n_channels, n_channels)
        self.norm2, self.conv2 = norm(n_channels), silent(convolution(n_channels, n_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        inner = self.conv1(functional.silu(self.norm1(x)))
        return x + self.conv2(functional.silu(self.norm2(inner)))


class Pointwise(nn.Module):
    """A perceptron in every cell beside an identity."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = norm(n_channels)
        self.widen = nn.Conv2d(n_channels, 2 * n_channels, 1)
        self.narrow = silent(nn.Conv2d(2 * n_channels, n_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return x + self.narrow(functional.silu(self.widen(self.norm(x))))


class Context(nn.Module):
    """A 7 x 7 depthwise convolution, then a perceptron in every cell, each beside an identity."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.depthwise = silent(convolution(n_channels, n_channels, 7, groups=n_channels))
        self.mix = Pointwise(n_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return self.mix(x + self.depthwise(x))


class RotaryAttention(nn.Module):
    """Attention between all cells of a map; positions enter as differences alone (rotary code)."""

    def __init__(self, n_channels: int, *, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm = norm(n_channels)
        self.to_qkv = nn.Conv2d(n_channels, 3 * n_channels, 1)
        self.out = silent(nn.Conv2d(n_channels, n_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        height, width = x.shape[-2:]
        heads = self.to_qkv(self.norm(x)).flatten(2).unflatten(1, (3, self.n_heads, -1)).mT
        cos, sin = rotary_code(height, width, heads.shape[-1], heads)
        query, key, value = heads.unbind(1)
        mixed = functional.scaled_dot_product_attention(
            rotated(query, cos, sin), rotated(key, cos, sin), value
        )
        return x + self.out(mixed.mT.flatten(1, 2).unflatten(2, (height, width)))


def rotary_code(height: int, width: int, n_channels: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (H * W, n_channels / 2): a quarter of the channels turns with y, a quarter with x."""
    n_waves = n_channels // 4
    steps = torch.arange(n_waves, device=like.device, dtype=torch.float32) / max(n_waves - 1, 1)
    rates = 2 * torch.pi / (4 * (LONGEST_WAVE / 4) ** steps)
    rows, columns = (torch.arange(n, device=like.device)[:, None] * rates for n in (height, width))
    turns = torch.cat(
        [
            rows[:, None].expand(height, width, n_waves),
            columns[None].expand(height, width, n_waves),
        ],
        dim=-1,
    ).flatten(0, 1)
    return turns.cos().to(like.dtype), turns.sin().to(like.dtype)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs of channels of (..., N, C) by the angles of each of N cells."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)
