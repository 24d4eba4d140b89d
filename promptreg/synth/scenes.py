"""Which scenes are drawn how often, and what they have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from promptreg.synth.anatomy import draw_anatomy
from promptreg.synth.draws import Draws
from promptreg.synth.mosaics import draw_fields, draw_smooth_noise
from promptreg.synth.tissue import draw_tissue


class Scenes(Protocol):
    """N label maps as functions of place; the middle of a scene is 0 and its side 1."""

    @property
    def parents(self) -> Tensor:
        """(N, n_labels) int64, the parent of each label, 0 if none."""
        ...

    @property
    def alike(self) -> Tensor:
        """(N, n_labels) int64, the label whose look each label shares, most often itself."""
        ...

    def labels(self, places: Tensor) -> Tensor:
        """Return the labels (N, P) int64 at places (N, ndim, P)."""
        ...

    def jittered(self, draws: Draws) -> Scenes:
        """Return the same scenes of another subject, with the same labels and parents."""
        ...


KINDS: dict[str, Callable[[Draws, int, int], Scenes]] = {
    "anatomy": draw_anatomy,
    "smooth noise": draw_smooth_noise,
    "fields": draw_fields,
    "tissue": draw_tissue,
}
SHARES = {"anatomy": 0.55, "smooth noise": 0.2, "fields": 0.15, "tissue": 0.1}
COLOUR_SHARES = {"anatomy": 0.13, "smooth noise": 0.15, "fields": 0.55, "tissue": 0.65}
STAIN_SHARES = {"anatomy": 0.3, "smooth noise": 0.5, "fields": 0.0, "tissue": 0.9}


def draw_kinds(draws: Draws, n: int) -> Tensor:
    """Draw (N,) int64, the position in `KINDS` of each scene's kind."""
    edges = draws.uniform(1).new_tensor([SHARES[kind] for kind in KINDS]).cumsum(0)
    return (draws.uniform(n)[:, None] >= edges[:-1]).sum(1)
