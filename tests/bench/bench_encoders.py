"""Encoders as they are against the same ones compiled, and with channels last: what either is worth here.

    python tests/bench/bench_encoders.py [--what compile layout] [--only mobile_sam] [--repeats 3]

Random weights, one process, interleaved. Seconds are CPU seconds of one thread, on CUDA wall seconds in
bfloat16. Compilation itself is not counted; of the large ones it takes many minutes. The peer of each ratio
is the encoder as its package builds it.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable

import pytest
import torch
from bench_embed import seconds_of, vit_b
from torch import Tensor, nn

from promptreg.device import choose_device
from promptreg.models.fast_attention import with_fast_attention
from promptreg.models.mobile_sam import TinyEncoder
from promptreg.nets.encoder import Encoded
from promptreg.nets.residual_unet import ResidualUNet
from promptreg.registry import find


def planar_vit() -> tuple[nn.Module, Tensor]:
    """Segment Anything's ViT-B on 256 x 256."""
    return with_fast_attention(vit_b(256).image_encoder), torch.rand(1, 3, 256, 256)


def tiny_vit() -> tuple[nn.Module, Tensor]:
    """MobileSAM's encoder on 1,024 x 1,024, laid out by channel; `mobile_sam` has it with channels last."""
    net = TinyEncoder(1024).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return net, torch.rand(1, 3, 1024, 1024)


def volume_unet() -> tuple[nn.Module, Tensor]:
    """nnInteractive's network on 64 x 64 x 64."""
    return ResidualUNet().eval(), torch.rand(1, 8, 64, 64, 64)


def pocket() -> tuple[nn.Module, Tensor]:
    """The encoder of `pocket` on 256 x 256, with its own weights."""
    return find("model", "pocket").load()().planar.net.encoder.eval(), torch.rand(1, 3, 256, 256)


ENCODERS = {"pocket": pocket, "sam_vit_b": planar_vit, "mobile_sam": tiny_vit, "nninteractive": volume_unet}


def with_channels_last(net: nn.Module) -> nn.Module:
    """Lay out a network's weights by voxel, not by channel."""
    volume = any(isinstance(one, nn.Conv3d) for one in net.modules())
    return net.to(memory_format=torch.channels_last_3d if volume else torch.channels_last)  # type: ignore[call-overload]


def compiled(net: nn.Module) -> nn.Module:
    """Compile a network as `embed.compile` does."""
    net.compile()
    return net


CHANGES: dict[str, Callable[[nn.Module], nn.Module]] = {"compile": compiled, "layout": with_channels_last}


@torch.no_grad()
def ratios(name: str, change: str, repeats: int) -> tuple[list[float], float]:
    """Return seconds as it is over seconds changed, of each repeat, and how far apart results are at most."""
    device = choose_device("auto")
    net, data = ENCODERS[name]()
    plain, other = net.to(device), CHANGES[change](copy.deepcopy(net).to(device))
    data = data.to(device)
    changed = with_layout(data) if change == "layout" else data
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        first, second = (flattened(net(x)) for net, x in ((plain, data), (other, changed)))
        found = [
            seconds_of(lambda: plain(data), device) / seconds_of(lambda: other(changed), device)
            for _ in range(repeats)
        ]
    return found, float((first - second).abs().max())


def flattened(found: Tensor | Encoded) -> Tensor:
    """Return all tensors of a result in one row."""
    parts = (found,) if isinstance(found, Tensor) else vars(found).values()
    return torch.cat([one.flatten().float() for one in parts])


def with_layout(data: Tensor) -> Tensor:
    """Lay out an image or volume by voxel."""
    last = torch.channels_last if data.ndim == 4 else torch.channels_last_3d
    return data.contiguous(memory_format=last)


@pytest.mark.bench
@pytest.mark.parametrize(
    ("name", "change"), [("pocket", "compile"), *((name, "layout") for name in ENCODERS)]
)
def test_a_changed_encoder_gives_the_same_features_and_how_much_faster(name: str, change: str) -> None:
    found, difference = ratios(name, change, 2)
    sys.stdout.write(f"{name}, {change}: {min(found):.2f} to {max(found):.2f} times as fast\n")
    assert difference < (1e-3 if choose_device("auto").type == "cpu" else 0.5)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--what", nargs="+", choices=CHANGES, default=list(CHANGES))
    parser.add_argument("--only", nargs="+", choices=ENCODERS, default=list(ENCODERS))
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    if choose_device("auto").type == "cpu":
        torch.set_num_threads(1)
    for change in asked.what:
        for name in asked.only:
            found, difference = ratios(name, change, asked.repeats)
            sys.stdout.write(
                f"{name}, {change}: {min(found):.2f} to {max(found):.2f} times as fast, "
                f"largest difference {difference:.2g}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
