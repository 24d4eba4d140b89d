from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from promptreg.geometry import default_affine
from promptreg.image_terms import Features, ImageTerms
from promptreg.types import Embedding, Grid, Image, Pair

ALL = {"ncc": 1.0, "mi": 1.0, "mind": 1.0, "features": 1.0}


def picture(*shape: int, channels: int = 1, seed: int = 0) -> Tensor:
    noise = np.random.default_rng(seed).standard_normal((channels, *shape))
    return torch.from_numpy(np.stack([gaussian_filter(one, 3) for one in noise])).float()


def pair_of(moving: Tensor, fixed: Tensor) -> Pair:
    grids = [Grid(tuple(one.shape[1:]), default_affine(one.ndim - 1)) for one in (moving, fixed)]
    return Pair(Image(moving, grids[0]), Image(fixed, grids[1]), np.eye(fixed.ndim), "a_to_b")


def embedded(features: Tensor) -> Embedding:
    grid = Grid(tuple(features.shape[1:]), default_affine(features.ndim - 1))
    return Embedding(features, grid, grid, grid)


def loss(
    pair: Pair,
    weights: Mapping[str, float],
    *,
    start: np.ndarray | None = None,
    shift: float = 0.0,
    features: tuple[Tensor, Tensor] | None = None,
) -> float:
    grid = pair.fixed.grid
    shared = None if features is None else Features.of((embedded(features[0]), embedded(features[1])))
    place = np.eye(grid.ndim + 1) if start is None else start
    displacement = torch.zeros(grid.ndim, *grid.shape)
    displacement[-1] = shift
    return ImageTerms(pair, grid, place, weights, features=shared)(displacement).item()


@pytest.mark.parametrize("shape", [(40, 44), (12, 20, 22)])
def test_equal_images_have_no_distance_of_descriptors_and_full_correlation(shape: tuple[int, ...]) -> None:
    image, features = picture(*shape), picture(*shape, channels=5)
    pair = pair_of(image, image)
    assert loss(pair, {"mind": 1}) == pytest.approx(0, abs=1e-6)
    assert loss(pair, {"features": 1}, features=(features, features)) == pytest.approx(0, abs=1e-6)
    assert loss(pair, {"ncc": 1}) < -0.9


@pytest.mark.parametrize("term", ALL)
def test_the_displacement_that_was_applied_is_better_than_none_and_than_its_opposite(term: str) -> None:
    image, features = picture(48, 48), picture(48, 48, channels=6, seed=1)
    pair = pair_of(image.roll(4, dims=2), image)
    both = (features.roll(4, dims=2), features)
    right, none, wrong = (loss(pair, {term: 1}, shift=shift, features=both) for shift in (4, 0, -4))
    assert right < none
    assert right < wrong


def test_terms_add_up_with_their_weights() -> None:
    pair = pair_of(picture(40, 40), picture(40, 40, seed=2))
    features = (picture(40, 40, channels=4, seed=3), picture(40, 40, channels=4, seed=4))
    weights = {"ncc": 2.0, "mi": 0.5, "mind": 3.0, "features": 0.25}
    alone = {name: loss(pair, {name: 1}, features=features) for name in weights}
    together = loss(pair, weights, features=features)
    assert together == pytest.approx(sum(weights[name] * alone[name] for name in weights), rel=1e-4)


def test_inverted_contrast_changes_nothing_for_descriptors() -> None:
    image, other = picture(40, 40), picture(40, 40, seed=5)
    as_is, inverted = (loss(pair_of(one, other), {"mind": 1}) for one in (image, -image))
    assert inverted == pytest.approx(as_is, rel=1e-3)


def test_descriptors_are_compared_as_the_start_lays_the_moving_image() -> None:
    image = picture(41, 41)
    turned = pair_of(image.rot90(1, (1, 2)), image)
    middle = np.array([20.0, 20.0])
    starts = []
    for sign in (1, -1):
        start = np.eye(3)
        start[:2, :2] = [[0, sign], [-sign, 0]]
        start[:2, 2] = middle - start[:2, :2] @ middle
        starts.append(loss(turned, {"mind": 1}, start=start))
    assert min(starts) == pytest.approx(0, abs=0.05)
    assert max(starts) > 1


def test_cells_that_the_start_sends_beyond_the_moving_image_do_not_count() -> None:
    image = picture(40, 60)
    changed = image.clone()
    changed[:, :, 45:] = picture(40, 15, seed=6)
    away = np.eye(3)
    away[0, 2] = 25.0  # fixed columns from 35 on look past the moving image
    as_is, other = (loss(pair_of(image, one), {"mind": 1}, start=away) for one in (image, changed))
    assert other == pytest.approx(as_is, rel=0.02)


@pytest.mark.parametrize(("thickness", "counts"), [(1.0, False), (3.0, True)])
def test_of_close_cells_of_a_volume_every_second_one_is_compared_and_all_thick_slices(
    thickness: float, counts: bool
) -> None:
    grid = Grid((12, 20, 22), default_affine(3, (thickness, 1, 1)))
    image, plain = Image(picture(*grid.shape), grid), torch.zeros(4, *grid.shape)
    odd_slices = plain.clone()
    odd_slices[:, 1::2] = 1
    features = Features(plain, grid, odd_slices, grid)
    terms = ImageTerms(Pair(image, image, np.eye(4)), grid, np.eye(4), {"features": 1}, features=features)
    assert (terms(torch.zeros(3, *grid.shape)).item() > 0) is counts


def test_a_start_into_nowhere_leaves_nothing_to_compare() -> None:
    away = np.eye(3)
    away[:2, 2] = 1000
    assert loss(pair_of(picture(40, 40), picture(40, 40)), {"ncc": 1, "mind": 1}, start=away) == 0


def test_features_without_embeddings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="a_to_b: the image term 'features' needs the embeddings"):
        loss(pair_of(picture(40, 40), picture(40, 40)), {"features": 1})
