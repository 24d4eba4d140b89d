from __future__ import annotations

import numpy as np
import pytest
import torch

from promptreg.datasets.corruption import (
    MOTIONS,
    corrupt_image,
    lattice,
    motion,
    move_labels,
    move_points,
)
from promptreg.geometry import default_affine, world_coordinates
from promptreg.types import Grid, Image

TOP = {
    "rotation": 20.0, "shift": 0.1, "scale": 0.2, "affine": 0.2, "elastic": 0.05,
    "noise": 0.2, "bias": 0.5, "inversion": 1.0,
}  # fmt: skip
GRIDS = {
    2: Grid((60, 80), default_affine(2, (2.0, 1.0)), "mm"),
    3: Grid((20, 40, 40), default_affine(3, (3.0, 1.5, 1.5)), "mm"),
}


def blobs(ndim):
    """An image of smooth blobs, its label map of them, and their centres in world coordinates."""
    grid = GRIDS[ndim]
    places = world_coordinates(grid).double()
    centers = (
        torch.as_tensor(grid.center)
        + 0.16
        * torch.as_tensor(grid.extent.min())
        * torch.tensor([[1.0, 1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, -1.0]])[:, :ndim]
    )
    squared = torch.stack([((places - one) ** 2).sum(-1) for one in centers])
    values, labels = torch.exp(-squared / 40).amax(0), (squared < 36)
    return (
        Image(values[None].float(), grid, "blobs"),
        (labels * torch.arange(1, 4).view(-1, *[1] * ndim)).sum(0).numpy(),
        centers.numpy(),
    )


@pytest.mark.parametrize("kind", TOP)
def test_at_level_0_nothing_happens(kind):
    image, labels, centers = blobs(2)
    torch.testing.assert_close(corrupt_image(image, kind, 0.0, 3).data, image.data, atol=1e-5, rtol=1e-5)
    assert (move_labels(labels, image.grid, kind, 0.0, 3) == labels).all()
    np.testing.assert_allclose(move_points(centers, image.grid, kind, 0.0, 3), centers, atol=1e-4)


@pytest.mark.parametrize("kind", TOP)
def test_a_change_grows_with_its_level(kind):
    image, *_ = blobs(2)
    changes = [
        float((corrupt_image(image, kind, share * TOP[kind], 3).data - image.data).abs().mean())
        for share in (0.25, 0.5, 1.0)
    ]
    assert 0 < changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("kind", MOTIONS)
@pytest.mark.parametrize("seed", [0, 5])
def test_image_labels_and_points_move_together(kind, ndim, seed):
    image, labels, centers = blobs(ndim)
    grid = image.grid
    moved = corrupt_image(image, kind, TOP[kind], seed).data[0]
    regions = move_labels(labels, grid, kind, TOP[kind], seed)
    places = world_coordinates(grid).double()
    found = move_points(centers, grid, kind, TOP[kind], seed)
    assert np.linalg.norm(found - centers, axis=1).max() > 0.7
    for number, point in enumerate(found, start=1):
        mask = torch.from_numpy(regions == number)
        weight = moved.double() * mask
        centroid = (places * weight[..., None]).sum(tuple(range(ndim))) / weight.sum()
        assert np.linalg.norm(centroid.numpy() - point) < grid.spacing.max() / 3


@pytest.mark.parametrize("kind", ["noise", "bias", "inversion"])
def test_what_spoils_intensities_moves_nothing(kind):
    image, labels, centers = blobs(2)
    assert move_labels(labels, image.grid, kind, TOP[kind], 1) is labels
    assert move_points(centers, image.grid, kind, TOP[kind], 1) is centers


def test_a_rotation_and_a_scaling_are_of_their_level():
    grid = GRIDS[2]
    points = grid.center + np.array([[10.0, 0.0], [0.0, 7.0]])
    turned = move_points(points, grid, "rotation", 30.0, 0) - grid.center
    cosine = (turned[0] @ [10.0, 0.0]) / 100
    assert np.rad2deg(np.arccos(cosine)) == pytest.approx(30)
    lengths = np.linalg.norm(move_points(points, grid, "scale", 0.25, 1) - grid.center, axis=1) / [10, 7]
    assert lengths[0] == pytest.approx(lengths[1])
    assert lengths[0] in (pytest.approx(1.25), pytest.approx(0.8))


def test_an_affine_and_an_elastic_motion_reach_their_level_and_not_more():
    grid = GRIDS[2]
    axes = np.concatenate([[grid.center], grid.center + np.eye(2)])
    moved = move_points(axes, grid, "affine", 0.2, 4)
    strain = np.linalg.svd((moved[1:] - moved[0]).T)[1]
    assert np.abs(np.log(strain)).max() <= 0.2 + 1e-9
    length = motion(grid, "elastic", 0.05, 2).displacement.norm(dim=0).max() / grid.extent.max()
    assert 0.03 < length <= 0.05 + 1e-6


def test_noise_has_the_spread_that_its_level_says():
    image = Image(torch.linspace(0, 10, 6400).reshape(1, 80, 80), Grid((80, 80), default_affine(2)))
    added = corrupt_image(image, "noise", 0.1, 0).data - image.data
    assert float(added.std()) == pytest.approx(0.1 * 10 * 0.985, rel=0.03)


def test_the_brightest_share_is_inverted():
    image = Image(torch.linspace(0, 1, 1000).reshape(1, 25, 40), Grid((25, 40), default_affine(2)))
    half = corrupt_image(image, "inversion", 0.5, 0).data.flatten()
    torch.testing.assert_close(half[20:490], image.data.flatten()[20:490])
    assert (half[510:].diff() <= 0).all()
    assert (corrupt_image(image, "inversion", 1.0, 0).data.flatten().diff() <= 0).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_lattice_lies_in_the_body_and_follows_the_motion(ndim):
    image, *_ = blobs(ndim)
    fixed, moving = lattice(image, "rotation", 20.0, 1)
    assert len(fixed) == len(moving) > 15
    np.testing.assert_allclose(moving, move_points(fixed, image.grid, "rotation", 20.0, 1))
    assert len(lattice(image, "shift", 0.5, 1)[0]) < len(fixed)


def test_a_body_that_leaves_the_field_of_view_is_an_error():
    with pytest.raises(ValueError, match="no point of the body stays"):
        lattice(blobs(2)[0], "shift", 5.0, 1)
