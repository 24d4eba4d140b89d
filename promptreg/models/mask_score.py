"""The score of a candidate mask: its Dice with what was meant, foretold from cues by a tiny network.

The network has two hidden layers and was trained on synthetic images alone
(`python -m promptreg.models.train_mask_score`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor
from torch.nn.functional import relu

N_HAND = 7
SPREAD_FLOOR = 1e-3

Weights = Mapping[str, Tensor]


def hand_score(cues: Tensor) -> Tensor:
    """Return (B, M) in [0, 1]: the geometric mean of the first seven cues (B, M, n_cues)."""
    return cues[..., :N_HAND].clamp(1e-3, 1).log().mean(2).exp()


def foretold_dice(cues: Tensor, weights: Weights) -> Tensor:
    """Return the Dice (B, M) in [0, 1] that a network foretells from cues (B, M, n_cues)."""
    return _logits(cues, weights).sigmoid()


def _logits(cues: Tensor, weights: Weights) -> Tensor:
    hidden = (cues - weights["mean"]) / weights["spread"]
    hidden = relu(hidden.clamp(-5, 5) @ weights["first"] + weights["first_bias"])
    hidden = relu(hidden @ weights["second"] + weights["second_bias"])
    return (hidden @ weights["last"] + weights["last_bias"])[..., 0]


def untrained(cues: Tensor, hidden: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the weights of an untrained network for cues like those given (B, M, n_cues)."""
    flat = cues.flatten(0, 1)
    sizes = (flat.shape[1], hidden, hidden, 1)
    weights = {"mean": flat.mean(0), "spread": flat.std(0).clamp_min(SPREAD_FLOOR)}
    for name, n_in, n_out in zip(("first", "second", "last"), sizes, sizes[1:], strict=False):
        weights[name] = torch.randn(n_in, n_out, generator=generator) * (2 / n_in) ** 0.5
        weights[f"{name}_bias"] = torch.zeros(n_out)
    return weights


def read_weights(path: Path, sha256: str) -> Weights:
    """Read a file of weights; ValueError naming file and hashes if it is not the one that is meant."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ValueError(f"{path} is damaged or another file: its sha256 is {found}, expected {sha256}")
    return load(data)
