import numpy as np
import pytest
import torch

from promptreg.models.slice_choice import standing_for
from promptreg.types import Grid, Image


def volume(values, *, axis=0):
    """Slices (12, 14) of one value each, or of noise where the value is None; two channels."""
    noise = torch.rand(len(values), 12, 14, generator=torch.Generator().manual_seed(0))
    slices = torch.stack(
        [noise[i] if value is None else torch.full((12, 14), value) for i, value in enumerate(values)]
    )
    data = torch.stack([slices, slices + 1]).movedim(1, 1 + axis)
    return Image(data, Grid(tuple(data.shape[1:]), np.eye(4)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flat_slices_of_one_intensity_stand_for_each_other(axis):
    found = standing_for(volume([0.0, 0.0, None, None, 0.0, 0.0], axis=axis), axis)
    np.testing.assert_array_equal(found, [0, 0, 2, 3, 0, 0])


def test_flat_slices_of_other_intensity_do_not():
    np.testing.assert_array_equal(standing_for(volume([0.0, 1.0, None, 1.0]), 0), [0, 1, 2, 1])


def test_slices_of_noise_stand_for_themselves():
    np.testing.assert_array_equal(standing_for(volume([None] * 5), 0), range(5))
