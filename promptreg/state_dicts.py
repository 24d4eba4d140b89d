"""From a file of weights to a module: read without running its code, load with every key matched.

Importing this module imports no torch.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

SHOWN = 10
"""How many names of a kind a message lists."""


def read_state_dict(file: Path, key: str = "") -> dict[str, Tensor]:
    """Read the tensors of a .pth, .pt or .safetensors file onto the CPU; runs no code from the file.

    `key` is the dictionary key that holds the state dict, "" if the file is the state dict itself. Beside
    tensors a file may hold plain data: numbers, texts, NumPy values, parsed arguments.

    Raises:
        ValueError: the file is damaged, wants to run code, has no such key, or holds no state dict there;
            names the file and what was found.
    """
    content = _safetensors(file) if file.suffix == ".safetensors" else _pickled(file)
    if key:
        if not isinstance(content, Mapping) or key not in content:
            raise ValueError(f"{file} has no key '{key}': {_described(content)}")
        content = content[key]
    return _checked(file, content)


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Load a state dict with every key matched; `name` is that of the weights.

    Raises:
        ValueError: keys are missing or unexpected or have other shapes; all are counted and the first ten
            of each kind named. Nothing was loaded then.
    """
    expected = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    both = expected.keys() & found.keys()
    problems = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": [
            f"{key} {found[key]} instead of {expected[key]}"
            for key in expected
            if key in both and expected[key] != found[key]
        ],
    }
    if any(problems.values()):
        kinds = "; ".join(f"{len(keys)} {kind}: {_first(keys)}" for kind, keys in problems.items() if keys)
        raise ValueError(f"the weights '{name}' are not those of {type(module).__name__}: keys {kinds}")
    module.load_state_dict(dict(state), strict=True)


def _safetensors(file: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is no intact safetensors file: {error}") from None


def _pickled(file: Path) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_plain_data()):
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{file} is not loaded: it is damaged, or holds objects that only running its code could "
            "restore; where you trust it, save its tensors alone, torch.save(model.state_dict(), ...) "
            f"({reason})"
        ) from None
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"{file} is no intact file of weights: {error}") from None


def _plain_data() -> list[Any]:
    """Types beside tensors that training scripts save and that carry no code, by old and new names."""
    import numpy as np

    core = np._core.multiarray
    kinds = ("float64", "float32", "int64", "int32", "bool")
    return [
        argparse.Namespace,
        np.ndarray,
        np.dtype,
        *(type(np.dtype(kind)) for kind in kinds),
        *((core.scalar, f"numpy.{place}.multiarray.scalar") for place in ("core", "_core")),
        *((core._reconstruct, f"numpy.{place}.multiarray._reconstruct") for place in ("core", "_core")),
    ]


def _checked(file: Path, content: Any) -> dict[str, Tensor]:
    from torch import Tensor

    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{file} holds no state dict: {_described(content)}")
    if others := [str(key) for key, value in content.items() if not isinstance(value, Tensor)]:
        raise ValueError(
            f"{file} holds more than tensors: {_first(others)}; where one of these is the state dict, "
            "name it as `key` in the table of checkpoints"
        )
    return dict(content)


def _described(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"its keys are {_first([str(key) for key in content]) or 'none'}"
    return f"it holds a {type(content).__name__}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
