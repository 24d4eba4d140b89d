"""uniGradICON behind files: what it is given, and what its map means, by a network whose map is known."""

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from tiny_checkpoints import publish, unpublished

from promptreg.baselines import unigradicon
from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.environments import interpreter
from promptreg.baselines.unigradicon import UniGradIcon, UniGradIconTuned, kind, on_one_grid, weights
from promptreg.config import Baselines
from promptreg.geometry import ddf_to_itk, default_affine, grid_from_sitk
from promptreg.types import Ddf, Grid, Image, Pair

SIDE = 68
"""The smallest cube that the network's five halvings on a quarter of the resolution leave something of."""

BIAS = (0.4, -0.25, 0.6)
SMALLER = f"""
import runpy, sys, unigradicon
unigradicon.input_shape = [1, 1, {SIDE}, {SIDE}, {SIDE}]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
WRITE_WEIGHTS = f"""
import sys, torch, unigradicon
torch.manual_seed(0)
net = unigradicon.make_network([1, 1, {SIDE}, {SIDE}, {SIDE}], include_last_step=True).regis_net
torch.nn.init.zeros_(net.netPsi.net.lastConv.weight)
net.netPsi.net.lastConv.bias.data = torch.tensor({BIAS})
torch.save(net.state_dict(), sys.argv[1])
"""


def oblique_pair(*, start=None, offset=0.0):
    """Noise on an oblique, anisotropic grid, and other noise on one of another shape."""
    affine = default_affine(3, (2.5, 1.0, 1.3))
    affine[:-1, :-1] = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]]) @ affine[:-1, :-1]
    affine[:-1, -1] = [30.0, -40.0, 70.0]
    draw = torch.Generator().manual_seed(3)
    images = [
        Image(100 * torch.rand(1, *shape, generator=draw) + offset, Grid(shape, affine))
        for shape in ((14, 20, 24), (12, 22, 18))
    ]
    return Pair(images[0], images[1], np.eye(4) if start is None else start)


@pytest.fixture
def python(monkeypatch):
    """The installed environment's Python, kept when the cache is another one; asked for before `released`."""
    try:
        found = interpreter("unigradicon")
    except BaselineUnavailable as error:
        pytest.skip(str(error))
    monkeypatch.setenv("PROMPTREG_PYTHON_UNIGRADICON", str(found))
    return found


@pytest.fixture
def released(tmp_path, monkeypatch):
    """A cache that holds a file of weights, and the path at which it is to lie."""
    cache = publish(tmp_path, monkeypatch, unpublished(name="unigradicon", file="uni.pt"))
    (cache / "uni.pt").write_bytes(b"PK weights")
    return cache / "uni.pt"


@pytest.fixture
def stand_in(monkeypatch):
    """Instead of the tool: write a field of zeros; returns the list of the jobs that it was given."""
    jobs = []

    def run(command, *, workdir, **limits):
        job = json.loads((workdir / command[-1]).read_text())
        images = {name: sitk.ReadImage(workdir / job[name]) for name in ("fixed", "moving")}
        jobs.append((job, images))
        grid = grid_from_sitk(images["fixed"])
        sitk.WriteImage(ddf_to_itk(Ddf(torch.zeros(3, *grid.shape), grid)), workdir / job["field"])

    monkeypatch.setenv("PROMPTREG_PYTHON_UNIGRADICON", sys.executable)
    monkeypatch.setattr(unigradicon, "run", run)
    return jobs


def test_without_weights_it_is_not_run_and_says_how_to_get_them(tmp_path, monkeypatch):
    publish(tmp_path, monkeypatch, unpublished(name="unigradicon", file="uni.pt"))
    with pytest.raises(BaselineUnavailable, match=r"uni\.pt is absent; run `promptreg weights fetch unigrad"):
        UniGradIcon().register(oblique_pair(), Baselines(), tmp_path)


def test_without_its_environment_it_is_not_run(released, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTREG_PYTHON_UNIGRADICON", "/nowhere/python")
    with pytest.raises(BaselineUnavailable, match="cannot be run"):
        UniGradIcon().register(oblique_pair(), Baselines(), tmp_path)


def test_planar_pairs_are_not_run(tmp_path):
    image = Image(torch.rand(1, 8, 8), Grid((8, 8), default_affine(2, (1.0, 1.0))))
    with pytest.raises(BaselineUnavailable, match="volumes alone"):
        UniGradIcon().register(Pair(image, image, np.eye(3)), Baselines(), tmp_path)


def test_the_tool_is_told_where_its_weights_are_and_how_long_to_tune(released, stand_in, tmp_path):
    for method, steps in ((UniGradIcon, None), (UniGradIconTuned, 50)):
        method().register(oblique_pair(offset=-1000.0), Baselines(threads=3), tmp_path)
        job = stand_in[-1][0]
        assert job["weights"] == str(released) == str(weights())
        assert (job["steps"], job["threads"]) == (steps, 3)
        assert job["fixed_kind"] == job["moving_kind"] == "ct"


def test_both_images_lie_on_the_fixed_grid_and_the_pre_alignment_is_composed_after(
    released, stand_in, tmp_path
):
    start = np.eye(4)
    start[:-1, -1] = [2.0, -7.0, 4.0]
    pair = oblique_pair(start=start)
    found = UniGradIcon().register(pair, Baselines(), tmp_path)
    images = stand_in[-1][1]
    for image in images.values():
        np.testing.assert_allclose(grid_from_sitk(image).affine, pair.fixed.grid.affine, atol=1e-4)
        assert grid_from_sitk(image).shape == pair.fixed.grid.shape
    expected = torch.tensor([2.0, -7.0, 4.0])[:, None, None, None].expand_as(found.displacement)
    torch.testing.assert_close(found.displacement, expected, atol=1e-4, rtol=0)


def test_the_moving_image_is_read_through_the_pre_alignment():
    start = np.eye(4)
    start[:-1, -1] = oblique_pair().moving.grid.affine[:-1, 2] * 3
    pair = oblique_pair(start=start)
    found = on_one_grid(pair).moving.data
    torch.testing.assert_close(found[:, :, :20, :18], pair.moving.data[:, :12, :, 3:21], atol=1e-2, rtol=0)


def test_an_image_with_air_is_ct():
    assert kind(torch.tensor([-1000.0, 300.0])) == "ct"
    assert kind(torch.tensor([-20.0, 300.0])) == "mri"


@pytest.mark.slow
def test_a_network_of_a_known_shift_gives_that_shift_in_the_world(python, released, tmp_path, monkeypatch):
    subprocess.run([python, "-c", WRITE_WEIGHTS, released], check=True, capture_output=True)
    run = unigradicon.run
    monkeypatch.setattr(
        unigradicon, "run", lambda command, **rest: run([command[0], "-c", SMALLER, *command[1:]], **rest)
    )
    pair = oblique_pair()
    ddf = UniGradIcon().register(pair, Baselines(), tmp_path)
    shape = np.asarray(pair.fixed.grid.shape)
    cells = np.asarray(BIAS) / 10 * (SIDE - 1) * shape / SIDE
    expected = torch.from_numpy(pair.fixed.grid.affine[:-1, :-1] @ cells).float()
    expected = expected[:, None, None, None].expand_as(ddf.displacement)
    torch.testing.assert_close(ddf.displacement, expected, atol=1e-3, rtol=0)
