"""A U-Net with a residual encoder, as nnU-Net builds it, for volumes, with the names of its files.

After its published code (Isensee et al., arXiv:2404.09556), written anew without what a trained network does
without: every convolution has a bias and is followed by instance normalization, but for the last ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Normalized(nn.Module):
    """A convolution that keeps the size, or divides it by `stride`, and instance normalization."""

    def __init__(self, n_in: int, n_out: int, *, size: int = 3, stride: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv3d(n_in, n_out, size, stride, padding=(size - 1) // 2, bias=bias)
        self.norm = nn.InstanceNorm3d(n_out, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, Z, Y, X) to (B, n_out, ...)."""
        found: Tensor = self.norm(self.conv(x))
        return found


class Block(nn.Module):
    """Two convolutions and what goes past them: averaged where they have a stride, mixed where they widen."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Normalized(n_in, n_out, stride=stride)
        self.conv2 = Normalized(n_out, n_out)
        past: list[nn.Module] = [nn.AvgPool3d(stride, stride)] if stride > 1 else []
        if n_in != n_out:
            past.append(Normalized(n_in, n_out, size=1, bias=False))
        self.skip = nn.Sequential(*past)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, Z, Y, X) to (B, n_out, ...)."""
        return rectified(self.conv2(rectified(self.conv1(x))) + self.skip(x))


class Stacked(nn.Module):
    """One convolution under the name that a stack of them has in the files."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([Normalized(n_in, n_out)])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, Z, Y, X) to (B, n_out, Z, Y, X)."""
        return rectified(self.convs[0](x))


class Stage(nn.Module):
    """The blocks of one resolution."""

    def __init__(self, n_in: int, n_out: int, stride: int, n_blocks: int) -> None:
        super().__init__()
        first = Block(n_in, n_out, stride)
        self.blocks = nn.Sequential(first, *(Block(n_out, n_out, 1) for _ in range(n_blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, n_in, Z, Y, X) to (B, n_out, ...)."""
        found: Tensor = self.blocks(x)
        return found


class Encoder(nn.Module):
    """Every stage after the first halves the resolution."""

    def __init__(self, channels: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = Stacked(channels, widths[0])
        ins = (widths[0], *widths)
        strides = (1, *(2 for _ in widths[1:]))
        self.stages = nn.ModuleList(map(Stage, ins, widths, strides, blocks))

    def forward(self, x: Tensor, levels: int | None = None) -> list[Tensor]:
        """Return features of the first stages (all if None), (B, widths[i], *shape / 2**i) each."""
        x, found = self.stem(x), []
        for stage in self.stages[:levels]:
            x = stage(x)
            found.append(x)
        return found


class Decoder(nn.Module):
    """From the coarsest stage upward; the heads of coarser levels served training alone."""

    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        steps = list(pairwise(reversed(widths)))
        self.transpconvs = nn.ModuleList(nn.ConvTranspose3d(below, n, 2, 2) for below, n in steps)
        self.stages = nn.ModuleList(Stacked(2 * n, n) for _, n in steps)
        self.seg_layers = nn.ModuleList(nn.Conv3d(n, classes, 1) for _, n in steps)

    def forward(self, levels: list[Tensor]) -> Tensor:
        """Map features of all stages, finest first, to logits (B, classes, Z, Y, X)."""
        x = levels[-1]
        for finer, up, mix in zip(reversed(levels[:-1]), self.transpconvs, self.stages, strict=True):
            x = mix(torch.cat([up(x), finer], dim=1))
        found: Tensor = self.seg_layers[-1](x)
        return found


class ResidualUNet(nn.Module):
    """From images (B, channels, Z, Y, X), each side a multiple of 2**(stages - 1), to logits of that size.

    Without arguments the large preset ("ResEnc-L") with the channels of nnInteractive.
    """

    def __init__(
        self,
        channels: int = 8,
        *,
        widths: Sequence[int] = (32, 64, 128, 256, 320, 320),
        blocks: Sequence[int] = (1, 3, 4, 6, 6, 6),
        classes: int = 2,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(channels, widths, blocks)
        self.decoder = Decoder(widths, classes)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes, Z, Y, X)."""
        found: Tensor = self.decoder(self.encoder(x))
        return found


def rectified(x: Tensor) -> Tensor:
    """Apply the nonlinearity of all layers."""
    return nn.functional.leaky_relu(x, 0.01)


def without_copies(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Drop what files of nnU-Net hold twice: layers as parts of a sequence, the encoder under the decoder."""
    return {
        key: value
        for key, value in state.items()
        if ".all_modules." not in key and not key.startswith("decoder.encoder.")
    }
