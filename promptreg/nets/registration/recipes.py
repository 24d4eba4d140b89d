"""How each network is trained, as published: its objective, its step size and how stiff its field is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn

from promptreg.nets.registration.keymorph import KeyMorphNet
from promptreg.nets.registration.localnet import LocalRegistrationNet
from promptreg.nets.registration.transmorph import TransMorphNet
from promptreg.nets.registration.voxelmorph import VoxelMorphNet

MULTIPLE = 32
"""Sides of a working grid are multiples of this."""


@dataclass(frozen=True)
class Recipe:
    """A network and its objective.

    `build` takes the shape of the working grid and the share of the published channels. `similarity` "labels"
    needs label maps. `amsgrad` is a variant of Adam. `augmented` is how far inward the corners of training
    images are read at most, in halves of a side. `taught` is the share of the steps in which a network of
    keypoints is first taught to move them as the image moves.
    """

    build: Callable[[Sequence[int], float], nn.Module]
    similarity: Literal["ncc", "mse", "labels"]
    roughness: Literal["gradient", "bending"]
    smoothness: float
    step_size: float
    amsgrad: bool = False
    augmented: float = 0.0
    taught: float = 0.0


RECIPES = {
    "voxelmorph": Recipe(VoxelMorphNet, "ncc", "gradient", 1.0, 1e-4),
    "voxelmorph_halved": Recipe(partial(VoxelMorphNet, halved=True), "ncc", "gradient", 1.0, 1e-4),
    "labelreg": Recipe(LocalRegistrationNet, "labels", "bending", 0.5, 1e-5, augmented=0.1),
    "transmorph": Recipe(TransMorphNet, "ncc", "gradient", 1.0, 1e-4, amsgrad=True),
    "keymorph_affine": Recipe(partial(KeyMorphNet, spline=False), "mse", "gradient", 0.0, 3e-6, taught=0.25),
    "keymorph_tps": Recipe(partial(KeyMorphNet, spline=True), "mse", "gradient", 0.0, 3e-6, taught=0.25),
}


def seeded_net(method: str, shape: Sequence[int], width: float, seed: int) -> nn.Module:
    """Build a network with the first weights of a seed; the global generator stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RECIPES[method].build(tuple(shape), width)
