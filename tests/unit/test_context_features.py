import numpy as np
import pytest
import skimage.data
import torch

from promptreg.geometry import default_affine, sample, world_coordinates, world_to_index
from promptreg.models.context_features import (
    MAX_CELLS,
    around,
    blurred,
    context_features,
    directions,
    feature_grids,
    gradient,
    image_maps,
)
from promptreg.types import Grid, Image


def gray(size=128):
    pixels = torch.from_numpy(skimage.data.camera()[:: 512 // size, :: 512 // size].copy()).float()
    return Image(pixels[None], Grid(tuple(pixels.shape), default_affine(2), "px"))


def volume(shape=(10, 24, 20), spacing=(5.0, 2.0, 2.5)):
    data = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    return Image(data, Grid(shape, default_affine(3, spacing)))


def features_of(image):
    return context_features(image_maps(image))


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((512, 512), (1, 1)),
        ((660, 892), (1, 1)),
        ((36, 256, 256), (7.7, 1.25, 1.25)),
        ((20, 160, 160), (1, 1, 1)),
        ((208, 192, 192), (1.75, 1.25, 1.75)),
    ],
)
def test_feature_cells_are_few_and_isotropic_and_cover_the_image(shape, spacing):
    grid = Grid(shape, default_affine(len(shape), spacing))
    working, cells = feature_grids(grid)
    assert np.prod(cells.shape) <= MAX_CELLS[len(shape)]
    assert np.allclose(cells.extent, grid.extent)
    assert np.allclose(working.extent, grid.extent)
    assert cells.spacing.max() / cells.spacing.min() < 1.1
    assert all(w % c == 0 for w, c in zip(working.shape, cells.shape, strict=True))


def test_no_axis_is_finer_than_the_image():
    _, cells = feature_grids(Grid((3, 300, 300), default_affine(3, (40, 1, 1))))
    assert cells.shape[0] == 3


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_any_number_of_channels_gives_finite_standardized_features(n_channels):
    data = torch.rand(n_channels, 40, 48, generator=torch.Generator().manual_seed(1))
    features = features_of(Image(data, Grid((40, 48), default_affine(2))))
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert features.mean((1, 2)).abs().max() < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 7), (1, 1, 1), (2, 3, 4)])
@pytest.mark.parametrize("value", [0.0, 7.0])
def test_tiny_and_constant_images_give_zeros(shape, value):
    features = features_of(Image(torch.full((1, *shape), value), Grid(shape, default_affine(len(shape)))))
    assert (features == 0).all()


@pytest.mark.parametrize("image", [gray(), volume()], ids=["2D", "3D"])
def test_a_flipped_array_with_the_matching_affine_gives_the_same_features(image):
    axis = image.grid.ndim - 1
    flip = np.eye(image.grid.ndim + 1)
    flip[axis, axis], flip[axis, -1] = -1, image.grid.shape[axis] - 1
    flipped = Image(image.data.flip(-1), Grid(image.grid.shape, image.grid.affine @ flip))
    assert torch.allclose(features_of(flipped).flip(-1), features_of(image), atol=5e-3)


@pytest.mark.parametrize("image", [gray(), volume()], ids=["2D", "3D"])
def test_a_transposed_array_with_the_matching_affine_gives_the_same_features(image):
    order = [*range(image.grid.ndim - 2), image.grid.ndim - 1, image.grid.ndim - 2, image.grid.ndim]
    shape = tuple(image.data.mT.shape[1:])
    transposed = Image(image.data.mT.contiguous(), Grid(shape, image.grid.affine[:, order]))
    assert torch.allclose(features_of(transposed).mT, features_of(image), atol=5e-3)


def test_features_do_not_depend_on_the_unit_of_the_world():
    image = gray()
    scaled = Image(image.data, Grid(image.grid.shape, np.diag([3.0, 3.0, 1.0]) @ image.grid.affine))
    assert torch.allclose(features_of(scaled), features_of(image), atol=1e-3)


def test_features_ignore_gain_and_offset_and_nearly_ignore_gamma():
    image = gray()
    linear = features_of(Image(image.data * 5 - 100, image.grid))
    assert torch.allclose(linear, features_of(image), atol=1e-3)
    gamma = features_of(Image(image.data.clamp_min(0) ** 0.7, image.grid))
    assert torch.cosine_similarity(gamma, features_of(image), dim=0).mean() > 0.95


def test_cells_far_from_each_other_with_equal_looks_differ_by_their_surroundings():
    data = torch.zeros(1, 128, 128)
    data[:, 20:36, 20:36] = data[:, 90:106, 90:106] = 1
    data[:, 60:70, 60:128] = 0.5
    features = features_of(Image(data, Grid((128, 128), default_affine(2))))
    first, second = features[:, 14, 14], features[:, 49, 49]
    assert torch.cosine_similarity(first, second, dim=0) < 0.8


def test_blurring_a_point_gives_a_gaussian_of_the_world_width():
    grid = Grid((41, 41), default_affine(2, (1.0, 2.0)))
    data = torch.zeros(1, 41, 41)
    data[0, 20, 20] = 1
    smooth = blurred(data, grid, 4.0)[0]
    world = world_coordinates(grid) - torch.tensor([40.0, 20.0])
    assert smooth.sum() == pytest.approx(1, abs=1e-3)
    assert (smooth[..., None] * world**2).sum((0, 1)).sqrt() == pytest.approx([4.0, 4.0], rel=0.03)


def test_the_gradient_of_a_ramp_is_its_slope_per_world_unit():
    grid = Grid((9, 9, 9), default_affine(3, (3.0, 2.0, 0.5)))
    ramp = (world_coordinates(grid) @ torch.tensor([1.0, -2.0, 0.5]))[None]
    inner = gradient(ramp, grid)[:, 0, 1:-1, 1:-1, 1:-1]
    assert torch.allclose(inner.flatten(1).mean(1), torch.tensor([0.5, -2.0, 1.0]), atol=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
def test_directions_are_unit_world_vectors_that_cancel(ndim):
    vectors = directions(ndim)
    assert len(vectors) == {2: 8, 3: 14}[ndim]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert np.allclose(vectors.sum(0), 0)


def test_looking_around_reads_the_world_at_the_stated_distance():
    grid = Grid((30, 40), default_affine(2, (2.0, 1.0)))
    ramp = (world_coordinates(grid) @ torch.tensor([1.0, 10.0]))[None]
    seen = around(ramp, grid, 4.0)
    place = world_to_index(grid, torch.tensor([[20.0, 30.0]]))
    expected = torch.from_numpy(directions(2)).float() @ torch.tensor([1.0, 10.0]) * 4 + 20 + 300
    assert torch.allclose(sample(seen, place)[:, 0], expected, atol=1e-3)
