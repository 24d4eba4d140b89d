"""The encoder of a promptable model without its prompts."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from promptreg.baselines import encoder_features
from promptreg.baselines.encoder_features import LENGTH, ConvexAdamFeatures, shared_components
from promptreg.config import Baselines
from promptreg.geometry import default_affine, resample
from promptreg.types import Embedding, Grid, Image, Pair


def embedding(features, **extras):
    grid = Grid(tuple(features.shape[1:]), default_affine(features.ndim - 1))
    return Embedding(features, grid, grid, grid, extras)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_features_keep_their_angles_and_have_one_length_where_all_directions_are_kept():
    features = noise(5, 8, 9)
    found, _ = shared_components(embedding(features), embedding(noise(5, 8, 9, seed=1)), components=5)
    centred = (features - features.mean((1, 2), keepdim=True)).flatten(1)
    expected = LENGTH**2 * torch.nn.functional.normalize(centred, dim=0)
    unit = torch.nn.functional.normalize(centred, dim=0)
    torch.testing.assert_close(found.flatten(1).T @ found.flatten(1), unit.T @ expected, atol=1e-4, rtol=1e-4)


def test_the_directions_in_which_features_vary_most_are_kept():
    features = noise(6, 10, 10) * torch.tensor([9.0, 7.0, 0.1, 0.1, 0.1, 0.1])[:, None, None]
    found, _ = shared_components(embedding(features), embedding(features.flip(1)), components=2)
    assert found.shape == (2, 10, 10)
    centred = features - features.mean((1, 2), keepdim=True)
    expected = torch.nn.functional.normalize(centred[:2], dim=0).flatten(1)
    agree = (found.flatten(1).T @ found.flatten(1)) - LENGTH**2 * expected.T @ expected
    assert agree.abs().mean() < 0.05


def test_an_offset_of_one_image_changes_nothing_and_the_background_has_no_features():
    fixed, moving = noise(4, 8, 8), noise(4, 8, 8, seed=1)
    body = torch.zeros(8, 8, dtype=torch.bool)
    body[2:7, 1:6] = True
    plain = shared_components(embedding(fixed, body=body), embedding(moving, body=body), components=4)
    offset = shared_components(embedding(fixed + 5, body=body), embedding(moving, body=body), components=4)
    for one, other in zip(plain, offset, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
        assert (one[:, ~body] == 0).all()
        torch.testing.assert_close(one.norm(dim=0)[body], torch.full((25,), LENGTH))


class Colours:
    """A model whose features are the channels of the image."""

    def embed(self, image):
        return Embedding(image.data, image.grid, image.grid, image.grid)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_shift_is_found_from_the_pre_alignment_on(ndim, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_features, "model_of", lambda name: Colours())
    shape = (60, 66) if ndim == 2 else (24, 30, 36)
    sigma = (0, 3, 3) if ndim == 2 else (0, 2, 2, 2)
    data = torch.from_numpy(gaussian_filter(np.random.default_rng(1).normal(size=(4, *shape)), sigma)).float()
    grid = Grid(shape, default_affine(ndim, (1.5, 1.2, 1.0)[-ndim:]))
    truth, start = np.eye(ndim + 1), np.eye(ndim + 1)
    truth[:-1, -1], start[:-1, -1] = [12.4, -3.0, 1.5][:ndim], [10.0, -1.0, 0.0][:ndim]
    fixed_grid = Grid(tuple(n - 6 for n in shape), np.linalg.inv(start) @ grid.affine)
    fixed = Image(resample(data, grid, fixed_grid, transform=truth), fixed_grid)
    ddf = ConvexAdamFeatures().register(Pair(Image(data, grid), fixed, start), Baselines(), tmp_path)
    middle = (slice(None), *(slice(n // 4, n - n // 4) for n in fixed_grid.shape))
    error = ddf.displacement[middle] - torch.from_numpy(truth[:-1, -1]).float().view(-1, *[1] * ndim)
    assert error.norm(dim=0).mean() < 0.5
