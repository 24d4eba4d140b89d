"""Pairs of images of the same synthetic scene: deformed, and seen again or seen differently."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from promptreg.seeds import derive_seed
from promptreg.synth.appearance import Look, draw_look
from promptreg.synth.draws import Draws
from promptreg.synth.imaging import Subjects, photographed
from promptreg.synth.records import mix_rows
from promptreg.synth.regions import compacted
from promptreg.synth.scenes import KINDS, draw_kinds
from promptreg.synth.textures import draw_textures
from promptreg.synth.view_field import draw_frames
from promptreg.synth.warps import draw_view, draw_warp, image_places, to_index

EXACT_SHARE = 0.5
MILD_SHARE, REDRAWN_SHARE = 0.3, 0.15
TONE_JITTER = 0.012
SMALLEST_SIDE = 0.025


@dataclass(frozen=True, eq=False)
class SynthPairs:
    """B pairs of synthetic images of the same scenes.

    Attributes:
        first, second: (B, 3, *shape) float32 RGB in [0, 1]; grey images have three equal channels.
        first_labels, second_labels: (B, *shape) int64; 0 is background, the same id is the same thing.
        parents: (B, n_labels) int64, the parent of each label, 0 if none; label 0 counts as one.
        flow: (B, *shape, ndim) float32, where each cell of `first` lies in `second`, in index
            coordinates, array order; it may lie outside.
        exact: (B,) bool, whether `flow` is the dense truth; else the second image shows another
            subject, and only regions correspond.
    """

    first: Tensor
    second: Tensor
    first_labels: Tensor
    second_labels: Tensor
    parents: Tensor
    flow: Tensor
    exact: Tensor


def synth_pairs(
    n_pairs: int, shape: tuple[int, ...], *, seed: int, device: torch.device | str = "cpu"
) -> SynthPairs:
    """Draw pairs of synthetic images of a 2D or 3D shape; the same seed and device give the same pairs.

    Example: `pairs = synth_pairs(64, (128, 128), seed=7, device="cuda")`.
    """
    draws = Draws(derive_seed("synth", seed, n_pairs, *shape), torch.device(device))
    kinds = draw_kinds(draws, n_pairs)
    rows, parts = [], []
    for number, kind in enumerate(KINDS):
        chosen = (kinds == number).nonzero()[:, 0]
        if len(chosen):
            rows.append(chosen)
            parts.append(_pairs_of_kind(kind, draws, len(chosen), shape))
    return _joined(parts, torch.cat(rows).argsort())


def _pairs_of_kind(kind: str, draws: Draws, n: int, shape: tuple[int, ...]) -> SynthPairs:
    """Draw N pairs of one kind of scene."""
    ndim = len(shape)
    scenes, exact = KINDS[kind](draws, n, ndim), draws.chance(EXACT_SHARE, n)
    subjects = Subjects(scenes, draw_look(draws, scenes, kind), draw_textures(draws, n, ndim, max(shape)))
    again = replace(subjects.others(draws, exact), look=_second_look(draws, subjects, kind))
    view, warp, frame = draw_view(draws, n, ndim), draw_warp(draws, n, ndim), draw_frames(draws, n)
    places = image_places(shape, draws.device).expand(n, -1, -1)
    back = warp(places)
    first, first_labels = photographed(draws, subjects, view(places), shape)
    second, second_labels = photographed(draws, again, view(back), shape)
    seen, seen_again = frame.first(places, shape), frame.second(back, shape)
    smallest = max(5, round(SMALLEST_SIDE**ndim * places.shape[2]))
    maps, parents = compacted([first_labels * seen, second_labels * seen_again], scenes.parents, smallest)
    return SynthPairs(
        _filled(first, seen, frame.fills[:, 0]).unflatten(2, shape),
        _filled(second, seen_again, frame.fills[:, 1]).unflatten(2, shape),
        maps[0].unflatten(1, shape),
        maps[1].unflatten(1, shape),
        parents,
        to_index(warp.inverse(places), shape),
        exact,
    )


def _second_look(draws: Draws, subjects: Subjects, kind: str) -> Look:
    """Return the look of the second images: nearly the same, mildly changed or redrawn."""
    look, scenes = subjects.look, subjects.scenes
    lot = draws.uniform(len(look.tones))
    same = look.shifted(draws, TONE_JITTER)
    changed = mix_rows(same, look.retoned(draws), lot < REDRAWN_SHARE + MILD_SHARE)
    return mix_rows(changed, draw_look(draws, scenes, kind), lot < REDRAWN_SHARE)


def _filled(image: Tensor, is_open: Tensor, fill: Tensor) -> Tensor:
    """Return images (N, 3, P) with one tone (N,) where they are not open (N, P)."""
    return torch.where(is_open[:, None], image, fill[:, None, None])


def _joined(parts: list[SynthPairs], order: Tensor) -> SynthPairs:
    """Return all pairs of some batches in a new order; parents are padded to the longest list."""
    n_labels = max(part.parents.shape[1] for part in parts)
    columns = {one.name: [getattr(part, one.name) for part in parts] for one in fields(SynthPairs)}
    columns["parents"] = [pad(one, (0, n_labels - one.shape[1])) for one in columns["parents"]]
    return SynthPairs(**{name: torch.cat(column)[order] for name, column in columns.items()})
