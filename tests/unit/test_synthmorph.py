import json

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
from promptreg.training.synthmorph import drawn_scenes, overlap
from promptreg.types import Grid, Image, Pair


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of a second on tiny images, by the command."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthmorph, "SIDE", 32)
        patch.setattr(synthmorph, "CHECKED", 2)
        arguments = ["train-synthmorph", "--out", str(out), "--minutes", "0.01"]
        result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.strip().splitlines()[-1])["step"] > 0
    return out


def pair(shape):
    grid = Grid(shape, default_affine(len(shape)))
    data = torch.rand(1, *shape, generator=torch.Generator().manual_seed(1))
    return Pair(Image(data, grid), Image(data.flip(-1), grid), np.eye(len(shape) + 1))


def test_the_same_seed_gives_the_same_scenes_and_another_seed_others():
    one, two, other = (drawn_scenes(2, (32, 32), seed) for seed in (1, 1, 2))
    assert torch.equal(one.moving, two.moving)
    assert not torch.equal(one.moving, other.moving)
    assert one.fixed.shape == (2, 1, 32, 32)
    assert one.fixed_masks.sum(1).max() <= 1


def test_scenes_overlap_more_than_their_mirror_images():
    scenes = drawn_scenes(16, (48, 48), 3)
    start = overlap(scenes.moving_masks, scenes.fixed_masks).mean()
    assert start > 1.3 * overlap(scenes.moving_masks.flip(-1), scenes.fixed_masks).mean()


def test_the_overlap_counts_only_labels_that_both_images_show():
    masks = torch.zeros(1, 2, 4, 4)
    masks[0, 0, :2], masks[0, 1, 2:] = 1, 1
    lacking = masks.clone()
    lacking[0, 1] = 0
    assert overlap(masks, masks) == 1
    assert overlap(masks, lacking) == 1


def test_a_trained_network_registers_planar_pairs_of_any_shape(trained, monkeypatch):
    net = loaded(2, trained / "synthmorph.safetensors")
    monkeypatch.setattr(method, "loaded", lambda ndim: net)
    found = SynthMorph().register(pair((40, 90)), Baselines(), trained)
    assert found.displacement.shape == (2, 40, 90)


def test_volumes_are_not_run(trained):
    with pytest.raises(BaselineUnavailable, match="3D"):
        loaded(3, trained / "synthmorph.safetensors")


def test_absent_weights_say_how_to_make_them(tmp_path):
    with pytest.raises(BaselineUnavailable, match="promptreg train-synthmorph"):
        loaded(2, tmp_path / "synthmorph.safetensors")


def test_damaged_weights_are_an_error(trained, tmp_path):
    for name in ("synthmorph.safetensors", "synthmorph.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    (tmp_path / "synthmorph.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="damaged"):
        loaded(2, tmp_path / "synthmorph.safetensors")
