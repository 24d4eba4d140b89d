"""SAM 2 (Ravi et al., arXiv:2408.00714) as functions of batches of regions, each followed through its frames.

The modules are those of `transformers.Sam2VideoModel`. Its session is passed by: it takes one object at a
time and drops derivatives. Where the click is, a frame is decoded by itself; any other one is decoded after
its features have attended to the memories of frames before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from promptreg.models.prompt_groups import by_length

ABSENT = -1024.0
"""Logit of a mask whose object is not in the frame, as the memory encoder was trained with."""


class Batched:
    """A dataclass of tensors whose first axis is the batch."""

    def rows(self, index: Tensor) -> Self:
        """Return the items `index` of the batch."""
        values = (getattr(self, field.name)[index] for field in fields(self))  # type: ignore[arg-type]
        return type(self)(*values)


@dataclass(frozen=True, eq=False)
class Levels(Batched):
    """What the encoder makes of B frames: (B, C, h, w), (B, C / 4, 2h, 2w) and (B, C / 8, 4h, 4w)."""

    coarse: Tensor
    middle: Tensor
    fine: Tensor


@dataclass(frozen=True, eq=False)
class Masks(Batched):
    """Masks of B regions in a frame each.

    Attributes:
        logits: (B, M, 4h, 4w).
        scores: (B, M) predicted IoU.
        tokens: (B, M, C) what the decoder knows of each mask.
        presence: (B, 1) logit that the object is in the frame at all.
    """

    logits: Tensor
    scores: Tensor
    tokens: Tensor
    presence: Tensor


@dataclass(frozen=True, eq=False)
class Chosen(Batched):
    """One mask of each region: `logits` (B, 4h, 4w), `token` (B, C), `presence` (B, 1)."""

    logits: Tensor
    token: Tensor
    presence: Tensor


@dataclass(frozen=True, eq=False)
class Memory(Batched):
    """What is remembered of B regions in a frame: `cells` (B, h * w, m), `pointer` (B, C)."""

    cells: Tensor
    pointer: Tensor


@dataclass(frozen=True)
class Time:
    """Where a frame stands: `elapsed` frames after the one with the click, in a video of `n_frames`."""

    elapsed: int
    n_frames: int


class VideoNet:
    """A frozen `Sam2VideoModel`; follows its input to its device. Points are x, y in pixels of its input."""

    def __init__(self, model: Any) -> None:
        self.model = model.eval().requires_grad_(False)
        # The fused attention has no forward derivatives.
        model.mask_decoder.config._attn_implementation = "eager"
        self.side: int = model.config.image_size
        self.span: int = model.config.max_object_pointers_in_encoder - 1

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> Levels:
        """Encode N normalized frames (N, 3, side, side); in bfloat16 on CUDA."""
        self._follow(pixels)
        device = pixels.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            fine, middle, coarse = self.model.vision_encoder(pixels).fpn_hidden_states
            decoder = self.model.mask_decoder
            fine, middle = decoder.conv_s0(fine), decoder.conv_s1(middle)
        return Levels(coarse.float(), middle.float(), fine.float())

    def clicked(self, levels: Levels, points: Tensor, labels: Tensor) -> Masks:
        """Decode B prompts (B, P, 2) on a frame each, without memory; three masks for one click, else one."""
        self._follow(levels.coarse)
        image = levels.coarse + self.model.no_memory_embedding.view(1, -1, 1, 1)
        return self._decode(image, levels, points, labels)

    def tracked(
        self,
        levels: Levels,
        first: Memory,
        recent: Sequence[Memory],
        *,
        time: Time,
        points: Tensor,
        labels: Tensor,
    ) -> Masks:
        """Find B regions in the next frame.

        Args:
            first: memory of the frame with the click.
            recent: memories of up to `span` frames after it, the last one first.
            points, labels: (B, P, 2) and (B, P), corrections on this very frame; all padding if there are
                none.
        """
        self._follow(levels.coarse)
        image = self._remembering(levels.coarse, first, recent, time)
        return self._decode(image, levels, points, labels)

    def remember(self, levels: Levels, chosen: Chosen, *, clicked: Tensor) -> Memory:
        """Encode B regions in a frame each; where `clicked` (B,) bool, masks are cut at zero."""
        model, config = self.model, self.model.config
        present = (chosen.presence > 0).float()
        gated = torch.where(present[..., None] > 0, chosen.logits, ABSENT)
        large = interpolate(gated[:, None], (self.side, self.side), mode="bilinear", align_corners=False)
        mask = torch.where(clicked.view(-1, 1, 1, 1), (large > 0).float(), large.sigmoid())
        mask = mask * config.sigmoid_scale_for_mem_enc + config.sigmoid_bias_for_mem_enc
        cells = model.memory_encoder(levels.coarse, mask)[0].flatten(2).mT
        cells = cells + ((1 - present) * model.occlusion_spatial_embedding_parameter)[:, None]
        pointer = present * model.object_pointer_proj(chosen.token) + (1 - present) * model.no_object_pointer
        return Memory(cells, pointer)

    def _remembering(self, coarse: Tensor, first: Memory, recent: Sequence[Memory], time: Time) -> Tensor:
        """Features (B, C, h, w) after attention to memories."""
        model, shape = self.model, coarse.shape[2:]
        spatial = [(0, first), *list(enumerate(recent, start=1))[: model.num_maskmem - 1]]
        # Index -1 of the temporal encodings is that of the frame with the click, whatever its distance.
        when = model.memory_temporal_positional_encoding.flatten(1)
        where = self._sines(model.memory_encoder, (1, model.mem_dim, *shape), coarse)
        cells = torch.cat([one.cells.to(coarse) for _, one in spatial], dim=1)
        places = torch.cat([where + when[steps - 1] for steps, _ in spatial], dim=1)
        pointers, moments = self._pointers(first, recent, time)
        attended = model.memory_attention(
            current_vision_features=coarse.flatten(2).permute(2, 0, 1),
            current_vision_position_embeddings=self._sines(
                model.vision_encoder.neck, (1, *coarse.shape[1:]), coarse
            ).transpose(0, 1),
            memory=torch.cat([cells, pointers], dim=1).transpose(0, 1),
            memory_posision_embeddings=torch.cat([places, moments], dim=1).transpose(0, 1),
            num_object_pointer_tokens=pointers.shape[1],
        )
        return attended.reshape(len(coarse), -1, coarse.shape[1]).mT.unflatten(2, shape)

    def _sines(self, owner: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Sine encoding of positions, (1, h * w, channels)."""
        sines: Tensor = owner.position_encoding(torch.Size(shape), like.device, like.dtype)
        return sines.flatten(2).mT

    def _pointers(self, first: Memory, recent: Sequence[Memory], time: Time) -> tuple[Tensor, Tensor]:
        """Pointers to the object as tokens (B, n, m), and their encoded distances in time (1, n, m)."""
        from transformers.models.sam2_video.modeling_sam2_video import get_1d_sine_pe

        model = self.model
        span = min(time.n_frames - 1, self.span)
        kept = list(recent)[:span]
        steps = torch.tensor([time.elapsed, *range(1, len(kept) + 1)]).to(first.pointer)
        sines = get_1d_sine_pe(steps / span, dim=model.hidden_dim)
        encoded = model.temporal_positional_encoding_projection_layer(sines)
        parts = model.hidden_dim // model.mem_dim
        pointers = torch.stack([one.pointer for one in (first, *kept)], dim=1)
        tokens = pointers.unflatten(2, (parts, model.mem_dim)).flatten(1, 2)
        return tokens, encoded.repeat_interleave(parts, dim=0)[None]

    def _decode(self, image: Tensor, levels: Levels, points: Tensor, labels: Tensor) -> Masks:
        """Decode B prompts, in groups of one number of clicks each."""
        groups = list(by_length(labels))
        found = [
            self._decode_group(
                image[rows],
                levels.rows(rows),
                points[rows[:, None], kept],
                labels[rows[:, None], kept],
            )
            for rows, kept in groups
        ]
        most = max(one.logits.shape[1] for one in found)
        order = torch.cat([rows for rows, _ in groups]).argsort()
        logits, scores, tokens = (
            torch.cat([_repeated(getattr(one, name), most) for one in found])[order]
            for name in ("logits", "scores", "tokens")
        )
        presence = torch.cat([one.presence for one in found])[order]
        return Masks(logits, scores, tokens, presence)

    def _decode_group(self, image: Tensor, levels: Levels, points: Tensor, labels: Tensor) -> Masks:
        """Decode prompts with equally many clicks; a frame without one is decoded with the token for none."""
        model, several = self.model, labels.shape[1] > 1
        if labels.shape[1] == 0:
            points, labels = points.new_zeros(len(points), 1, 2), labels.new_full((len(labels), 1), -1)
        sparse, dense = model.prompt_encoder(points[:, None], labels[:, None], None, None)
        logits, scores, tokens, presence = model.mask_decoder(
            image_embeddings=image,
            image_positional_embeddings=model.get_image_wide_positional_embeddings().expand_as(image),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=not several,
            high_resolution_features=[levels.fine, levels.middle],
        )
        return Masks(logits[:, 0], scores[:, 0], tokens[:, 0], presence[:, 0])

    def _follow(self, tensor: Tensor) -> None:
        """Move the model to the tensor's device; not even touched where it is there (jvp forbids it)."""
        if self.model.no_memory_embedding.device != tensor.device:
            self.model.to(tensor.device)


def best_of(masks: Masks) -> Chosen:
    """Return each region's mask of the highest score."""
    rows, best = torch.arange(len(masks.scores), device=masks.scores.device), masks.scores.argmax(1)
    return Chosen(masks.logits[rows, best], masks.tokens[rows, best], masks.presence)


def each_of(masks: Masks) -> Chosen:
    """Return every mask as a region of its own, (B * M, ...) in row order."""
    presence = masks.presence.repeat_interleave(masks.scores.shape[1], dim=0)
    return Chosen(masks.logits.flatten(0, 1), masks.tokens.flatten(0, 1), presence)


def _repeated(values: Tensor, n_masks: int) -> Tensor:
    """Masks (B, M, ...) as `n_masks` each: as they are, or the only one repeated."""
    return values.expand(-1, n_masks, *[-1] * (values.ndim - 2))
