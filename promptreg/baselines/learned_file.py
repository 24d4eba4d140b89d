"""The file of a trained registration network: tensors, and what it was made from and for, by dimension."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from promptreg.atomic import replacing
from promptreg.baselines.base import BaselineUnavailable
from promptreg.nets.registration.recipes import seeded_net
from promptreg.nets.weightfile import read_about
from promptreg.state_dicts import load_strictly, read_state_dict

NOT_TRAINED = "no pair of this dimension was there to train on"


def write_networks(
    path: Path, nets: Mapping[int, nn.Module], about: Mapping[int, Mapping[str, Any]], **more: Any
) -> None:
    """Write the networks of a method, by dimension (2, 3).

    `about` (JSON values) says of each its "method", "shape" of the working grid, "cells" and "width"; or,
    where there is no network, why: "unavailable". `more` is said of all.
    """
    tensors: dict[str, Tensor] = {}
    for ndim, net in nets.items():
        state = net.state_dict()
        tensors |= {f"{ndim}d.{name}": one.detach().cpu().contiguous() for name, one in state.items()}
    stated = json.dumps({"networks": {f"{ndim}d": dict(one) for ndim, one in about.items()}, **more})
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"about": stated})


def read_network(path: Path, ndim: int) -> tuple[nn.Module, dict[str, Any]]:
    """Read the network for images of `ndim` dimensions, in evaluation, and what is said about it.

    Raises:
        BaselineUnavailable: the file is absent, or says that there is no such network.
        ValueError: its tensors do not fit.
    """
    about = stated(path)["networks"].get(f"{ndim}d", {"unavailable": NOT_TRAINED})
    if "unavailable" in about:
        raise BaselineUnavailable(f"not trained for {ndim}D images: {about['unavailable']}")
    net = seeded_net(about["method"], about["shape"], about["width"], 0)
    prefix = f"{ndim}d."
    tensors = {k.removeprefix(prefix): v for k, v in read_state_dict(path).items() if k.startswith(prefix)}
    load_strictly(net, tensors, f"{path}, {ndim}D")
    return net.eval().requires_grad_(False), about


def stated(path: Path) -> dict[str, Any]:
    """Read what a file says about itself; BaselineUnavailable if it is absent."""
    if not path.is_file():
        raise BaselineUnavailable(
            f"this method is trained on the target data and {path} is absent: promptreg train-method makes it"
        )
    about: dict[str, Any] = read_about(path).get("about", {})
    if "networks" not in about:
        raise ValueError(f"{path} was not written by `promptreg train-method`: it states no networks")
    return about
