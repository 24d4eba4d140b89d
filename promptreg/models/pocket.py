"""The package's own trained model `pocket`: a small network that has seen synthetic images alone.

The image is resized so that the longest side of its field of view gets as many cells as the encoder takes,
both sides to multiples of 16. So no padding is needed and the grids of features and masks cover the image
exactly; small images are enlarged.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from promptreg.checkpoints import CheckpointUnavailable, shipped_file
from promptreg.geometry import apply_affine, resized
from promptreg.models.base import check_prompts
from promptreg.models.colours import to_colours
from promptreg.models.slicewise import Slicewise
from promptreg.nets.encoder import Encoded
from promptreg.nets.pocket_net import MULTIPLE, PocketNet
from promptreg.nets.weightfile import check_record, read_weights
from promptreg.types import Candidates, Embedding, Grid, Image

WEIGHTS = shipped_file("pocket")
SIDE = 192
"""Cells along the longest side of what the encoder sees: more than in training, for small objects."""

EXTRAS = tuple(field.name for field in fields(Encoded) if field.name != "embedding")


class PlanarPocket:
    """The network on planar images.

    One click is decoded to three masks, one for each of its meanings, more clicks to one mask; in a batch of
    both kinds that one stands three times. Own scores are predicted IoUs. The model follows its input to its
    device; everything is computed in float32.
    """

    ndim: tuple[int, ...] = (2,)
    differentiable = True
    negative_points = True
    prompts_per_chunk: ClassVar[int] = 8
    slices_per_chunk: ClassVar[int] = 8

    def __init__(self, net: PocketNet, *, name: str = "pocket", side: int = SIDE) -> None:
        self.name = name
        self.net = net.eval().requires_grad_(False)
        self.side = side

    @classmethod
    def from_weights(cls, path: Path | None = None) -> Self:
        """Build the model with the weights of a file, by default the one of the package.

        Raises:
            CheckpointUnavailable: there is no such file.
            ValueError: the file is not the one whose hash stands in the JSON file beside it.
        """
        path = path or WEIGHTS
        if not path.is_file():
            raise CheckpointUnavailable(
                f"no weights of 'pocket': {path} is absent; `promptreg train` makes it"
            )
        check_record(path)
        return cls(read_weights(path))

    def prepare(self, data: Tensor) -> Tensor:
        """Bring an image or volume (C, *spatial) to colours (3, *spatial) in [0, 1]."""
        return to_colours(data) / 255

    def embed(self, image: Image) -> Embedding:
        """Encode one planar image of any number of channels."""
        if image.grid.ndim != 2:
            raise ValueError(f"{self.name} takes planar images, '{image.name}' has {image.grid.ndim} axes")
        return self.embed_stack(self.prepare(image.data)[None], image.grid)[0]

    @torch.no_grad()
    def embed_stack(self, prepared: Tensor, grid: Grid) -> list[Embedding]:
        """Encode N prepared images (N, 3, Y, X) that share one grid."""
        self._follow(prepared)
        shape = self._input_grid(grid).shape
        inputs = interpolate(prepared, shape, mode="bilinear", antialias=True)
        cells, masks = (resized(grid, [n // stride for n in shape]) for stride in (4, 2))
        return [
            Embedding(
                one.embedding[0],
                cells,
                grid,
                masks,
                {name: getattr(one, name)[0] for name in EXTRAS},
            )
            for chunk in inputs.split(self.slices_per_chunk)
            for one in _each(self.net.encode(chunk))
        ]

    def compile_encoder(self) -> bool:
        """Compile the encoder."""
        self.net.encoder.compile()
        return True

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts; three candidates if a prompt of the batch is one click, one otherwise."""
        check_prompts(points, labels, ndim=2)
        extras = {name: embedding.extras[name][None].float() for name in EXTRAS}
        encoded = Encoded(embedding=embedding.features[None].float(), **extras)
        self._follow(encoded.embedding)
        grid = embedding.image_grid
        to_input = np.linalg.inv(self._input_grid(grid).affine) @ grid.affine
        in_input = apply_affine(to_input, points.to(encoded.embedding))
        labels = labels.to(in_input.device)
        chunks = zip(
            in_input.split(self.prompts_per_chunk), labels.split(self.prompts_per_chunk), strict=True
        )
        found = [self.net.decode(encoded, p[None], kinds[None]) for p, kinds in chunks]
        logits, scores = (torch.cat([one[part][0] for one in found]) for part in (0, 1))
        return _offered(logits, scores, (labels != -1).sum(1) == 1, some_single=labels.shape[1] == 1)

    def _input_grid(self, grid: Grid) -> Grid:
        """The grid of what the encoder sees."""
        cells = self.side * grid.extent / grid.extent.max()
        return resized(grid, [max(round(n / MULTIPLE), 1) * MULTIPLE for n in cells.tolist()])

    def _follow(self, tensor: Tensor) -> None:
        """Move the network to the tensor's device; not even touched where it is there (jvp forbids it)."""
        if next(self.net.parameters()).device != tensor.device:
            self.net.to(tensor.device)


class Pocket(Slicewise):
    """`pocket` with the weights of the package; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(PlanarPocket.from_weights())


def _each(encoded: Encoded) -> list[Encoded]:
    """Take what the encoder made of N images apart."""
    parts = [getattr(encoded, field.name).split(1) for field in fields(Encoded)]
    return [Encoded(*one) for one in zip(*parts, strict=True)]


def _offered(logits: Tensor, scores: Tensor, single: Tensor, *, some_single: bool) -> Candidates:
    """The masks that each prompt is answered with, of all four (B, 4, h, w) and their scores (B, 4)."""
    if not (some_single or single.any()):
        return Candidates(logits[:, :1], scores[:, :1])
    several = ~single
    chosen = torch.where(several[:, None], 0, torch.arange(1, 4, device=single.device))
    rows = torch.arange(len(single), device=single.device)[:, None]
    return Candidates(logits[rows, chosen], scores[rows, chosen])
