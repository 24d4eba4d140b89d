"""How labels look: a tone and a texture for each, in grey or colour, and the tone curve of the image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptreg.synth.draws import Draws
from promptreg.synth.regions import MAX_DEPTH
from promptreg.synth.scenes import COLOUR_SHARES, STAIN_SHARES, Scenes
from promptreg.synth.textures import FAMILIES

PLAIN_SHARE = 0.25
FAINT_SHARE, FAINT, CLEAR = 0.35, (0.03, 0.15), (0.15, 0.6)
INVERTED_SHARE = 0.15
TWIN_JITTER = 0.015
VESSELS = FAMILIES.index("vessels")
HAEMATOXYLIN, EOSIN = (0.65, 0.70, 0.29), (0.10, 0.95, 0.25)


@dataclass(frozen=True, eq=False)
class Look:
    """The look of N images of L labels.

    Attributes:
        tones: (N, L, 3) RGB in [0, 1], or optical densities where `stained`; grey images use the first.
        textures: (N, L, T) amplitude of each texture.
        gains: (N, 3) how much of the texture each channel shows.
        coloured, stained, inverted: (N,) bool.
        gamma: (N,) exponent of the tone curve.
        window: (N, 2) the tones that are shown black and white, for grey images in units of their range.
    """

    tones: Tensor
    textures: Tensor
    gains: Tensor
    coloured: Tensor
    stained: Tensor
    inverted: Tensor
    gamma: Tensor
    window: Tensor

    def shifted(self, draws: Draws, size: float) -> Look:
        """Return the look with every tone changed by normal noise of a size."""
        tones = self.tones + size * draws.normal(*self.tones.shape[:2], 1)
        return Look(**(vars(self) | {"tones": tones.clamp(0, 2)}))

    def retoned(self, draws: Draws) -> Look:
        """Return the look with tones, texture strength, gamma and window mildly redrawn."""
        n = len(self.tones)
        drawn = {
            "textures": self.textures * draws.uniform(n, 1, 1, low=0.5, high=1.4),
            "gamma": self.gamma * draws.log_uniform(n, low=0.6, high=1.6),
            "window": self.window + 0.06 * draws.normal(n, 2),
            "gains": self.gains * draws.uniform(n, 3, low=0.85, high=1.15),
        }
        tint = 1 + 0.08 * draws.normal(n, 1, 3) * self.coloured[:, None, None]
        moved = Look(**(vars(self) | drawn | {"tones": self.tones * tint}))
        return moved.shifted(draws, 0.03)


def draw_look(draws: Draws, scenes: Scenes, kind: str) -> Look:
    """Draw the look of images of N scenes of a kind; labels that are alike differ a little in tone only."""
    n = len(scenes.parents)
    coloured = draws.chance(COLOUR_SHARES[kind], n)
    stained = coloured & draws.chance(STAIN_SHARES[kind], n)
    tones = _tones(draws, scenes.parents)
    amplitudes = _amplitudes(draws, tones[..., 0])
    tones = _shared(tones, scenes.alike) + TWIN_JITTER * draws.normal(n, tones.shape[1], 1)
    tones = torch.where(stained[:, None, None], _densities(draws, tones), tones)
    gains = 1 + 0.3 * draws.normal(n, 3)
    gains = torch.where(stained[:, None], 2 * tones.new_tensor(HAEMATOXYLIN), gains)
    gains[:, 0] = torch.where(coloured, gains[:, 0], 1)
    window = draws.uniform(n, 2, low=-0.12, high=0.1) * tones.new_tensor([1.0, -1.0]) + tones.new_tensor(
        [0.0, 1.0]
    )
    window = torch.where(stained[:, None], tones.new_tensor([0.0, 1.0]), window)
    gamma = draws.log_uniform(n, low=0.6, high=1.7)
    inverted = draws.chance(INVERTED_SHARE, n) & ~coloured
    return Look(tones, _shared(amplitudes, scenes.alike), gains, coloured, stained, inverted, gamma, window)


def _tones(draws: Draws, parents: Tensor) -> Tensor:
    """Return (N, L, 3): each label differs from its parent faintly or clearly."""
    n, n_labels = parents.shape
    faint = draws.chance(FAINT_SHARE, n, n_labels)
    contrast = torch.where(
        faint,
        draws.uniform(n, n_labels, low=FAINT[0], high=FAINT[1]),
        draws.uniform(n, n_labels, low=CLEAR[0], high=CLEAR[1]),
    )
    hues = draws.log_uniform(n, 1, 1, low=0.02, high=0.2) * draws.normal(n, n_labels, 3)
    steps = (contrast * draws.signs(n, n_labels))[..., None] + hues
    steps[..., 0] -= hues[..., 0]
    background = torch.where(draws.chance(0.6, n, 1), 0.05 * draws.uniform(n, 1), draws.uniform(n, 1))
    top = _folded(draws.uniform(n, n_labels, 1, low=0.08, high=0.92) + hues - hues[..., :1])
    hidden = (top[..., :1] - background[:, None]).abs() < CLEAR[0]
    apart = draws.signs(n, n_labels, 1) * draws.uniform(n, n_labels, 1, low=CLEAR[0], high=CLEAR[1])
    top = torch.where(hidden, _folded(background[:, None] + apart), top)
    top[:, 0] = background
    above = parents[..., None].expand(-1, -1, 3)
    tones = top
    for _ in range(MAX_DEPTH):
        tones = torch.where(above > 0, _folded(tones.gather(1, above) + steps), top)
    return tones


def _folded(tones: Tensor) -> Tensor:
    """Return tones mirrored at 0.02 and 0.98, so that a contrast survives near black and white."""
    return 0.98 - ((tones - 0.02).abs() + 0.02 - 0.98).abs()


def _densities(draws: Draws, tones: Tensor) -> Tensor:
    """Return optical densities (N, L, 3) of two dyes; the darker a tone the more of the first."""
    n = len(tones)
    first, second = tones.new_tensor(HAEMATOXYLIN), tones.new_tensor(EOSIN)
    first = first + 0.06 * draws.normal(n, 1, 3)
    second = second + 0.08 * draws.normal(n, 1, 3)
    strength = draws.uniform(n, 1, 1, low=0.7, high=1.3)
    density = strength * ((1 - tones[..., :1]) * first + 0.8 * tones[..., 1:2] * second)
    density[:, 0] = 0.05 * density[:, 0]
    return density.clamp_min(0)


def _amplitudes(draws: Draws, tones: Tensor) -> Tensor:
    """Return (N, L, T) for labels of `tones` (N, L): one family for each or none."""
    n, n_labels = tones.shape
    families = draws.integers(n, n_labels, low=0, high=len(FAMILIES) - 1)
    size = draws.uniform(n, n_labels, low=0.02, high=0.18) * draws.signs(n, n_labels)
    bright = draws.uniform(n, n_labels, low=0.1, high=0.4) * (tones < 0.4)
    size = torch.where(families == VESSELS, torch.where(bright > 0, bright, size), size)
    size = size * ~draws.chance(PLAIN_SHARE, n, n_labels) * draws.uniform(n, 1, low=0.3, high=1.0)
    amplitudes = torch.nn.functional.one_hot(families, len(FAMILIES)) * size[..., None]
    amplitudes[..., 0] += 0.02 * draws.uniform(n, n_labels)
    amplitudes[:, 0] *= 0.3
    return amplitudes


def _shared(values: Tensor, alike: Tensor) -> Tensor:
    """Return values (N, L, C) of the labels (N, L) int64 that each label is like."""
    return values.gather(1, alike[..., None].expand_as(values))


def painted(labels: Tensor, look: Look, textures: list[Tensor]) -> Tensor:
    """Return the channels (N, C, P) of labels (N, P): C is 3 for a batch in colour and 1 for one in grey.

    The batch is all in colour or all in grey; values are tones, or optical densities where stained.
    """
    channels = range(3 if bool(look.coloured.any()) else 1)
    relief = sum(look.textures[..., t].gather(1, labels) * field for t, field in enumerate(textures))
    tones = [look.tones[..., c].gather(1, labels) + look.gains[:, c, None] * relief for c in channels]
    return torch.stack(tones, 1)


def developed(channels: Tensor, look: Look) -> Tensor:
    """Return images (N, C, P) in [0, 1] after staining, windowing, gamma and inversion.

    The window of a grey image is in units of its own range, as such images are shown; that of one in
    colour is absolute.
    """
    each = (slice(None), None, None)
    image = torch.where(look.stained[each], channels.clamp_min(0).neg().exp(), channels)
    low = torch.where(look.coloured, 0, image.amin((1, 2)))
    span = torch.where(look.coloured, 1, image.amax((1, 2)) - low).clamp_min(0.05)
    black, white = low + span * look.window[:, 0], low + span * look.window[:, 1]
    image = ((image - black[each]) / (white - black)[each]).clamp(0, 1)
    image = image.clamp_min(1e-6) ** look.gamma[each]
    return torch.where(look.inverted[each], 1 - image, image)
