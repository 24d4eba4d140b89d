import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from promptreg import cli
from promptreg.baselines import synthmorph as method
from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.synthmorph import SynthMorph, loaded
from promptreg.config import Baselines
from promptreg.geometry import default_affine
from promptreg.training import synthmorph
from promptreg.types import Grid, Image, Pair

TINY = {
    ndim: replace(one, side=32, batch=2, width=0.25, pool=4, fresh=2, every=2, checked=2, validate_every=2)
    for ndim, one in synthmorph.RECIPES.items()
}


@pytest.fixture(scope="module", autouse=True)
def tiny():
    """Train on few and tiny images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthmorph, "RECIPES", TINY)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of two short runs by the command, of images and then of volumes."""
    out = tmp_path_factory.mktemp("run")
    for ndim in ("2", "3"):
        arguments = ["train-synthmorph", "--out", str(out), "--dimension", ndim, "--steps", "4"]
        result = CliRunner().invoke(cli.app, arguments)
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout.strip().splitlines()[-1])["step"] == 4
    return out


def pair(shape):
    grid = Grid(shape, default_affine(len(shape)))
    data = torch.rand(1, *shape, generator=torch.Generator().manual_seed(1))
    return Pair(Image(data, grid), Image(data.flip(-1), grid), np.eye(len(shape) + 1))


@pytest.mark.parametrize("shape", [(40, 90), (20, 40, 30)])
def test_a_trained_network_registers_pairs_of_any_shape(trained, monkeypatch, shape):
    net = loaded(len(shape), trained / "synthmorph.safetensors")
    monkeypatch.setattr(method, "loaded", lambda ndim: net)
    found = SynthMorph().register(pair(shape), Baselines(), trained)
    assert found.displacement.shape == (len(shape), *shape)


def test_a_run_that_was_stopped_ends_with_the_same_weights(trained, tmp_path, monkeypatch):
    whole, step = synthmorph._step, 0

    def stopping(*args):
        nonlocal step
        step += 1
        if step == 4:
            raise KeyboardInterrupt
        return whole(*args)

    monkeypatch.setattr(synthmorph, "_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        synthmorph.train_synthmorph(tmp_path, ndim=2, steps=4)
    monkeypatch.setattr(synthmorph, "_step", whole)
    synthmorph.train_synthmorph(tmp_path, ndim=2, steps=4)
    again, once = (loaded(2, folder / "synthmorph.safetensors")[0] for folder in (tmp_path, trained))
    for name, one in once.state_dict().items():
        assert torch.equal(again.state_dict()[name], one), name
    assert not (tmp_path / "checkpoint_2d.pt").exists()


def test_absent_weights_say_how_to_make_them(tmp_path):
    with pytest.raises(BaselineUnavailable, match="promptreg train-synthmorph"):
        loaded(2, tmp_path / "synthmorph.safetensors")


def test_a_dimension_without_a_network_says_how_to_make_one(tmp_path):
    synthmorph.train_synthmorph(tmp_path, ndim=2, steps=1)
    with pytest.raises(BaselineUnavailable, match="no network for 3D images here"):
        loaded(3, tmp_path / "synthmorph.safetensors")


def test_damaged_weights_are_an_error(trained, tmp_path):
    for name in ("synthmorph.safetensors", "synthmorph.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    (tmp_path / "synthmorph.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="damaged"):
        loaded(2, tmp_path / "synthmorph.safetensors")
