"""Pairs of images of the same synthetic scene: deformed, and seen again or seen differently."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.functional import pad

from promptreg.seeds import derive_seed
from promptreg.synth.appearance import Look, developed, draw_look, painted
from promptreg.synth.draws import Draws
from promptreg.synth.regions import compacted
from promptreg.synth.scenes import COLOUR_SHARES, KINDS, STAIN_SHARES, Scenes, draw_kinds
from promptreg.synth.sensor import draw_sensor
from promptreg.synth.textures import Textures, draw_textures
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
    ndim, side = len(shape), max(shape)
    scenes = KINDS[kind](draws, n, ndim)
    view, warp, frame = draw_view(draws, n, ndim), draw_warp(draws, n, ndim), draw_frames(draws, n)
    exact = draws.chance(EXACT_SHARE, n)
    places = image_places(shape, draws.device)
    back = warp(places)
    first_labels, second_labels = _label_maps(scenes, scenes.jittered(draws), exact, view(places), view(back))
    first_open, second_open = frame.first(places, shape), frame.second(back, shape)
    shown = [
        torch.where(open_, one, 0)
        for one, open_ in ((first_labels, first_open), (second_labels, second_open))
    ]
    look = draw_look(draws, scenes.parents, COLOUR_SHARES[kind], STAIN_SHARES[kind])
    again = _second_look(draws, look, scenes.parents, kind)
    textures = draw_textures(draws, n, ndim, side)
    others = _second_textures(textures, draw_textures(draws, n, ndim, side), exact)
    first = _image(draws, first_labels, look, textures(view(places)), shape)
    second = _image(draws, second_labels, again, others(view(back)), shape)
    smallest = max(5, round(SMALLEST_SIDE**ndim * places.shape[2]))
    maps, parents = compacted(shown, scenes.parents, smallest)
    return SynthPairs(
        _filled(first, first_open, frame.fills[:, 0]).unflatten(2, shape),
        _filled(second, second_open, frame.fills[:, 1]).unflatten(2, shape),
        maps[0].unflatten(1, shape),
        maps[1].unflatten(1, shape),
        parents,
        to_index(warp.inverse(places.expand(n, -1, -1)), shape),
        exact,
    )


def _label_maps(
    scenes: Scenes, others: Scenes, exact: Tensor, first: Tensor, second: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the labels (N, P) at scene places (N, ndim, P) of both images."""
    return scenes.labels(first), torch.where(exact[:, None], scenes.labels(second), others.labels(second))


def _second_look(draws: Draws, look: Look, parents: Tensor, kind: str) -> Look:
    """Return the look of the second images: the same, mildly changed or redrawn."""
    lot = draws.uniform(len(parents))
    redrawn = draw_look(draws, parents, COLOUR_SHARES[kind], STAIN_SHARES[kind])
    changed = look.shifted(draws, TONE_JITTER).mixed(look.retoned(draws), lot < REDRAWN_SHARE + MILD_SHARE)
    return changed.mixed(redrawn, lot < REDRAWN_SHARE)


def _second_textures(textures: Textures, redrawn: Textures, exact: Tensor) -> Textures:
    """Return textures that stay the same function of place where the pair is exact."""
    where = exact[:, None, None, None]
    lattices = torch.where(
        where.view(-1, *[1] * (textures.lattices.ndim - 1)), textures.lattices, redrawn.lattices
    )
    return Textures(lattices, textures.maps, textures.stripes)


def _image(
    draws: Draws, labels: Tensor, look: Look, textures: list[Tensor], shape: tuple[int, ...]
) -> Tensor:
    """Return images (N, 3, P) in [0, 1] of labels (N, P) and textures (N, P)."""
    image = torch.empty(len(labels), 3, labels.shape[1], device=labels.device)
    sensor = draw_sensor(draws, len(labels), shape)
    for of_colour in (look.coloured, ~look.coloured):
        rows = of_colour.nonzero()[:, 0]
        if len(rows):
            one = look.rows(rows)
            channels = painted(labels[rows], one, [field[rows] for field in textures])
            ideal = developed(channels, one).unflatten(2, shape)
            image[rows] = sensor.rows(rows).measured(ideal, draws).flatten(2)
    return image


def _filled(image: Tensor, is_open: Tensor, fill: Tensor) -> Tensor:
    """Return images (N, 3, P) with one tone (N,) where they are not open (N, P)."""
    return torch.where(is_open[:, None], image, fill[:, None, None])


def _joined(parts: list[SynthPairs], order: Tensor) -> SynthPairs:
    """Return all pairs of some batches in a new order; parents are padded to the longest list."""
    n_labels = max(part.parents.shape[1] for part in parts)
    columns = {one.name: [getattr(part, one.name) for part in parts] for one in fields(SynthPairs)}
    columns["parents"] = [pad(one, (0, n_labels - one.shape[1])) for one in columns["parents"]]
    return SynthPairs(**{name: torch.cat(column)[order] for name, column in columns.items()})
