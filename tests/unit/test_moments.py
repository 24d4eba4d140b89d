"""Bodies of known moments are laid over each other."""

import numpy as np
import pytest
import torch

from promptreg.baselines.moments import Moments, candidate_maps, measured, moments_affine
from promptreg.config import Baselines
from promptreg.geometry import apply_affine, default_affine, resample, world_coordinates
from promptreg.types import Grid, Image, Pair


def ellipsoid_image(ndim, mark=True):
    """A bright ellipsoid with a brighter spot off its centre, on an anisotropic grid."""
    shape = (120, 100) if ndim == 2 else (40, 72, 80)
    grid = Grid(shape, default_affine(ndim, (1.0, 1.2) if ndim == 2 else (2.0, 1.0, 1.0)))
    world = world_coordinates(grid) - torch.tensor(grid.center).float()
    radii = torch.tensor([36.0, 22.0] if ndim == 2 else [27.0, 19.0, 13.0])
    data = 1.0 * ((world / radii).square().sum(-1) < 1)
    spot = torch.tensor([14.0, 6.0, 4.0][:ndim])
    data += 1.0 * mark * ((world - spot).norm(dim=-1) < 7)
    return Image(100 * data[None], grid)


def rotation(ndim, degrees):
    angle = np.radians(degrees)
    turn = np.eye(ndim)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn


def moved_pair(ndim, linear):
    """The image read through a known affine about the middle, and that affine."""
    image = ellipsoid_image(ndim)
    truth = np.eye(ndim + 1)
    truth[:-1, :-1] = linear
    truth[:-1, -1] = image.grid.center - linear @ image.grid.center + np.array([3.0, -4.0, 2.0][:ndim])
    fixed = Image(resample(image.data, image.grid, image.grid, transform=truth), image.grid)
    return Pair(image, fixed, np.eye(ndim + 1)), truth


def error_in_body(pair, found, truth):
    points = world_coordinates(pair.fixed.grid)[pair.fixed.data[0] > 50].double()
    return float((apply_affine(found, points) - apply_affine(truth, points)).norm(dim=1).mean())


@pytest.mark.parametrize(("ndim", "degrees"), [(2, 20.0), (2, -75.0), (2, 150.0), (3, 150.0)])
def test_any_rotation_is_found_since_intensities_tell_the_signs_of_the_axes(ndim, degrees):
    pair, truth = moved_pair(ndim, rotation(ndim, degrees))
    assert error_in_body(pair, moments_affine(pair), truth) < 1.5


def test_other_lengths_of_the_axes_are_found():
    pair, truth = moved_pair(2, np.diag([1.2, 0.85]) @ rotation(2, 15.0))
    assert error_in_body(pair, moments_affine(pair), truth) < 2.0


def test_the_field_is_the_affine_map_on_the_fixed_grid(tmp_path):
    pair, _ = moved_pair(2, rotation(2, 30.0))
    ddf = Moments().register(pair, Baselines(), tmp_path)
    points = world_coordinates(pair.fixed.grid).double()
    moved = apply_affine(moments_affine(pair), points)
    torch.testing.assert_close(ddf.displacement.double(), (moved - points).movedim(-1, 0), atol=1e-3, rtol=0)


def test_the_pre_alignment_is_kept_where_no_body_is_told_from_a_background():
    noise = torch.rand(1, 60, 60, generator=torch.Generator().manual_seed(0))
    grid = Grid((60, 60), default_affine(2))
    start = np.eye(3)
    start[0, -1] = 5.0
    found = moments_affine(Pair(Image(noise, grid), Image(noise.flip(1), grid), start))
    assert np.array_equal(found, start)


def test_the_centroid_axes_and_lengths_of_an_ellipse_are_measured():
    body = measured(ellipsoid_image(2, mark=False))
    np.testing.assert_allclose(body.center, ellipsoid_image(2).grid.center, atol=0.3)
    np.testing.assert_allclose(body.lengths, [11.0, 18.0], rtol=0.05)
    np.testing.assert_allclose(np.abs(body.axes), [[0, 1], [1, 0]], atol=0.05)
    assert np.linalg.det(body.axes) == pytest.approx(1)


@pytest.mark.parametrize(("ndim", "rotations"), [(2, 4), (3, 24)])
def test_all_rotations_of_the_frame_are_candidates(ndim, rotations):
    body = measured(ellipsoid_image(ndim))
    maps = candidate_maps(body, body)
    rigid = [one for one in maps if np.allclose(one[:-1, :-1] @ one[:-1, :-1].T, np.eye(ndim))]
    assert len({tuple(one.round(4).ravel() + 0.0) for one in rigid}) == rotations
    assert all(np.linalg.det(one) > 0 for one in maps)
