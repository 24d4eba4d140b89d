"""Published weights for models of the package `transformers`, which are built without the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from promptreg import checkpoints

POSITIONS = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)
"""One tensor under two names; files hold either or both."""


def loaded(
    name: str,
    build: Callable[[], Any],
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict,
) -> Any:
    """Build a model and fill it with the weights of a checkpoint, every key matched.

    Args:
        name: of the checkpoint.
        build: makes the model; called where tensors take no memory and no random numbers.
        adapt: returns the file's tensors under the names that the model has for them.

    Raises:
        CheckpointUnavailable: the weights are not in the cache.
        ValueError: a key is missing, unexpected or of another shape; the message names them.
    """
    state = positions_shared(adapt(checkpoints.load_state_dict(name)))
    with torch.device("meta"):
        module = build()
    module.to_empty(device="cpu")
    checkpoints.load_strictly(module, state, name)
    return module


def positions_shared(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors with the frequencies of the position code, one tensor, under both of its names."""
    present = [state[name] for name in POSITIONS if name in state]
    return {**dict.fromkeys(POSITIONS, present[0]), **state} if present else state
