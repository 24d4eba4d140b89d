"""How labels look: a tone and a texture for each, in grey or colour, and the tone curve of the image."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from promptreg.synth.draws import Draws
from promptreg.synth.textures import FAMILIES

PLAIN_SHARE = 0.25
FAINT_SHARE, FAINT, CLEAR = 0.35, (0.03, 0.15), (0.15, 0.6)
INVERTED_SHARE = 0.15
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
        window: (N, 2) the tones that are shown black and white.
    """

    tones: Tensor
    textures: Tensor
    gains: Tensor
    coloured: Tensor
    stained: Tensor
    inverted: Tensor
    gamma: Tensor
    window: Tensor

    def rows(self, rows: Tensor) -> Look:
        """Return the look of some images, by index (R,) int64."""
        return Look(*(getattr(self, one.name)[rows] for one in fields(self)))

    def mixed(self, other: Look, where: Tensor) -> Look:
        """Return this look, and the other one for the images `where` (N,) is true."""
        pairs = [(getattr(self, one.name), getattr(other, one.name)) for one in fields(self)]
        return Look(*(torch.where(where.view(-1, *[1] * (a.ndim - 1)), b, a) for a, b in pairs))

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


def draw_look(draws: Draws, parents: Tensor, colour_share: float, stain_share: float) -> Look:
    """Draw the look of N images whose labels have `parents` (N, L)."""
    n, n_labels = parents.shape
    coloured = draws.chance(colour_share, n)
    stained = coloured & draws.chance(stain_share, n)
    tones = _tones(draws, parents)
    tones = torch.where(stained[:, None, None], _densities(draws, tones), tones)
    gains = 1 + 0.3 * draws.normal(n, 3)
    gains = torch.where(stained[:, None], 2 * tones.new_tensor(HAEMATOXYLIN), gains)
    gains[:, 0] = torch.where(coloured, gains[:, 0], 1)
    window = draws.uniform(n, 2, low=-0.1, high=0.15) * tones.new_tensor([1.0, -1.0]) + tones.new_tensor(
        [0.0, 1.0]
    )
    window = torch.where(stained[:, None], tones.new_tensor([0.0, 1.0]), window)
    gamma = draws.log_uniform(n, low=0.6, high=1.7)
    inverted = draws.chance(INVERTED_SHARE, n) & ~coloured
    return Look(tones, _amplitudes(draws, n, n_labels), gains, coloured, stained, inverted, gamma, window)


def _tones(draws: Draws, parents: Tensor) -> Tensor:
    """Return (N, L, 3): each label differs from its parent faintly or clearly."""
    n, n_labels = parents.shape
    faint = draws.chance(FAINT_SHARE, n, n_labels)
    contrast = torch.where(
        faint,
        draws.uniform(n, n_labels, low=FAINT[0], high=FAINT[1]),
        draws.uniform(n, n_labels, low=CLEAR[0], high=CLEAR[1]),
    )
    steps = (contrast * draws.signs(n, n_labels))[..., None] + 0.15 * draws.normal(n, n_labels, 3)
    grey = (contrast * draws.signs(n, n_labels))[..., None]
    steps = torch.cat((grey, grey + steps[..., 1:] * 0.5), -1)
    background = torch.where(draws.chance(0.6, n, 1), 0.05 * draws.uniform(n, 1), draws.uniform(n, 1))
    tones = torch.zeros(n, n_labels, 3, device=draws.device)
    tones[:, 0] = background
    top = 0.2 + 0.6 * draws.uniform(n, n_labels, 1)
    row = torch.arange(n, device=draws.device)
    for label in range(1, n_labels):
        parent = parents[:, label]
        base = torch.where((parent > 0)[:, None], tones[row, parent], top[:, label])
        tones[:, label] = _folded(base + steps[:, label])
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


def _amplitudes(draws: Draws, n: int, n_labels: int) -> Tensor:
    """Return (N, L, T): one family for each label, or none, over a little smooth noise."""
    n_families = len(FAMILIES)
    chosen = torch.nn.functional.one_hot(draws.integers(n, n_labels, low=0, high=n_families - 1), n_families)
    size = draws.uniform(n, n_labels, 1, low=0.02, high=0.12) * draws.signs(n, n_labels, 1)
    size = size * ~draws.chance(PLAIN_SHARE, n, n_labels, 1)
    amplitudes = chosen * size
    amplitudes[..., 0] += 0.02 * draws.uniform(n, n_labels)
    calm = draws.uniform(n, 1, 1, low=0.2, high=1.0)
    amplitudes[:, 0] *= 0.3
    return amplitudes * calm


def painted(labels: Tensor, look: Look, textures: list[Tensor]) -> Tensor:
    """Return the channels (N, C, P) of labels (N, P): C is 3 for a batch in colour and 1 for one in grey.

    The batch is all in colour or all in grey; values are tones, or optical densities where stained.
    """
    channels = range(3 if bool(look.coloured.any()) else 1)
    relief = sum(look.textures[..., t].gather(1, labels) * field for t, field in enumerate(textures))
    tones = [look.tones[..., c].gather(1, labels) + look.gains[:, c, None] * relief for c in channels]
    return torch.stack(tones, 1)


def developed(channels: Tensor, look: Look) -> Tensor:
    """Return images (N, C, P) in [0, 1] after staining, windowing, gamma and inversion."""
    each = (slice(None), None, None)
    image = torch.where(look.stained[each], channels.clamp_min(0).neg().exp(), channels)
    black, white = look.window.unbind(1)
    image = ((image - black[each]) / (white - black)[each]).clamp(0, 1)
    image = image.clamp_min(1e-6) ** look.gamma[each]
    return torch.where(look.inverted[each], 1 - image, image)
