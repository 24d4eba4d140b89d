"""The image encoder: a convolutional pyramid and a way back down; nothing in it knows absolute position."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from promptreg.nets.layers import Context, Pointwise, Residual, RotaryAttention, convolution, norm


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network; the file of weights states them.

    `widths` and `blocks` count the channels and residual blocks at strides 2, 4, 8 and 16, `attention` the
    layers of attention at stride 16; `embedding` counts the channels of the embedding, `decoder` those of the
    decoder's tokens, `fine` those of the maps at strides 2 and 4 that masks are made of.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 2)
    attention: int = 2
    embedding: int = 128
    decoder: int = 64
    heads: int = 4
    decoder_depth: int = 2
    fine: tuple[int, int] = (16, 32)


@dataclass(frozen=True, eq=False)
class Encoded:
    """What the encoder makes of B images (B, 3, H, W).

    Attributes:
        embedding: (B, E, H/4, W/4), of unit length in every cell; what matching compares.
        tokens: (B, D, H/8, W/8), what the decoder attends to.
        skip4: (B, fine[1], H/4, W/4) and
        skip2: (B, fine[0], H/2, W/2), where boundaries come from.
    """

    embedding: Tensor
    tokens: Tensor
    skip4: Tensor
    skip2: Tensor


class Encoder(nn.Module):
    """Encode images whose sides are multiples of 16."""

    def __init__(self, sizes: Architecture) -> None:
        super().__init__()
        widths = sizes.widths
        self.stem = nn.Conv2d(3, widths[0], 4, stride=2, padding=1, padding_mode="replicate")
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(Residual(n) for _ in range(depth)), *(Context(n) for _ in range(int(n >= widths[2])))
            )
            for n, depth in zip(widths, sizes.blocks, strict=True)
        )
        heads = max(1, widths[3] // 32)
        self.overview = nn.Sequential(
            *(
                nn.Sequential(RotaryAttention(widths[3], n_heads=heads), Context(widths[3]))
                for _ in range(sizes.attention)
            )
        )
        n = sizes.embedding
        self.laterals = nn.ModuleList(nn.Conv2d(width, n, 1) for width in widths[1:])
        self.merge8, self.merge4 = Context(n), Pointwise(n)
        self.to_tokens = nn.Sequential(norm(n), nn.Conv2d(n, sizes.decoder, 1))
        self.to_embedding = nn.Sequential(nn.GroupNorm(n, n), nn.Conv2d(n, n, 1, bias=False))
        self.to_skip4 = nn.Sequential(norm(n), nn.Conv2d(n, sizes.fine[1], 1))
        self.to_skip2 = nn.Sequential(norm(widths[0]), convolution(widths[0], sizes.fine[0]))

    def forward(self, images: Tensor) -> Encoded:
        """Encode (B, 3, H, W) in [0, 1]."""
        x = self.stages[0](self.stem(2 * images - 1))
        levels = [x]
        for down, stage in zip(self.downs, list(self.stages)[1:], strict=True):
            x = stage(down(x))
            levels.append(x)
        merged16 = self.laterals[2](self.overview(levels[3]))
        merged8 = self.merge8(self.laterals[1](levels[2]) + doubled(merged16))
        merged4 = self.merge4(self.laterals[0](levels[1]) + doubled(merged8))
        return Encoded(
            embedding=functional.normalize(self.to_embedding(merged4).float(), dim=1),
            tokens=self.to_tokens(merged8),
            skip4=self.to_skip4(merged4),
            skip2=self.to_skip2(levels[0]),
        )


def doubled(x: Tensor) -> Tensor:
    """Interpolate (B, C, H, W) to twice as many cells."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
