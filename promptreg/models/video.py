"""A volume as a video: the region of a click is followed from slice to slice by what is remembered of it.

Slices lie across the axis with the largest spacing. They are encoded once, when the image is embedded;
memories are made while a prompt is decoded. Planar images are videos of one frame.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from promptreg.geometry import apply_affine, resized
from promptreg.models.base import check_prompts
from promptreg.models.colours import to_colours
from promptreg.models.sam_settings import Inputs
from promptreg.models.slice_stack import embed_planes
from promptreg.models.video_following import begun, continued, followed
from promptreg.models.video_frames import Clicks, Frames
from promptreg.models.video_net import VideoNet, best_of, each_of
from promptreg.types import Candidates, Embedding, Grid, Image


class VideoSegmenter:
    """A video model on planar images and volumes.

    A prompt is decoded on the slice of its first positive point and followed both ways until the model
    judges its object absent, yet always up to the farthest positive point. Points on other slices correct
    the mask there. One click on the first slice has three candidates, each followed on its own, more have
    one; in a batch of both kinds that one stands three times. Own scores are the IoUs predicted on the
    first slice.

    On a planar image `decode` is a smooth function of the points. In a volume it is not, since the first
    slice is remembered by its mask cut at zero; the derivatives there are those of the first slice alone.
    """

    ndim: tuple[int, ...] = (2, 3)
    differentiable = False
    negative_points = True
    prompts_per_chunk: ClassVar[int] = 4
    slices_per_chunk: ClassVar[int] = 4

    def __init__(self, net: VideoNet, inputs: Inputs, *, name: str) -> None:
        self.name = name
        self.net = net
        self.inputs = inputs

    def embed(self, image: Image) -> Embedding:
        """Encode a planar image, or every slice of a volume, of any number of channels."""
        return embed_planes(image, to_colours(image.data), self.embed_stack)

    def embed_stack(self, colours: Tensor, grid: Grid) -> list[Embedding]:
        """Encode N planes (N, 3, Y, X) in [0, 255] that share one grid."""
        pixels = self.inputs.grid(grid, self.net.side)
        return [
            Embedding(
                coarse,
                resized(pixels, coarse.shape[1:]),
                grid,
                resized(pixels, fine.shape[1:]),
                {"middle": middle, "fine": fine},
            )
            for chunk in colours.split(self.slices_per_chunk)
            for levels in [self.net.encode(self.inputs.transform(chunk, pixels.shape))]
            for coarse, middle, fine in zip(levels.coarse, levels.middle, levels.fine, strict=True)
        ]

    def compile_encoder(self) -> bool:
        """Compile the encoder."""
        self.net.model.vision_encoder.compile()
        return True

    def decode(self, embedding: Embedding, points: Tensor, labels: Tensor) -> Candidates:
        """Decode B prompts; three candidates if a prompt of the batch is one click, one otherwise."""
        check_prompts(points, labels, ndim=embedding.image_grid.ndim)
        frames = Frames.of(embedding)
        clicks = self._clicks(frames, points, labels)
        alone = (clicks.on(clicks.start) != -1).sum(1) == 1
        n_masks = 3 if alone.any() or len(alone) == 0 else 1
        found = [self._decode_chunk(frames, clicks.rows(rows), n_masks) for rows in self._chunks(alone)]
        logits = [frames.nowhere(0, 0.0)[:, None].expand(-1, n_masks, -1, -1, -1)]
        logits += [one.logits for one in found]
        scores = [logits[0].new_zeros(0, n_masks), *(one.scores for one in found)]
        return Candidates(frames.stacked(torch.cat(logits)), torch.cat(scores))

    @torch.no_grad()
    def carry_over(
        self, moving: Embedding, fixed: Embedding, points: Tensor, labels: Tensor, *, starts: Tensor
    ) -> Tensor:
        """Segment B prompts on one image and find the regions on another, as if it came next in a video.

        The candidate with the highest own score goes over.

        Args:
            points, labels: prompts (B, P, ndim) and (B, P) in index coordinates of the moving image; points
                off the slice of a prompt's first positive one are left out.
            starts: (B, ndim) index coordinates of the fixed image; a region is first looked for on the slice
                nearest to its own, and followed both ways from there.

        Returns:
            (B, *fixed.mask_grid.shape) logits, far below zero where the object is judged absent.
        """
        check_prompts(points, labels, ndim=moving.image_grid.ndim)
        before, after = Frames.of(moving), Frames.of(fixed)
        clicks, nearest = self._clicks(before, points, labels), after.nearest(starts)
        masks = [after.nowhere(0, 0.0)]
        for rows in self._chunks(nearest):
            here = clicks.rows(rows)
            first = self.net.clicked(before.levels.rows(here.start), here.places, here.on(here.start))
            past = begun(self.net, before, here, best_of(first))
            masks.append(continued(self.net, after, nearest[rows], past))
        return after.stacked(torch.cat(masks))

    def _chunks(self, prompts: Tensor) -> list[Tensor]:
        """Rows of prompts (B,), a few at a time; none at all if there are none."""
        rows = torch.arange(len(prompts), device=prompts.device)
        return [chunk for chunk in rows.split(self.prompts_per_chunk) if len(chunk)]

    def _clicks(self, frames: Frames, points: Tensor, labels: Tensor) -> Clicks:
        """Take prompts in index coordinates of the image apart."""
        points = points.to(frames.levels.coarse)
        pixels = self.inputs.grid(frames.plane, self.net.side)
        to_pixels = np.linalg.inv(pixels.affine) @ frames.plane.affine
        places = apply_affine(to_pixels, frames.in_plane(points)).flip(-1)
        return Clicks.of(places, frames.nearest(points), labels.to(points.device))

    def _decode_chunk(self, frames: Frames, clicks: Clicks, n_masks: int) -> Candidates:
        """Decode a few prompts: logits (b, n_masks, n_frames, h, w)."""
        first = self.net.clicked(frames.levels.rows(clicks.start), clicks.places, clicks.on(clicks.start))
        volume = first.logits[:, :, None]
        if len(frames) > 1:
            count = first.scores.shape[1]
            numbers = torch.arange(len(frames), device=clicks.start.device)
            begin = (numbers == clicks.start[:, None])[:, None, :, None, None]
            with torch.no_grad():
                objects = clicks.rows(torch.arange(len(clicks.start)).repeat_interleave(count))
                past = begun(self.net, frames, objects, each_of(first))
                others = followed(self.net, frames, objects, past).unflatten(0, (-1, count))
            volume = torch.where(begin, volume, others)
        return Candidates(volume.expand(-1, n_masks, -1, -1, -1), first.scores.expand(-1, n_masks))
