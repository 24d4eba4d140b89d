"""Planar models of the package `transformers` behind the contract: grids, chunks, prompts of any length.

What is particular to a family (SAM 2, SAM-HQ, SlimSAM) is its `Net`. The predictors of the package and the
`forward` of its models are passed by, because they drop derivatives. `transformers` itself is imported where
a model is built, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from promptreg.geometry import apply_affine, resized
from promptreg.models.base import check_prompts
from promptreg.models.colours import to_colours
from promptreg.models.prompt_groups import by_length
from promptreg.models.sam_settings import AS_PROMPTED, Inputs
from promptreg.models.two_way import point_tokens
from promptreg.types import Candidates, Embedding, Grid, Image


@dataclass(frozen=True, eq=False)
class Encoded:
    """What a net made of images: `features` (..., C, n, n), and whatever else `masks` needs, by name.

    Tensors have a leading axis for several images, and none for one.
    """

    features: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)


class Net(Protocol):
    """One family's encoder and mask decoder around a `module`; `side` is that of the encoder's square."""

    module: nn.Module
    side: int

    def encode(self, pixels: Tensor) -> Encoded:
        """Encode N normalized images (N, 3, side, side)."""
        ...

    def masks(self, encoded: Encoded, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Masks (B, 4, 4 n, 4 n) and their scores (B, 4) of prompts (B, T, C) on one image (C, n, n)."""
        ...


class TransformersSam:
    """A frozen net on planar images.

    One click is decoded to the three masks of decreasing ambiguity, more points to the one mask that is
    trained for them; in a batch of both kinds that one stands three times. Own scores are predicted IoUs.
    The model follows its input to its device; the encoder runs in bfloat16 on CUDA, everything else in
    float32. Features are cropped to the image, so that no padding takes part in a similarity.
    """

    ndim: tuple[int, ...] = (2,)
    differentiable = True
    negative_points = True
    prompts_per_chunk: ClassVar[int] = 8
    slices_per_chunk: ClassVar[int] = 4

    def __init__(self, net: Net, inputs: Inputs, *, name: str) -> None:
        self.name = name
        self.net = net
        self.inputs = inputs
        net.module.eval().requires_grad_(False)

    def prepare(self, data: Tensor) -> Tensor:
        """Bring an image or volume (C, *spatial) to colours (3, *spatial) in [0, 255]."""
        return to_colours(data)

    def embed(self, image: Image) -> Embedding:
        """Encode one planar image of any number of channels."""
        if image.grid.ndim != 2:
            raise ValueError(f"{self.name} takes planar images, '{image.name}' has {image.grid.ndim} axes")
        return self.embed_stack(self.prepare(image.data)[None], image.grid)[0]

    def embed_stack(self, colours: Tensor, grid: Grid) -> list[Embedding]:
        """Encode N prepared images (N, 3, Y, X) that share one grid."""
        inputs = self.inputs.grid(grid, self.net.side)
        return [
            self._embedding(Encoded(features, dict(zip(encoded.extras, extras, strict=True))), inputs, grid)
            for chunk in colours.split(self.slices_per_chunk)
            for encoded in [self._encode(self.pixels(chunk, grid))]
            for features, *extras in zip(encoded.features, *encoded.extras.values(), strict=True)
        ]

    def compile_encoder(self) -> bool:
        """Compile the encoder."""
        self.net.module.get_submodule("vision_encoder").compile()
        return True

    def pixels(self, colours: Tensor, grid: Grid) -> Tensor:
        """What the encoder sees of colours (N, 3, Y, X) in [0, 255]: (N, 3, side, side), normalized."""
        transformed = self.inputs.transform(colours, self.inputs.grid(grid, self.net.side).shape)
        height, width = transformed.shape[-2:]
        return pad(transformed, (0, self.net.side - width, 0, self.net.side - height))

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts; three candidates if a prompt of the batch is one click, one otherwise."""
        check_prompts(points, labels, ndim=2)
        encoded = _restored(embedding)
        self._follow(encoded.features)
        unit = self._unit_points(points.to(encoded.features), embedding.image_grid)
        groups = list(by_length(labels))
        n_masks = 3 if groups[0][1].shape[1] == 1 else 1
        found = [
            self._decode_group(encoded, unit[rows[:, None], kept], labels[rows[:, None], kept])
            for rows, kept in groups
        ]
        order = torch.cat([rows for rows, _ in groups]).argsort()
        height, width = embedding.mask_grid.shape
        logits = torch.cat([one.logits[:, :, :height, :width].expand(-1, n_masks, -1, -1) for one in found])
        return Candidates(logits[order], torch.cat([one.scores.expand(-1, n_masks) for one in found])[order])

    def _unit_points(self, points: Tensor, grid: Grid) -> Tensor:
        """Points (B, P, 2) in index coordinates of an image as fractions x, y of the encoder's square."""
        to_input = np.linalg.inv(self.inputs.grid(grid, self.net.side).affine) @ grid.affine
        return (apply_affine(to_input, points).flip(-1) + 0.5) / self.net.side

    def _decode_group(self, encoded: Encoded, unit: Tensor, labels: Tensor) -> Candidates:
        """Decode prompts of one length (B, P, 2) chunk by chunk: three masks for one click, else one."""
        tokens = point_tokens(self.net.module.prompt_encoder, unit, labels.to(unit.device))
        chunks = [self.net.masks(encoded, chunk) for chunk in tokens.split(self.prompts_per_chunk)]
        logits, scores = (torch.cat(part) for part in zip(*chunks, strict=True))
        offered = AS_PROMPTED.masks(unit.shape[1])
        return Candidates(logits[:, offered], scores[:, offered])

    @torch.no_grad()
    def _encode(self, pixels: Tensor) -> Encoded:
        """Encode (N, 3, side, side); everything returned in float32."""
        self._follow(pixels)
        device = pixels.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            found = self.net.encode(pixels)
        return Encoded(found.features.float(), {name: one.float() for name, one in found.extras.items()})

    def _embedding(self, encoded: Encoded, inputs: Grid, grid: Grid) -> Embedding:
        """Crop what the encoder made of one image (C, n, n) to the image; keep the rest as extras."""
        full = encoded.features
        n_cells = full.shape[-1]
        cells = resized(replace(inputs, shape=(self.net.side,) * 2), full.shape[-2:])
        masks = resized(cells, [4 * n_cells, 4 * n_cells])
        height, width = (ceil(n * n_cells / self.net.side) for n in inputs.shape)
        rest = {"right": full[:, :height, width:], "below": full[:, height:]}
        padding = {name: part for name, part in rest.items() if part.numel()}
        return Embedding(
            full[:, :height, :width],
            replace(cells, shape=(height, width)),
            grid,
            replace(masks, shape=(4 * height, 4 * width)),
            {**encoded.extras, **padding},
        )

    def _follow(self, tensor: Tensor) -> None:
        """Move the net to the tensor's device; not even touched where it is there (jvp forbids it)."""
        if next(self.net.module.parameters()).device != tensor.device:
            self.net.module.to(tensor.device)


def _restored(embedding: Embedding) -> Encoded:
    """Put what the encoder made of one image together again, in float32."""
    extras = {name: part.to(embedding.features.device).float() for name, part in embedding.extras.items()}
    full = embedding.features.float()
    if "right" in extras:
        full = torch.cat([full, extras.pop("right")], dim=2)
    if "below" in extras:
        full = torch.cat([full, extras.pop("below")], dim=1)
    return Encoded(full, extras)
