"""Where tensors live."""

from __future__ import annotations

import torch


def choose_device(wish: str) -> torch.device:
    """Return the device of a configuration value: "auto" takes an accelerator where there is one.

    Raises:
        ValueError: no such kind of device, or none of it here.
    """
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wish)
    except RuntimeError:
        msg = f"unknown device '{wish}'; use auto, cpu, cuda or cuda:N"
        raise ValueError(msg) from None
    if device.type == "cuda" and not torch.cuda.is_available():
        msg = f"device '{wish}' asked for, but no CUDA device is visible; use auto or cpu"
        raise ValueError(msg)
    return device
