"""Take the picture of a subject: a scene with its look and its textures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from promptreg.synth.appearance import Look, developed, painted
from promptreg.synth.draws import Draws
from promptreg.synth.records import mix_rows, select_rows
from promptreg.synth.scenes import Scenes
from promptreg.synth.sensor import draw_sensor
from promptreg.synth.textures import Textures


@dataclass(frozen=True, eq=False)
class Subjects:
    """N scenes, how their labels look, and their textures."""

    scenes: Scenes
    look: Look
    textures: Textures

    def others(self, draws: Draws, same: Tensor) -> Subjects:
        """Return other subjects with the same look, but where `same` (N,) bool is true the same subjects."""
        scenes = mix_rows(self.scenes.jittered(draws), self.scenes, same)
        return Subjects(scenes, self.look, mix_rows(self.textures.elsewhere(), self.textures, same))


def photographed(
    draws: Draws, subjects: Subjects, places: Tensor, shape: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Return images (N, 3, P) in [0, 1] and labels (N, P) at places (N, ndim, P) of the scenes.

    The P places are those of the cells of an image of `shape`.
    """
    labels = subjects.scenes.labels(places)
    textures = subjects.textures(places)
    sensor = draw_sensor(draws, len(labels), shape)
    image = torch.empty(len(labels), 3, labels.shape[1], device=labels.device)
    for of_colour in (subjects.look.coloured, ~subjects.look.coloured):
        rows = of_colour.nonzero()[:, 0]
        if len(rows):
            look = select_rows(subjects.look, rows)
            channels = painted(labels[rows], look, [field[rows] for field in textures])
            ideal = developed(channels, look).unflatten(2, shape)
            image[rows] = select_rows(sensor, rows).measured(ideal, draws).flatten(2)
    return image, labels
