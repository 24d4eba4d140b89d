"""Everything that a run carries from step to step, and its file."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from promptreg.atomic import replacing
from promptreg.checkpoints import shipped_file
from promptreg.nets.encoder import Architecture
from promptreg.nets.pocket_net import PocketNet, seeded
from promptreg.nets.weightfile import check_record, read_weights
from promptreg.seeds import derive_seed
from promptreg.training.config import TrainPocket

FIRST_SCALE = 12.0


class Trained(nn.Module):
    """What the optimizer changes: the network, and the temperature of the contrastive losses."""

    def __init__(self, net: PocketNet) -> None:
        super().__init__()
        self.net = net
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())


@dataclass(eq=False)
class State:
    """A run after `step` steps, `seconds` of wall time and `n_images` images."""

    trained: Trained
    average: PocketNet
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    n_images: int = 0


def first_state(config: TrainPocket, device: torch.device) -> State:
    """Build a run at its beginning; ValueError if the shipped weights have other sizes."""
    net = _first_net(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    trained = Trained(net).to(device)
    return State(trained, copy.deepcopy(net).eval(), _optimizer(trained, config))


def _first_net(config: TrainPocket) -> PocketNet:
    sizes = Architecture(**config.network.model_dump())
    if config.initial == "random":
        return seeded(derive_seed(config.seed, "pocket", "weights"), sizes)
    path = shipped_file("pocket")
    check_record(path)
    net = read_weights(path)
    if net.sizes != sizes:
        raise ValueError(f"{path} has {net.sizes}, and the settings ask for {sizes}: change `network`")
    return net.train().requires_grad_(True)


def _optimizer(trained: Trained, config: TrainPocket) -> torch.optim.Optimizer:
    """AdamW that leaves biases, norms and single vectors undecayed."""
    weights = [p for p in trained.parameters() if p.ndim > 1]
    others = [p for p in trained.parameters() if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


@torch.no_grad()
def follow(average: PocketNet, net: PocketNet, decay: float) -> None:
    """Move the average towards the network."""
    ours: list[Tensor] = list(average.parameters())
    theirs: list[Tensor] = list(net.parameters())
    torch._foreach_lerp_(ours, theirs, 1 - decay)


def save(state: State, config: TrainPocket, path: Path) -> None:
    """Write a checkpoint whole or not at all."""
    content = {
        "trained": state.trained.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "seconds": state.seconds,
        "n_images": state.n_images,
        "config": config.model_dump_json(),
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)


def load(path: Path, config: TrainPocket, device: torch.device) -> State:
    """Read a checkpoint; ValueError if it is that of another configuration."""
    content = torch.load(path, map_location=device, weights_only=True)
    written = TrainPocket.model_validate_json(content["config"])
    changed = [n for n in TrainPocket.model_fields if getattr(written, n) != getattr(config, n)]
    if changed:
        raise ValueError(f"{path} is of a run with other settings: {', '.join(changed)} differ")
    state = first_state(config, device)
    state.trained.load_state_dict(content["trained"])
    state.average.load_state_dict(content["average"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.step, state.seconds, state.n_images = (content[n] for n in ("step", "seconds", "n_images"))
    return state
