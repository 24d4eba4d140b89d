"""SAM-Med2D (Cheng et al., arXiv:2308.16184) behind the contract: SAM at 256 pixels with adapters.

Every block of the encoder has an adapter beside its perceptron. Images are normalized, then stretched to a
square by nearest neighbours. It was trained on the best of three masks throughout; their scores are trained.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate

from promptreg.models.sam import SegmentAnything
from promptreg.models.sam_parts import sam_about, vit_b_encoder, with_weights
from promptreg.models.sam_settings import ALWAYS_THREE, Inputs, normalized
from promptreg.models.slicewise import Slicewise

SIDE = 256


def nearest_square(colours: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Normalize (N, 3, Y, X) in [0, 255] and stretch it to `shape`, pixel i from floor(i * old / new)."""
    return interpolate(normalized(colours), shape, mode="nearest")


INPUTS = Inputs(nearest_square, keeps_aspect=False)


class Adapter(nn.Module):
    """Weighs the channels by their means, adds what a coarser grid says, and normalizes.

    Names of submodules are those of the published weights.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 4
        self.norm = nn.LayerNorm(channels)
        self.channel = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=False),
            nn.Sigmoid(),
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False),
            nn.ReLU(),
            nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False),
            nn.ReLU(),
        )

    def forward(self, cells: Tensor) -> Tensor:
        """Map (N, Y, X, C) to the same shape; Y and X even."""
        weighed = cells * self.channel(cells.mean((1, 2), keepdim=True))
        coarse = self.spatial(weighed.movedim(-1, 1)).movedim(1, -1)
        return self.norm(cells + coarse)


class AdaptedBlock(nn.Module):
    """A block of the encoder of `segment_anything` with an adapter beside its perceptron."""

    def __init__(self, plain: Any) -> None:
        super().__init__()
        self.norm1, self.attn, self.norm2, self.mlp = plain.norm1, plain.attn, plain.norm2, plain.mlp
        self.window_size = plain.window_size
        self.Adapter = Adapter(plain.norm1.normalized_shape[0])

    def forward(self, cells: Tensor) -> Tensor:
        """Map (N, Y, X, C) to the same shape."""
        cells = cells + self._attended(self.norm1(cells))
        normed = self.norm2(cells)
        return cells + self.mlp(normed) + self.Adapter(normed)

    def _attended(self, cells: Tensor) -> Tensor:
        from segment_anything.modeling.image_encoder import window_partition, window_unpartition

        if self.window_size == 0:
            return self.attn(cells)
        windows, padded = window_partition(cells, self.window_size)
        return window_unpartition(self.attn(windows), self.window_size, padded, cells.shape[1:3])


def adapted(encoder: Any) -> Any:
    """Give every block of an encoder of `segment_anything` an adapter, in place, and return the encoder."""
    encoder.blocks = nn.ModuleList(AdaptedBlock(block) for block in encoder.blocks)
    return encoder


class SamMed2D(Slicewise):
    """SAM-Med2D with its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        sam = with_weights(sam_about(adapted(vit_b_encoder(SIDE))), "sam_med2d")
        super().__init__(SegmentAnything(sam, name="sam_med2d", inputs=INPUTS, offer=ALWAYS_THREE))
