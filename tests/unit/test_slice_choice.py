import numpy as np
import pytest
import torch

from promptreg.geometry import default_affine
from promptreg.models.slice_choice import standing_for
from promptreg.types import Grid, Image


def phantom(*slices, n_slices=12, axis=0):
    """A bright disc on a dark background in some of the slices."""
    rows, columns = torch.meshgrid(torch.arange(24), torch.arange(30), indexing="ij")
    disc = ((rows - 12) ** 2 + (columns - 15) ** 2 < 49).float()
    data = torch.zeros(n_slices, 24, 30)
    data[list(slices)] = 100 * disc
    data += torch.rand(data.shape, generator=torch.Generator().manual_seed(0))
    spacing = [1.0, 1.0, 1.0]
    spacing[axis] = 4.0
    data = data.movedim(0, axis)
    return Image(data[None].contiguous(), Grid(tuple(data.shape), default_affine(3, spacing)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_empty_slices_beyond_the_body_look_like_the_first_of_them(axis):
    found = standing_for(phantom(4, 5, 6, axis=axis), axis)
    np.testing.assert_array_equal(found, [3, 3, 3, 3, 4, 5, 6, 7, 7, 7, 7, 7])


def test_a_gap_within_the_body_is_kept():
    found = standing_for(phantom(3, 8), 0)
    np.testing.assert_array_equal(found, [2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9])


def test_a_body_that_reaches_the_ends_leaves_every_slice_to_itself():
    np.testing.assert_array_equal(standing_for(phantom(*range(12)), 0), range(12))


def test_without_an_evident_background_every_slice_stands_for_itself():
    data = torch.rand(1, 9, 24, 30, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(standing_for(Image(data, Grid((9, 24, 30), np.eye(4))), 0), range(9))
