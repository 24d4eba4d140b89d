"""SegVol (Du et al., arXiv:2311.13385) behind the contract, native in volumes; for CT.

The network is `promptreg.nets.segvol_net.SegVolNet`. It sees a whole volume, shrunk to 32 x 256 x 256 voxels
with axes up, to the front and to the right: its authors' first look. Their second look, at the found region
in finer voxels, depends on the prompt and is left out, as are prompts by text.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from promptreg import checkpoints
from promptreg.geometry import apply_affine, resample, resized
from promptreg.models.base import check_prompts
from promptreg.models.prompt_groups import decoded_in_groups
from promptreg.models.volume_tiles import canonical
from promptreg.nets.segvol_net import SegVolNet
from promptreg.nets.volume_decoder import UPSCALING
from promptreg.types import Candidates, Embedding, Grid, Image

TAILS = (0.05, 99.95)
"""Percentiles of the foreground to which intensities are clipped."""

OTHER_PARTS = (
    "text_encoder.",
    "prompt_encoder.mask_downscaling.",
    "mask_decoder.txt_align_upscaled_embedding.",
)
"""What the released weights hold for text and for former masks, which clicks do without."""


class SegVol:
    """A frozen SegVol model of volumes.

    One candidate; its score is 0, because the head for scores was never trained. The encoder runs in bfloat16
    on CUDA, everything else in float32.
    """

    ndim: tuple[int, ...] = (3,)
    differentiable = True
    negative_points = True
    prompts_per_chunk: ClassVar[int] = 4

    def __init__(self, net: SegVolNet, *, name: str) -> None:
        self.name = name
        self.net = net.eval().requires_grad_(False)

    def embed(self, image: Image) -> Embedding:
        """Encode one volume of any number of channels, which are averaged."""
        if image.grid.ndim != 3:
            raise ValueError(f"{self.name} takes volumes, '{image.name}' has {image.grid.ndim} axes")
        grid, cells = upright(image.grid), self.net.sizes.cells
        volume = prepared(image, grid, self.net.sizes.shape)
        masks = resized(grid, [UPSCALING * n for n in cells])
        return Embedding(self._encode(volume), resized(grid, cells), image.grid, masks)

    def compile_encoder(self) -> bool:
        """Compile the encoder."""
        self.net.image_encoder.compile()
        return True

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts into one candidate each."""
        check_prompts(points, labels, ndim=3)
        cells = embedding.features.float()
        self._follow(cells)
        seen = resized(upright(embedding.image_grid), self.net.sizes.shape)
        clicks = apply_affine(np.linalg.inv(seen.affine) @ embedding.image_grid.affine, points.float())
        logits = decoded_in_groups(
            lambda _, at, signs: self.net.masks(cells, at, signs),
            clicks,
            labels,
            per_chunk=self.prompts_per_chunk,
            none=cells.new_zeros(0, 1, *embedding.mask_grid.shape),
        )
        return Candidates(logits, logits.new_zeros(len(logits), 1))

    def _follow(self, tensor: Tensor) -> None:
        """Move the model to the tensor's device; not even touched where it is there (jvp forbids it)."""
        if self.net.device != tensor.device:
            self.net.to(tensor.device)

    @torch.no_grad()
    def _encode(self, volume: Tensor) -> Tensor:
        """Features (C, *cells) float32 of one prepared volume."""
        self._follow(volume)
        device = volume.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            return self.net.image_encoder(volume[None, None])[0].float()


class SegVolReleased(SegVol):
    """SegVol with the weights of its paper."""

    def __init__(self) -> None:
        super().__init__(released("segvol"), name="segvol")


def released(name: str) -> SegVolNet:
    """Build the network with the published weights "segvol", every key matched.

    Raises:
        CheckpointUnavailable: the weights are not in the cache.
        ValueError: the file has other names or shapes; names them.
    """
    state = click_parts(checkpoints.load_state_dict(name))
    net = SegVolNet()
    checkpoints.load_strictly(net, state, name)
    return net


def click_parts(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take from a published state dict what clicks need, without the prefix that all its names share."""
    named = {key.removeprefix("model."): value for key, value in state.items()}
    return {key: value for key, value in named.items() if not key.startswith(OTHER_PARTS)}


def upright(grid: Grid) -> Grid:
    """Return the same voxels with axes that run, as nearly as they can, up, to the front and to the right."""
    right_first = canonical(grid)
    return Grid(right_first.shape[::-1], right_first.affine[:, [2, 1, 0, 3]], grid.unit)


def prepared(image: Image, grid: Grid, shape: tuple[int, ...]) -> Tensor:
    """Average the channels of a volume, order voxels as `grid` does, and bring it to [0, 1] and `shape`."""
    grey = image.data.float().mean(0, keepdim=True)
    values = unit(resample(grey, image.grid, grid, padding="border"))
    return interpolate(values[None], shape, mode="nearest-exact")[0, 0]


def unit(values: Tensor) -> Tensor:
    """Clip intensities to the foreground's, which is above the mean, and bring them to [0, 1]."""
    foreground = values[values > values.mean()]
    if not len(foreground):
        return torch.zeros_like(values)
    low, high = np.percentile(foreground.cpu().numpy(), TAILS)
    clipped = values.clamp(float(low), float(high))
    lifted = clipped - clipped.min()
    return lifted / lifted.max().clamp_min(1e-8)
