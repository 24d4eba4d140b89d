"""Regions followed through frames: from the clicked one both ways, or on from one video into another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from promptreg.models.slicewise import OUTSIDE
from promptreg.models.video_frames import Clicks, Frames
from promptreg.models.video_net import Chosen, Memory, Time, VideoNet, best_of


@dataclass(frozen=True, eq=False)
class Past:
    """What is remembered of B regions: of the frame with the click, and of those after it, the last first."""

    first: Memory
    recent: Sequence[Memory] = ()

    def rows(self, index: Tensor) -> Past:
        """Return the regions `index`."""
        return Past(self.first.rows(index), [one.rows(index) for one in self.recent])


def begun(net: VideoNet, frames: Frames, clicks: Clicks, chosen: Chosen) -> Past:
    """Remember B regions as they were chosen on their clicked frames; a click says that they are there."""
    certain = replace(chosen, presence=torch.ones_like(chosen.presence))
    everywhere = torch.ones_like(clicks.start, dtype=torch.bool)
    return Past(net.remember(frames.levels.rows(clicks.start), certain, clicked=everywhere))


def followed(net: VideoNet, frames: Frames, clicks: Clicks, past: Past) -> Tensor:
    """Follow B regions both ways from the frames of their clicks, on which nothing is written.

    Returns logits (B, n_frames, h, w), `OUTSIDE` where a region is judged absent or was given up.
    """
    masks = frames.nowhere(len(clicks.start), OUTSIDE)
    for direction in (1, -1):
        for rows, numbers, logits in _one_way(net, frames, clicks, past, direction, n_frames=len(frames)):
            masks[rows, numbers] = logits
    return masks


def continued(net: VideoNet, frames: Frames, start: Tensor, past: Past) -> Tensor:
    """Look for B regions of another video on frames `start` (B,), and follow them both ways from there.

    Returns logits (B, n_frames, h, w), `OUTSIDE` where a region is judged absent or was given up.
    """
    clicks, n_frames = Clicks.none(start), 1 + len(frames)
    masks = frames.nowhere(len(start), OUTSIDE)
    step = _step(net, frames, clicks, past, start, Time(1, n_frames))
    rows = step.present.nonzero().flatten()
    masks[rows, start[rows]] = step.logits[rows]
    known = Past(past.first, [step.memory]).rows(rows)
    for direction in (1, -1):
        way = _one_way(net, frames, clicks.rows(rows), known, direction, n_frames=n_frames)
        for kept, numbers, logits in way:
            masks[rows[kept], numbers] = logits
    return masks


@dataclass(frozen=True, eq=False)
class _Step:
    """One frame further: `logits` (B, h, w), whether the object is `present` (B,), and the new memory."""

    logits: Tensor
    present: Tensor
    memory: Memory


def _one_way(
    net: VideoNet, frames: Frames, clicks: Clicks, past: Past, direction: int, *, n_frames: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Follow B regions from `clicks.start` on; yield rows (b,), their frames (b,) and logits (b, h, w)."""
    rows = torch.arange(len(clicks.start), device=clicks.start.device)
    known = len(past.recent)
    for distance in range(1, len(frames)):
        numbers = clicks.start[rows] + direction * distance
        inside = ((numbers >= 0) & (numbers < len(frames))).nonzero().flatten()
        rows, numbers, past = rows[inside], numbers[inside], past.rows(inside)
        if len(rows) == 0:
            return
        here = clicks.rows(rows)
        step = _step(net, frames, here, past, numbers, Time(known + distance, n_frames))
        yield rows, numbers, torch.where(step.present[:, None, None], step.logits, OUTSIDE)
        going = (step.present | here.beyond(numbers, direction)).nonzero().flatten()
        rows = rows[going]
        past = Past(past.first, [step.memory, *past.recent][: net.span]).rows(going)


def _step(net: VideoNet, frames: Frames, clicks: Clicks, past: Past, numbers: Tensor, time: Time) -> _Step:
    """Find B regions on one frame each, `numbers` (B,), with the clicks that lie there as corrections."""
    levels, labels = frames.levels.rows(numbers), clicks.on(numbers)
    found = net.tracked(levels, past.first, past.recent, time=time, points=clicks.places, labels=labels)
    best = best_of(found)
    presence = torch.where((labels == 1).any(1, keepdim=True), 1.0, best.presence)
    best = replace(best, presence=presence)
    memory = net.remember(levels, best, clicked=(labels != -1).any(1))
    return _Step(best.logits, presence[:, 0] > 0, memory)
