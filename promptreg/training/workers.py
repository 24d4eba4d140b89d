"""Several processes that train one network, one for each accelerator, as `torchrun` starts them.

Each draws its own pairs; gradients are averaged after every step, so that N workers are one worker with
batches N times as large. The network is small: its gradients are sent in one piece.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Workers:
    """This process is number `rank` of `count`."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process validates, logs and writes."""
        return self.rank == 0

    def agreed(self, value: float, device: torch.device) -> float:
        """Return the first worker's value."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=device)
        distributed.broadcast(shared, 0)
        return shared.item()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the workers."""
        if self.count == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        together = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(together)
        _spread(together / self.count, gradients)


ALONE = Workers()


def join(device: torch.device) -> tuple[Workers, torch.device]:
    """Join the workers that `torchrun` started; alone without it.

    Returns who this process is and its device: "cuda" becomes the accelerator of its local rank.
    """
    if "LOCAL_RANK" not in os.environ:
        return ALONE, device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Workers(distributed.get_rank(), distributed.get_world_size()), device


def leave(workers: Workers) -> None:
    """End what `join` began, once every worker is here."""
    if workers.count > 1:
        distributed.barrier()
        distributed.destroy_process_group()


def _spread(together: Tensor, gradients: list[Tensor]) -> None:
    start = 0
    for gradient in gradients:
        gradient.copy_(together[start : start + gradient.numel()].view(gradient.shape))
        start += gradient.numel()
