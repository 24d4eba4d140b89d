"""The file of weights: half-precision tensors with what they are, and a record of its hash beside it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from promptreg.atomic import replacing
from promptreg.nets.encoder import Architecture
from promptreg.nets.pocket_net import PocketNet
from promptreg.trust import OtherFile


def write_weights(net: PocketNet, path: Path, about: dict[str, Any]) -> None:
    """Write a network in half precision with its sizes and what is said `about` it (JSON values)."""
    tensors = {name: value.detach().cpu().half().contiguous() for name, value in net.state_dict().items()}
    stated = {"architecture": asdict(net.sizes), **about}
    save_file(tensors, path, metadata={name: json.dumps(value) for name, value in stated.items()})


def write_record(path: Path) -> dict[str, Any]:
    """Write name, hash and size of a file of weights into the JSON file beside it; returns them."""
    record = {"file": path.name, "sha256": _sha256(path), "bytes": path.stat().st_size}
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")
    return record


def check_record(path: Path) -> None:
    """Raise OtherFile unless a file of weights is the one that the JSON file beside it describes."""
    expected = json.loads(path.with_suffix(".json").read_text())["sha256"]
    found = _sha256(path)
    if found != expected:
        raise OtherFile(f"{path} is damaged: its sha256 is {found}, expected {expected}")


def read_about(path: Path) -> dict[str, Any]:
    """Read what is said about the weights; ValueError naming the file if it is no file of weights."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a file of weights: {error}") from None


def read_weights(path: Path) -> PocketNet:
    """Build the network of a file, in single precision on the CPU.

    Raises ValueError naming the file and the tensor if sizes and tensors do not fit each other.
    """
    about = read_about(path)
    if "architecture" not in about:
        raise ValueError(f"{path} states no architecture; it was not written by this package")
    stated: dict[str, Any] = about["architecture"]
    sizes: dict[str, Any] = {name: tuple(n) if isinstance(n, list) else n for name, n in stated.items()}
    with torch.device("meta"):
        net = PocketNet(Architecture(**sizes))
    with safe_open(path, framework="pt") as file:
        found = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    _check_shapes(path, found, net)
    net.load_state_dict(found, assign=True)
    return net.eval().requires_grad_(False)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_shapes(path: Path, found: dict[str, torch.Tensor], net: PocketNet) -> None:
    expected = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    for name in sorted(expected.keys() | shapes.keys()):
        if expected.get(name) != shapes.get(name):
            msg = f"{path}, tensor '{name}': expected shape {expected.get(name)}, found {shapes.get(name)}"
            raise ValueError(msg)
