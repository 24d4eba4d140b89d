import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.ndimage import gaussian_filter

from promptreg.baselines.base import BaselineUnavailable
from promptreg.baselines.learned import Learned, canonical
from promptreg.baselines.learned_file import read_network, write_networks
from promptreg.config import Baselines
from promptreg.geometry import affine_to_ddf, cell_indices, warp
from promptreg.nets.registration.recipes import RECIPES, seeded_net
from promptreg.types import Grid, Image, Pair

SHAPES = {2: (32, 64), 3: (32, 32, 64)}
SPACINGS = {2: (1.5, 0.8), 3: (3.0, 1.5, 0.8)}
SHIFT = {2: (-2.5, 1.25), 3: (1.5, -2.5, 3.25)}


def oblique(ndim):
    """A rotated, anisotropic grid away from the origin."""
    turned = np.linalg.qr(np.random.default_rng(3).normal(size=(ndim, ndim)))[0]
    affine = np.eye(ndim + 1)
    affine[:-1, :-1] = turned * SPACINGS[ndim]
    affine[:-1, -1] = np.arange(ndim) * 7 - 11
    return Grid(SHAPES[ndim], affine)


def smooth(shape, seed=1):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return torch.from_numpy((noise - noise.min()) / np.ptp(noise)).float()[None]


def pair_of(ndim):
    """Both images on the oblique grid, the moving one behind a pre-alignment that undoes itself."""
    grid, start = oblique(ndim), np.eye(ndim + 1)
    start[:-1, :-1] += 0.1 * np.random.default_rng(4).normal(size=(ndim, ndim))
    start[:-1, -1] = np.arange(1, ndim + 1)
    moving = Grid(grid.shape, start @ grid.affine)
    return Pair(Image(smooth(grid.shape), moving), Image(smooth(grid.shape, 2), grid), start, "p")


def weights(tmp_path, method, ndims=(2, 3)):
    nets = {ndim: seeded_net(method, SHAPES[ndim], 0.125, 1) for ndim in ndims}
    said = {ndim: {"method": method, "shape": SHAPES[ndim], "cells": 64, "width": 0.125} for ndim in ndims}
    write_networks(tmp_path / "w.safetensors", nets, said)
    return tmp_path / "w.safetensors", nets


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_canonical_field_warps_as_the_networks_own_warp_does(ndim):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.networks.blocks import Warp

        own = Warp("bilinear", "zeros")
    pair = pair_of(ndim)
    shape = pair.fixed.grid.shape
    cells = cell_indices(shape).movedim(-1, 0)
    bend = torch.stack([(cells[(a + 1) % ndim] / 5 + a).sin() for a in range(ndim)])
    voxel = torch.tensor(SHIFT[ndim]).view(-1, *[1] * ndim) + 0.7 * bend
    expected = own(pair.moving.data[None], voxel[None])[0]
    found = warp(pair.moving.data, pair.moving.grid, canonical(voxel, pair.fixed.grid, pair))
    inside = (slice(None), *(slice(5, n - 5) for n in shape))
    assert (found - expected)[inside].abs().max() < 1e-3
    assert (pair.moving.data - expected)[inside].abs().max() > 0.1


@pytest.mark.parametrize("method", ["voxelmorph", "labelreg", "transmorph"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_an_untrained_network_returns_the_pre_alignment(method, ndim, tmp_path):
    file, _ = weights(tmp_path, method, (ndim,))
    pair = pair_of(ndim)
    found = Learned(file).register(pair, Baselines(), tmp_path)
    assert found.grid is pair.fixed.grid
    start = affine_to_ddf(pair.prealignment, pair.fixed.grid)
    assert (found.displacement - start.displacement).abs().max() < 0.02


def test_what_was_written_is_read_back_exactly(tmp_path):
    file, nets = weights(tmp_path, "voxelmorph")
    for ndim, net in nets.items():
        found, about = read_network(file, ndim)
        assert about["cells"] == 64
        assert not found.training
        state = found.state_dict()
        assert all(torch.equal(state[name], one) for name, one in net.state_dict().items())
    assert {name[:3] for name in load_file(file)} == {"2d.", "3d."}


def test_every_learned_method_has_a_recipe():
    from promptreg.registry import BASELINES

    assert {name for name, entry in BASELINES.items() if entry.learned} <= set(RECIPES)


@pytest.mark.parametrize("path", [None, "absent.safetensors"])
def test_without_weights_a_method_says_how_to_make_them(path, tmp_path):
    with pytest.raises(BaselineUnavailable, match="promptreg train-method"):
        Learned(path and tmp_path / path).register(pair_of(2), Baselines(), tmp_path)


def test_a_dimension_that_was_not_trained_is_not_run(tmp_path):
    file, _ = weights(tmp_path, "voxelmorph", (2,))
    with pytest.raises(BaselineUnavailable, match="3D"):
        Learned(file).register(pair_of(3), Baselines(), tmp_path)


def test_a_file_that_says_why_it_is_empty_is_quoted(tmp_path):
    write_networks(tmp_path / "w.safetensors", {}, {2: {"unavailable": "two pairs are too few"}})
    with pytest.raises(BaselineUnavailable, match="two pairs are too few"):
        read_network(tmp_path / "w.safetensors", 2)


def test_a_field_that_is_not_finite_is_an_error():
    pair = pair_of(2)
    with pytest.raises(RuntimeError, match="not finite"):
        canonical(torch.full((2, *pair.fixed.grid.shape), torch.nan), pair.fixed.grid, pair)
