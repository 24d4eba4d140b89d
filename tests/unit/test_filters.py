import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from promptreg.geometry import blurred, default_affine
from promptreg.geometry.filters import padded_rows
from promptreg.types import Grid


def grid(*shape, spacing=None):
    return Grid(shape, default_affine(len(shape), spacing))


def noise(*shape):
    return torch.rand(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(16, 21), (9, 12, 10)])
def test_a_blur_in_cells_is_that_of_scipy(shape):
    data = noise(*shape)
    expected = [ndimage.gaussian_filter(one, 1.5, mode="nearest", radius=5) for one in data.numpy()]
    torch.testing.assert_close(blurred(data, grid(*shape), 1.5), torch.from_numpy(np.stack(expected)))


def test_sigma_is_a_length_so_that_coarse_axes_are_blurred_less():
    impulse = torch.zeros(1, 41, 41, dtype=torch.float64)
    impulse[0, 20, 20] = 1
    out = blurred(impulse, grid(41, 41, spacing=[2.0, 1.0]), 3.0)[0]
    offsets = torch.arange(41, dtype=torch.float64) - 20
    assert math.sqrt((out.sum(1) * offsets**2).sum()) == pytest.approx(1.5, rel=0.03)
    assert math.sqrt((out.sum(0) * offsets**2).sum()) == pytest.approx(3.0, rel=0.03)


def test_one_sigma_an_axis_leaves_the_axes_of_zero_alone():
    data = noise(8, 9)
    expected = ndimage.gaussian_filter1d(data.numpy(), 2.0, axis=2, mode="nearest", radius=6)
    torch.testing.assert_close(blurred(data, grid(8, 9), [0.0, 2.0]), torch.from_numpy(expected))
    torch.testing.assert_close(blurred(data, grid(8, 9), 0.0), data)


def test_a_constant_stays_what_it_is_up_to_the_edges():
    data = torch.full((1, 6, 7), 3.0)
    torch.testing.assert_close(blurred(data, grid(6, 7), 4.0), data)


def test_a_blur_much_wider_than_the_image_still_works():
    data = noise(5, 6)
    out = blurred(data, grid(5, 6), 100.0)
    assert (out.flatten(1).std(1) < 0.1 * data.flatten(1).std(1)).all()
    assert (data.amin() < out).all()
    assert (out < data.amax()).all()


def test_edges_are_repeated_along_the_chosen_axis_alone():
    data = torch.arange(6.0).reshape(1, 2, 3)
    assert padded_rows(data, 1, 2)[0].tolist() == [[0, 0, 0, 1, 2, 2, 2], [3, 3, 3, 4, 5, 5, 5]]
    assert padded_rows(data, 0, 1)[0].tolist() == [[0, 0, 3, 3], [1, 1, 4, 4], [2, 2, 5, 5]]
