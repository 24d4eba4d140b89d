"""Golden values are those of `ResidualEncoderUNet` of the package dynamic-network-architectures 0.4.4."""

import hashlib

import pytest
import torch
from small_nninteractive import small_nninteractive

from promptreg.nets.residual_unet import ResidualUNet, without_copies

PUBLISHED_LAYOUT = "03e351940f8c49d01069ff1d0527a0d4e4e24a67a874d0f66408b96204c7bcfe"
"""Of the sorted names and shapes of the large preset with eight channels, without what stands there twice."""


@pytest.fixture(scope="module")
def net():
    return small_nninteractive()


def inputs():
    return torch.randn(1, 8, 16, 16, 16, generator=torch.Generator().manual_seed(1))


def test_names_and_shapes_of_the_large_preset_are_the_published_ones():
    with torch.device("meta"):
        state = ResidualUNet().state_dict()
    lines = "\n".join(f"{key} {tuple(value.shape)}" for key, value in sorted(state.items()))
    assert hashlib.sha256(lines.encode()).hexdigest() == PUBLISHED_LAYOUT
    assert sum(value.numel() for value in state.values()) == 102_355_818


@torch.no_grad()
def test_logits_are_those_of_the_published_network(net):
    logits = net(inputs())[0]
    torch.testing.assert_close(logits[:, 3, 5, 7], torch.tensor([0.8899, 1.4604]), atol=2e-4, rtol=0)
    found = torch.stack([logits.mean(), logits.std()])
    torch.testing.assert_close(found, torch.tensor([0.9955, 1.0814]), atol=2e-4, rtol=0)


@torch.no_grad()
def test_features_of_a_stage_are_those_of_the_published_encoder(net):
    features = net.encoder(inputs())[2][0]
    golden = torch.tensor([3.5592, 0.7120, 2.9051])
    torch.testing.assert_close(features[:3, 1, 2, 3], golden, atol=2e-4, rtol=0)


@torch.no_grad()
def test_coarser_stages_are_not_computed_where_they_are_not_asked_for(net):
    first, second = net.encoder(inputs(), 2)
    assert [one.shape[1:] for one in (first, second)] == [(6, 16, 16, 16), (8, 8, 8, 8)]
    torch.testing.assert_close(second, net.encoder(inputs())[1])


def test_what_a_file_holds_twice_is_dropped():
    layer = torch.zeros(1)
    names = ("conv1.conv.weight", "conv1.all_modules.0.weight")
    state = {f"{part}encoder.stages.0.blocks.0.{name}": layer for part in ("", "decoder.") for name in names}
    assert list(without_copies(state)) == ["encoder.stages.0.blocks.0.conv1.conv.weight"]
