"""The score of a candidate mask: its IoU with what was meant, foretold from cues by a tiny network.

A dimension has a network of its own with two hidden layers, trained on synthetic images alone
(`promptreg train-scores`); the package ships that of 2D. It sees each candidate's cues, how they differ from
the pool's mean, and of which sort the candidate is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import relu

from promptreg.checkpoints import shipped_file
from promptreg.nets.weightfile import check_record

WEIGHTS = shipped_file("mask_scores")
SHA256 = "0a042bc9863899069e2adeacc80ea775da015c64fa1cdd150e03e8fe86af8383"
"""Hash of the file of the package: it stands in the code so that stored results depend on it."""

LIMIT = 4.0
"""Standard deviations to which inputs are clipped: far from anything seen in training they say no more."""

Weights = Mapping[str, Tensor]


def score_weights(ndim: int) -> Weights:
    """Return the weights of the package's network for 2D or 3D.

    Raises ValueError if the file is not the one whose hash stands in the JSON file beside it.
    """
    start = f"{ndim}d."
    return {name.removeprefix(start): one for name, one in _shipped().items() if name.startswith(start)}


@cache
def _shipped(path: Path = WEIGHTS) -> Weights:
    check_record(path)
    return {name: one.float() for name, one in load_file(path).items()}


def foretold_iou(cues: Tensor, weights: Weights) -> Tensor:
    """Return the IoU (B, M) in [0, 1] that a network foretells from cues (B, M, n_cues)."""
    return score_logits(cues, weights).sigmoid()


def score_logits(cues: Tensor, weights: Weights) -> Tensor:
    """Return the logits of the IoU, (B, M)."""
    here = {name: one.to(cues.device) for name, one in weights.items()}
    hidden = (inputs(cues) - here["mean"]) / here["spread"]
    hidden = hidden.clamp(-LIMIT, LIMIT) @ here["first"] + here["sort"]
    hidden = relu(relu(hidden) @ here["second"] + here["second_bias"])
    return (hidden @ here["last"] + here["last_bias"])[..., 0]


def inputs(cues: Tensor) -> Tensor:
    """Return cues (B, M, n_cues) and their differences from the pool's mean, (B, M, 2 n_cues)."""
    return torch.cat([cues, cues - cues.mean(1, keepdim=True)], dim=2)
