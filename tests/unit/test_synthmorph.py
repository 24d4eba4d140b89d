import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from promptreg import cli
from promptreg.baselines import synthmorph as method
from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.synthmorph import SynthMorph, dimensions, loaded, repeated
from promptreg.config import Baselines
from promptreg.geometry import blurred, cell_indices, default_affine, warp
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


def smooth_image(shape):
    grid = Grid(shape, default_affine(len(shape)))
    noise = torch.rand(1, *shape, generator=torch.Generator().manual_seed(2))
    return Image(blurred(noise, grid, 4), grid)


def use(monkeypatch, file):
    """Let the method use the networks of a file."""
    monkeypatch.setattr(method, "loaded", lambda ndim: loaded(ndim, file))
    monkeypatch.setattr(method, "dimensions", lambda: dimensions(file))


@pytest.mark.parametrize("shape", [(40, 90), (20, 40, 30)])
def test_a_trained_network_registers_pairs_of_any_shape(trained, monkeypatch, shape):
    use(monkeypatch, trained / "synthmorph.safetensors")
    found = SynthMorph().register(pair(shape), Baselines(), trained)
    assert found.displacement.shape == (len(shape), *shape)


def test_volumes_are_read_by_planes_where_there_is_a_planar_network_alone(trained, tmp_path, monkeypatch):
    synthmorph.train_synthmorph(tmp_path, ndim=2, steps=1)
    found = []
    for folder in (tmp_path, trained):
        use(monkeypatch, folder / "synthmorph.safetensors")
        found.append(SynthMorph().register(pair((20, 40, 30)), Baselines(), tmp_path).displacement)
    assert dimensions(tmp_path / "synthmorph.safetensors") == [2]
    assert dimensions(trained / "synthmorph.safetensors") == [2, 3]
    assert found[0].shape == found[1].shape
    assert not torch.equal(*found)


def test_passes_follow_one_another_like_the_maps_that_they_are():
    cells = cell_indices((12, 60)).movedim(-1, 0)
    image = cells[1:].float()

    def half_of_what_is_left(moving, fixed):
        return torch.cat([torch.zeros_like(fixed), (fixed - moving) / 2])

    left = [
        float((repeated(half_of_what_is_left, image - 8, image, passes=n)[1] - 8)[:, :40].abs().max())
        for n in (1, 2, 3)
    ]
    assert left == pytest.approx([4, 2, 1])


@pytest.mark.parametrize("shape", [(64, 64), (48, 48, 48)])
def test_the_shipped_weights_make_moved_images_alike_again(shape, tmp_path):
    fixed = smooth_image(shape)
    shift = [0] * (len(shape) - 1) + [3]
    moving = Image(fixed.data.roll(shift, tuple(range(1, len(shape) + 1))), fixed.grid)
    found = SynthMorph().register(Pair(moving, fixed, np.eye(len(shape) + 1)), Baselines(), tmp_path)
    moved = warp(moving.data, moving.grid, found, padding="border")
    assert (moved - fixed.data).abs().mean() < 0.5 * (moving.data - fixed.data).abs().mean()


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
