"""One suite over every registered method beside PromptReg."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.learned_file import write_networks
from promptreg.config import Baselines
from promptreg.geometry import affine_to_ddf, default_affine, resample
from promptreg.nets.registration.recipes import seeded_net
from promptreg.registry import BASELINES
from promptreg.types import Ddf, Grid, Image, Pair

SETTINGS = Baselines(
    niftyreg_spacing=8,
    time_limit_s=120,
    convexadam_iterations=20,
    features_model="weightfree",
    samreg_points_per_side=3,
)
METHODS = [
    pytest.param(entry, ndim, id=f"{entry.name}-{ndim}D", marks=[pytest.mark.slow] * bool(entry.environment))
    for entry in BASELINES.values()
    for ndim in entry.dims
]


def make_pair(ndim: int) -> Pair:
    """A pair of unlike grids, 4 mm apart in the world, of which the pre-alignment undoes 3 mm."""
    shape = (72, 80) if ndim == 2 else (24, 40, 44)
    rng = np.random.default_rng(1)
    smooth = gaussian_filter(rng.normal(size=shape), (3, 3) if ndim == 2 else (2, 3, 3))
    data = torch.from_numpy(100 * (smooth - smooth.min()) / np.ptp(smooth)).float()[None]
    moving = Grid(shape, default_affine(ndim, (1.0, 1.2) if ndim == 2 else (2.0, 1.0, 1.2)))
    fixed = Grid(tuple(n - 4 for n in shape), moving.affine)
    apart, start = np.eye(ndim + 1), np.eye(ndim + 1)
    apart[0, -1], start[0, -1] = 4.0, 3.0
    return Pair(Image(data, moving), Image(resample(data, moving, fixed, transform=apart), fixed), start)


def make(entry, folder, ndim: int):
    """A method; one that is trained on data gets a small network that was not."""
    if not entry.learned:
        return entry.load()()
    shape = (96, 96) if ndim == 2 else (32, 64, 64)
    about = {"method": entry.name, "shape": shape, "cells": 64, "width": 0.125}
    net = seeded_net(entry.name, shape, 0.125, 1)
    write_networks(folder / "weights.safetensors", {ndim: net}, {ndim: about})
    return entry.load()(folder / "weights.safetensors")


@pytest.fixture
def register(tmp_path):
    def call(entry, pair: Pair, name: str = "work") -> Ddf:
        folder = tmp_path / name
        folder.mkdir()
        try:
            return make(entry, folder, pair.fixed.grid.ndim).register(pair, SETTINGS, folder)
        except BaselineUnavailable as error:
            pytest.skip(str(error))

    return call


@pytest.mark.parametrize(("entry", "ndim"), METHODS)
def test_the_field_is_canonical_finite_and_on_the_fixed_grid(entry, ndim, register):
    pair = make_pair(ndim)
    ddf = register(entry, pair)
    assert ddf.grid is pair.fixed.grid
    assert ddf.displacement.shape == (ndim, *pair.fixed.grid.shape)
    assert ddf.displacement.dtype == torch.float32
    assert ddf.displacement.isfinite().all()


@pytest.mark.parametrize(
    ("entry", "ndim"), [case for case in METHODS if not case.values[0].name.startswith("keymorph")]
)
def test_no_method_ends_farther_from_the_truth_than_its_start(entry, ndim, register):
    pair = make_pair(ndim)
    truth = torch.zeros(ndim, *pair.fixed.grid.shape)
    truth[0] = 4.0
    middle = (slice(None), *(slice(n // 5, n - n // 5) for n in pair.fixed.grid.shape))
    error = (register(entry, pair).displacement - truth)[middle].norm(dim=0).mean()
    start = (
        (affine_to_ddf(pair.prealignment, pair.fixed.grid).displacement - truth)[middle].norm(dim=0).mean()
    )
    assert error <= start + 1e-3


@pytest.mark.parametrize(("entry", "ndim"), [case for case in METHODS if case.values[1] == 2])
def test_the_same_pair_twice_gives_the_same_field(entry, ndim, register):
    pair = make_pair(ndim)
    first, second = register(entry, pair, "first"), register(entry, pair, "second")
    assert torch.equal(first.displacement, second.displacement)


@pytest.mark.parametrize(("entry", "ndim"), METHODS)
def test_the_pair_is_left_as_it_was(entry, ndim, register):
    pair = make_pair(ndim)
    before = pair.moving.data.clone(), pair.fixed.data.clone(), pair.prealignment.copy()
    register(entry, pair)
    assert torch.equal(pair.moving.data, before[0])
    assert torch.equal(pair.fixed.data, before[1])
    assert np.array_equal(pair.prealignment, before[2])
