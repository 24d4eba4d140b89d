import numpy as np
import pytest
import torch
from small_sam import small_sam

from promptreg.geometry import default_affine, index_to_world
from promptreg.models.sam_settings import ALWAYS_THREE, AS_PROMPTED, FIRST_ALONE, Inputs, normalized
from promptreg.types import Grid


def grid(shape, spacing=(1.0, 1.0)):
    return Grid(shape, default_affine(2, spacing), "mm")


def test_with_its_aspect_kept_the_longest_side_becomes_the_encoders():
    keeps = Inputs(lambda colours, shape: colours, keeps_aspect=True)
    assert keeps.grid(grid((50, 100)), 128).shape == (64, 128)
    assert keeps.grid(grid((333, 201)), 128).shape == (128, 77)
    assert keeps.grid(grid((1, 1000)), 128).shape == (1, 128)


@pytest.mark.parametrize("shape", [(50, 100), (333, 201), (128, 128)])
def test_without_it_either_axis_is_stretched_over_the_same_field_of_view(shape):
    image = grid(shape, spacing=(0.7, 2.5))
    stretched = Inputs(lambda colours, shape: colours, keeps_aspect=False).grid(image, 128)
    assert stretched.shape == (128, 128)
    np.testing.assert_allclose(stretched.extent, image.extent)
    corners = (torch.tensor([[-0.5, -0.5], [n - 0.5 for n in one.shape]]) for one in (stretched, image))
    ours, theirs = (index_to_world(one, c) for one, c in zip((stretched, image), corners, strict=True))
    torch.testing.assert_close(ours, theirs)


def test_a_click_is_ambiguous_and_more_points_are_not_unless_the_model_says_otherwise():
    masks = list(range(4))
    assert [masks[AS_PROMPTED.masks(n)] for n in (1, 2, 5)] == [[1, 2, 3], [0], [0]]
    assert [masks[ALWAYS_THREE.masks(n)] for n in (1, 2)] == [[1, 2, 3], [1, 2, 3]]
    assert [masks[FIRST_ALONE.masks(n)] for n in (1, 2)] == [[0], [0]]
    assert not FIRST_ALONE.scored


def test_colours_are_normalized_as_the_package_does():
    colours = 255 * torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(normalized(colours), small_sam().preprocess(colours))
