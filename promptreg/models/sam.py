"""Segment Anything (Kirillov et al., arXiv:2304.02643) behind the contract, on tensors throughout.

The modules are those of the package `segment_anything`; its predictor and its `forward` are passed
by, because they drop derivatives. Models of the same layout differ in `Inputs` and `Offer` alone. Where
an image is padded below and beside, features and masks are cropped to it again, so that no cell of
padding takes part in a similarity. Where the cells lie is said by their grids alone.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, pi
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from promptreg import checkpoints
from promptreg.geometry import apply_affine, resized
from promptreg.models.base import check_prompts
from promptreg.models.colours import to_colours
from promptreg.models.fast_attention import with_fast_attention
from promptreg.models.prompt_groups import by_length
from promptreg.models.sam_settings import AS_PROMPTED, LONGEST_SIDE, Inputs, Offer
from promptreg.models.slicewise import Slicewise
from promptreg.types import Candidates, Embedding, Grid, Image


class SegmentAnything:
    """A frozen model of planar images in the layout of `segment_anything`.

    Which masks are candidates depends on the number of points (`Offer`); in a batch of prompts with three
    and with one, that one stands three times. Own scores are predicted IoUs. The model follows its input
    to its device; the encoder runs in bfloat16 on CUDA, everything else in float32.
    """

    ndim: tuple[int, ...] = (2,)
    differentiable = True
    negative_points = True
    prompts_per_chunk: ClassVar[int] = 8
    slices_per_chunk: ClassVar[int] = 4

    def __init__(
        self, sam: Any, *, name: str = "sam", inputs: Inputs = LONGEST_SIDE, offer: Offer = AS_PROMPTED
    ) -> None:
        self.name = name
        self.inputs = inputs
        self.offer = offer
        self.sam = sam.eval().requires_grad_(False)
        with_fast_attention(sam.image_encoder)
        self._side: int = sam.image_encoder.img_size

    @classmethod
    def from_checkpoint(cls, name: str) -> Self:
        """Build "sam_vit_b", "sam_vit_l" or "sam_vit_h" with its published weights, every key matched.

        Raises:
            CheckpointUnavailable: the weights are not in the cache.
            ValueError: they are other weights than the name says.
        """
        from segment_anything import sam_model_registry

        state = checkpoints.load_state_dict(name)
        sam = sam_model_registry[name.removeprefix("sam_")]()
        checkpoints.load_strictly(sam, state, name)
        return cls(sam, name=name)

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
        resampled = self._input_grid(grid)
        padded = replace(resampled, shape=(self._side, self._side))
        chunks = colours.split(self.slices_per_chunk)
        full = torch.cat([self._encode(self.inputs.transform(one, resampled.shape)) for one in chunks])
        cells = resized(padded, full.shape[-2:])
        masks = resized(padded, [4 * n for n in cells.shape])
        height, width = (
            ceil(n * len_ / self._side) for n, len_ in zip(resampled.shape, cells.shape, strict=True)
        )
        feature_grid = replace(cells, shape=(height, width))
        mask_grid = replace(masks, shape=(4 * height, 4 * width))
        return [
            Embedding(one[:, :height, :width], feature_grid, grid, mask_grid, _padding(one, height, width))
            for one in full
        ]

    def compile_encoder(self) -> bool:
        """Compile the encoder."""
        self.sam.image_encoder.compile()
        return True

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts; as many candidates as the prompt with the most of them has."""
        check_prompts(points, labels, ndim=2, negative=self.negative_points)
        features = _with_padding(embedding).float()
        self._follow(features)
        inputs = self._input_grid(embedding.image_grid)
        to_input = np.linalg.inv(inputs.affine) @ embedding.image_grid.affine
        in_input = apply_affine(to_input, points.float())
        groups = list(by_length(labels))
        found = [
            self._decode_group(features, in_input[rows[:, None], kept], labels[rows[:, None], kept])
            for rows, kept in groups
        ]
        n_masks = max(one.scores.shape[1] for one in found)
        order = torch.cat([rows for rows, _ in groups]).argsort()
        height, width = embedding.mask_grid.shape
        logits = torch.cat([one.logits[:, :, :height, :width].expand(-1, n_masks, -1, -1) for one in found])
        return Candidates(logits[order], torch.cat([one.scores.expand(-1, n_masks) for one in found])[order])

    def _input_grid(self, grid: Grid) -> Grid:
        """The grid of the resized image, before padding."""
        return self.inputs.grid(grid, self._side)

    def _follow(self, tensor: Tensor) -> None:
        """Move the model to the tensor's device; not even touched where it is there (jvp forbids it)."""
        if self.sam.device != tensor.device:
            self.sam.to(tensor.device)

    @torch.no_grad()
    def _encode(self, prepared: Tensor) -> Tensor:
        """Pad and encode (N, 3, Y, X); (N, C, cells, cells) float32."""
        self._follow(prepared)
        height, width = prepared.shape[-2:]
        padded = pad(prepared.to(self.sam.pixel_mean.dtype), (0, self._side - width, 0, self._side - height))
        device = prepared.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            return self.sam.image_encoder(padded).float()

    def _prompt_tokens(self, features: Tensor, points: Tensor, labels: Tensor) -> Tensor:
        """Tokens (B, T, C) of points (B, P, 2) y, x in cells of the encoder's input, of no padding."""
        return self._point_tokens(points, labels)

    def _point_tokens(self, points: Tensor, labels: Tensor) -> Tensor:
        """Tokens (B, P + 1, C) of points (B, P, 2); the last is the padding that stands for "no box"."""
        encoder = self.sam.prompt_encoder
        kinds = torch.cat([encoder.point_embeddings[i].weight for i in (0, 1)])
        nothing = encoder.not_a_point_embed.weight.expand(len(points), 1, -1)
        return torch.cat([self._position(points) + kinds[labels], nothing], dim=1)

    def _position(self, points: Tensor) -> Tensor:
        """Position codes (B, P, C) of points (B, P, 2) y, x in cells of the encoder's input.

        The prompt encoder's own method assigns in place; this one is a function of the points, which
        every kind of derivative needs.
        """
        unit = (points.flip(-1) + 0.5) / self._side
        frequencies = self.sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
        phase = 2 * pi * (2 * unit - 1) @ frequencies
        return torch.cat([phase.sin(), phase.cos()], dim=-1)

    def _decode_group(self, features: Tensor, points: Tensor, labels: Tensor) -> Candidates:
        """Decode prompts of one length (B, P, 2) chunk by chunk; features (C, cells, cells)."""
        tokens = self._prompt_tokens(features, points, labels)
        chunks = [self._masks(features, chunk) for chunk in tokens.split(self.prompts_per_chunk)]
        logits, scores = (torch.cat(part) for part in zip(*chunks, strict=True))
        offered = self.offer.masks(points.shape[1])
        scores = scores[:, offered]
        return Candidates(logits[:, offered], scores if self.offer.scored else torch.zeros_like(scores))

    def _masks(self, features: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """All four masks (B, 4, 4h, 4w) and IoUs (B, 4) of features (C, h, w) and prompts (B, T, C).

        The image stays one item until the prompts' attention makes it differ, so that its projections
        are computed once for all prompts; the package repeats it for every prompt.
        """
        encoder, decoder = self.sam.prompt_encoder, self.sam.mask_decoder
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(prompts), -1, -1), prompts], dim=1)
        image = features[None] + encoder.no_mask_embed.weight[..., None, None]
        attended, cells = decoder.transformer(image, encoder.get_dense_pe(), tokens)
        fine = decoder.output_upscaling(cells.mT.unflatten(2, features.shape[1:]))
        heads = enumerate(decoder.output_hypernetworks_mlps, start=1)
        weights = torch.stack([head(attended[:, i]) for i, head in heads], dim=1)
        return torch.einsum("bmc,bchw->bmhw", weights, fine), decoder.iou_prediction_head(attended[:, 0])


class SamVitB(Slicewise):
    """Segment Anything with ViT-B and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(SegmentAnything.from_checkpoint("sam_vit_b"))


class SamVitL(Slicewise):
    """Segment Anything with ViT-L and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(SegmentAnything.from_checkpoint("sam_vit_l"))


class SamVitH(Slicewise):
    """Segment Anything with ViT-H and its published weights; volumes slice by slice."""

    def __init__(self) -> None:
        super().__init__(SegmentAnything.from_checkpoint("sam_vit_h"))


def _padding(full: Tensor, height: int, width: int) -> dict[str, Tensor]:
    """The cells of (C, Y, X) beyond the image, to the right and below; the decoder attends to them."""
    return {"right": full[:, :height, width:], "below": full[:, height:]}


def _with_padding(embedding: Embedding) -> Tensor:
    """Put the encoder's output together again, (C, cells, cells)."""
    rows = torch.cat([embedding.features, embedding.extras["right"].to(embedding.features)], dim=2)
    return torch.cat([rows, embedding.extras["below"].to(embedding.features)], dim=1)
