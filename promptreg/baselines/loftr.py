"""LoFTR: a transformer matches the coarse cells of two images and refines them; Sun et al., CVPR 2021."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from kornia.feature import LoFTR as Network
from torch import Tensor

from promptreg import checkpoints
from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.matcher import registered
from promptreg.config import Baselines
from promptreg.device import choose_device
from promptreg.types import Ddf, Pair

NAME = "loftr"
"""Of the weights."""
PREFIX = "matcher."
"""Before every name in files that training has written."""
HALF_CELL = 0.5
"""From the network's frame, whose first cell begins at zero, to one whose first cell has its centre there."""


class Loftr:
    """LoFTR with the released weights for outdoor scenes, as a field."""

    def register(self, pair: Pair, settings: Baselines, workdir: Path) -> Ddf:
        """Return the canonical field; RuntimeError where too few matches agree."""
        del workdir
        device = choose_device(settings.device)
        net = network(device)
        return registered(pair, lambda fixed, moving: matches(net, fixed, moving), device)


@lru_cache(maxsize=1)
def network(device: torch.device) -> Network:
    """Build the network with the released weights; BaselineUnavailable, with what to do, without them."""
    try:
        state = checkpoints.load_state_dict(NAME)
    except checkpoints.CheckpointUnavailable as error:
        raise BaselineUnavailable(str(error)) from error
    net = Network(pretrained=None)
    checkpoints.load_strictly(net, {k.removeprefix(PREFIX): v for k, v in state.items()}, NAME)
    return net.eval().requires_grad_(False).to(device)


def matches(net: Network, fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
    """Return the matched points (N, 2) x, y of two images (1, 1, Y, X), whose sides may differ."""
    found = net({"image0": fixed, "image1": moving})
    return found["keypoints0"] - HALF_CELL, found["keypoints1"] - HALF_CELL
