"""Features along the directions that two images share."""

import torch

from promptreg.geometry import default_affine
from promptreg.shared_components import LENGTH, shared_components
from promptreg.types import Embedding, Grid


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
