import numpy as np
import pytest
import torch

from promptreg.geometry import default_affine, resized
from promptreg.models.slice_stack import embed_planes
from promptreg.types import Embedding, Grid, Image


def encode(planes, grid):
    """Features are the planes themselves, half as fine."""
    cells = resized(grid, [n // 2 for n in grid.shape])
    return [Embedding(one[:, ::2, ::2], cells, grid, grid, {"mean": one.mean((1, 2))}) for one in planes]


def test_a_planar_image_is_encoded_as_it_is():
    image = Image(torch.rand(2, 6, 8), Grid((6, 8), default_affine(2)))
    found = embed_planes(image, image.data, encode)
    assert torch.equal(found.features, image.data[:, ::2, ::2])
    assert found.image_grid is image.grid


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_slices_of_a_volume_lie_along_its_coarsest_axis_and_its_grids_in_its_world(axis):
    spacing = [1.0, 1.5, 2.0]
    spacing[axis] = 7.0
    affine = default_affine(3, spacing)
    affine[:3, 3] = [5.0, -3.0, 11.0]
    image = Image(torch.rand(2, 4, 6, 8), Grid((4, 6, 8), affine))
    found = embed_planes(image, image.data, encode)
    steps = [slice(None), *(slice(None, None, 1 if a == axis else 2) for a in range(3))]
    assert torch.equal(found.features, image.data[tuple(steps)])
    assert found.feature_grid.shape == found.features.shape[1:]
    np.testing.assert_allclose(found.feature_grid.center, image.grid.center)
    np.testing.assert_allclose(found.mask_grid.affine, image.grid.affine)
    assert found.extras["mean"].shape == (image.grid.shape[axis], 2)
