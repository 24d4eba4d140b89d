import numpy as np
import pytest
import skimage.data
import torch

from promptreg.affine_prior import estimate_affine, fit_similarity
from promptreg.geometry import default_affine, resample, world_coordinates
from promptreg.models.weightfree import WeightFree
from promptreg.types import Embedding, Grid, Image


def picture(name):
    pixels = np.atleast_3d(getattr(skimage.data, name)()).transpose(2, 0, 1)
    return Image(
        torch.from_numpy(pixels.copy()).float(), Grid(pixels.shape[1:], default_affine(2), "px"), name
    )


def affine_about_center(grid, angle_deg, scale, shift):
    """Rotation, scaling and shift (fraction of the longest side) about the grid centre, as a world map."""
    angle, ndim = np.deg2rad(angle_deg), grid.ndim
    linear = np.eye(ndim) * scale
    linear[:2, :2] = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.eye(ndim + 1)
    matrix[:-1, :-1] = linear
    matrix[:-1, -1] = grid.center + np.asarray(shift) * grid.extent.max() - linear @ grid.center
    return matrix


def mean_error(estimate, truth, grid):
    """Mean distance between two maps over the grid, as a fraction of the longest side."""
    world = world_coordinates(grid).flatten(0, -2).double().numpy()
    homogeneous = np.c_[world, np.ones(len(world))]
    return np.linalg.norm((homogeneous @ (estimate - truth).T)[:, :-1], axis=1).mean() / grid.extent.max()


def random_embedding(shape, seed, n_channels=32):
    features = torch.randn(n_channels, *shape, generator=torch.Generator().manual_seed(seed))
    grid = Grid(shape, default_affine(len(shape)), "px")
    return Embedding(features, grid, grid, grid)


def test_an_identity_pair_gives_the_identity():
    image = picture("coins")
    embedding = WeightFree().embed(image)
    prior = estimate_affine(embedding, embedding, prealignment=np.eye(3), seed=0)
    assert prior.reliable
    assert prior.inlier_fraction == 1
    assert prior.agreement == pytest.approx(1, abs=1e-5)
    assert mean_error(prior.matrix, np.eye(3), image.grid) < 1e-5


@pytest.mark.parametrize(
    ("name", "angle_deg", "scale", "shift"),
    [
        ("coins", 17, 0.8, (0.1, -0.1)),
        ("camera", -17, 1.25, (-0.15, 0.1)),
        ("astronaut", 12, 1.25, (0.15, 0.15)),
        ("immunohistochemistry", -10, 0.85, (0.05, -0.15)),
        ("retina", 17, 1.1, (0.1, 0.05)),
    ],
)
def test_a_known_affine_of_real_pixels_is_recovered(name, angle_deg, scale, shift):
    image, model = picture(name), WeightFree()
    to_moving = affine_about_center(image.grid, angle_deg, scale, shift)
    fixed = Image(resample(image.data, image.grid, image.grid, transform=to_moving), image.grid)
    prior = estimate_affine(model.embed(image), model.embed(fixed), prealignment=np.eye(3), seed=1)
    assert prior.reliable, prior.reason
    assert mean_error(prior.matrix, np.linalg.inv(to_moving), image.grid) < 0.05


def test_a_known_affine_of_a_volume_is_recovered_through_its_prealignment():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 1, 6, 7, 7, generator=generator)
    data = torch.nn.functional.interpolate(coarse, size=(24, 48, 48), mode="trilinear")[0]
    grid = Grid((24, 48, 48), default_affine(3, (4, 2, 2)))
    to_moving = affine_about_center(grid, 8, 1.05, (0.03, -0.03, 0))
    elsewhere = np.eye(4)
    elsewhere[:-1, -1] = 300, -200, 100
    moving_grid = Grid(grid.shape, elsewhere @ grid.affine)
    fixed = Image(resample(data, grid, grid, transform=to_moving, padding="border"), grid)
    model = WeightFree()
    prior = estimate_affine(
        model.embed(Image(data, moving_grid)), model.embed(fixed), prealignment=elsewhere, seed=0
    )
    assert prior.reliable, prior.reason
    assert mean_error(prior.matrix @ elsewhere, np.linalg.inv(to_moving), grid) < 0.04


def test_the_prior_is_deterministic_by_seed():
    image, model = picture("camera"), WeightFree()
    other = Image(image.data.flip(-1), image.grid)
    priors = [
        estimate_affine(model.embed(image), model.embed(other), prealignment=np.eye(3), seed=5) for _ in "ab"
    ]
    assert np.array_equal(priors[0].matrix, priors[1].matrix)
    assert priors[0].n_inliers == priors[1].n_inliers


@pytest.mark.parametrize("shape", [(20, 20), (10, 12, 11)])
def test_unrelated_features_fall_back_to_the_inverse_prealignment_and_say_why(shape):
    prealignment = affine_about_center(Grid(shape, default_affine(len(shape))), 5, 1.1, (0.1,) * len(shape))
    moving, fixed = random_embedding(shape, 0), random_embedding(shape, 1)
    prior = estimate_affine(moving, fixed, prealignment=prealignment, seed=0)
    assert not prior.reliable
    assert prior.reason
    assert np.allclose(prior.matrix, np.linalg.inv(prealignment))


@pytest.mark.parametrize("pair", [("coins", "camera"), ("camera", "retina")])
def test_unrelated_pictures_are_not_mapped_on_each_other(pair):
    model = WeightFree()
    moving, fixed = (model.embed(Image(p.data.mean(0, keepdim=True), p.grid)) for p in map(picture, pair))
    assert not estimate_affine(moving, fixed, prealignment=np.eye(3), seed=0).reliable


def test_a_constant_image_has_no_matches_and_falls_back():
    grid = Grid((16, 16), default_affine(2))
    embedding = WeightFree().embed(Image(torch.ones(1, 16, 16), grid))
    prior = estimate_affine(embedding, embedding, prealignment=np.eye(3), seed=0)
    assert not prior.reliable
    assert "0 mutual" in prior.reason


def test_a_mirrored_pair_never_gives_a_mirroring_map():
    image, model = picture("astronaut"), WeightFree()
    mirrored = Image(image.data.flip(-1), image.grid)
    prior = estimate_affine(model.embed(image), model.embed(mirrored), prealignment=np.eye(3), seed=0)
    assert np.linalg.det(prior.matrix[:-1, :-1]) > 0


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_similarity_is_fitted_exactly_to_exact_matches(ndim):
    truth = affine_about_center(Grid((9,) * ndim, default_affine(ndim)), 30, 1.2, (0.2,) * ndim)
    moving = torch.randn(4, 6, ndim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = torch.from_numpy(truth)
    fixed = moving @ matrix[:-1, :-1].T + matrix[:-1, -1]
    share = torch.tensor([0.1, 0.2, 0.3, 0.2, 0.1, 0.1], dtype=torch.float64).expand(4, 6)
    for fit in (fit_similarity(moving, fixed), fit_similarity(moving, fixed, share)):
        assert torch.allclose(fit, matrix.expand(4, -1, -1), atol=1e-9)
