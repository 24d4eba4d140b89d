"""DINOv2 (Oquab et al., arXiv:2304.07193): features of natural images that were learned without labels.

A vision transformer with patches of 14 pixels and no mask decoder; masks come from the likeness of its
features alone (`feature_only`). The image is resized so that its longest side has as many pixels as the
position embeddings were learned for, both sides to whole patches; there is no crop and no padding.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from promptreg import checkpoints
from promptreg.geometry import resized
from promptreg.models.colours import resize_8bit, to_colours
from promptreg.models.feature_only import FeatureOnly
from promptreg.models.sam_settings import normalized
from promptreg.models.slice_stack import embed_planes
from promptreg.types import Embedding, Grid, Image

SIDE = 518
WIDTHS = {"dinov2_small": (384, 6), "dinov2_base": (768, 12)}
"""Channels and attention heads."""

RENAMED = {
    "attention.attention.query.": "attention.q_proj.",
    "attention.attention.key.": "attention.k_proj.",
    "attention.attention.value.": "attention.v_proj.",
    "attention.output.dense.": "attention.o_proj.",
}
"""Parts of published names that the package has renamed since."""


class Dino:
    """A frozen `transformers.Dinov2Model`: the encoder, of planar images and of volumes slice by slice.

    Follows its input to its device; runs in bfloat16 on CUDA, otherwise in float32.
    """

    ndim: tuple[int, ...] = (2, 3)
    slices_per_chunk: ClassVar[int] = 8

    def __init__(self, net: Any, *, name: str) -> None:
        self.name = name
        self.net = net.eval().requires_grad_(False)
        self._side: int = net.config.image_size
        self._patch: int = net.config.patch_size

    @classmethod
    def from_checkpoint(cls, name: str) -> Self:
        """Build "dinov2_small" or "dinov2_base" with its published weights, every key matched.

        Raises:
            CheckpointUnavailable: the weights are not in the cache.
        """
        state = checkpoints.load_state_dict(name)
        net = published_net(*WIDTHS[name])
        checkpoints.load_strictly(net, as_package_names(state), name)
        return cls(net, name=name)

    def embed(self, image: Image) -> Embedding:
        """Encode a planar image, or every slice of a volume, of any number of channels."""
        return embed_planes(image, to_colours(image.data), self.embed_stack)

    @torch.no_grad()
    def embed_stack(self, colours: Tensor, grid: Grid) -> list[Embedding]:
        """Encode N planes (N, 3, Y, X) in [0, 255] that share one grid."""
        self.net.to(colours.device)
        pixels = self._input_grid(grid)
        cells = resized(grid, [n // self._patch for n in pixels.shape])
        return [
            Embedding(one, cells, grid, cells)
            for chunk in colours.split(self.slices_per_chunk)
            for one in self._encode(normalized(resize_8bit(chunk, pixels.shape))).unflatten(2, cells.shape)
        ]

    def compile_encoder(self) -> bool:
        """Compile the encoder."""
        self.net.compile()
        return True

    def _input_grid(self, grid: Grid) -> Grid:
        """The grid of what the encoder sees."""
        patches = self._side / self._patch * grid.extent / grid.extent.max()
        return resized(grid, [max(round(n), 1) * self._patch for n in patches.tolist()])

    def _encode(self, pixels: Tensor) -> Tensor:
        """Features (N, C, n_patches) float32; the class token is left out."""
        device = pixels.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            return self.net(pixels).last_hidden_state[:, 1:].mT.float()


class DinoSmall(FeatureOnly):
    """DINOv2 ViT-S/14 with its published weights."""

    def __init__(self) -> None:
        super().__init__(Dino.from_checkpoint("dinov2_small"), name="dinov2_small")


class DinoBase(FeatureOnly):
    """DINOv2 ViT-B/14 with its published weights."""

    def __init__(self) -> None:
        super().__init__(Dino.from_checkpoint("dinov2_base"), name="dinov2_base")


def published_net(width: int, heads: int) -> Any:
    """Build the published architecture of 12 layers, with weights yet to be loaded."""
    from transformers import Dinov2Config, Dinov2Model

    return Dinov2Model(
        Dinov2Config(hidden_size=width, num_attention_heads=heads, image_size=SIDE, patch_size=14)
    )


def as_package_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a published state dict to those of the installed package."""
    pattern = re.compile("|".join(map(re.escape, RENAMED)))
    return {pattern.sub(lambda found: RENAMED[found[0]], key): value for key, value in state.items()}
