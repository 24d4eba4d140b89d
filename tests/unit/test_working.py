import numpy as np
import pytest
import torch

from promptreg.baselines.working import both_images, common_shape, label_map, working_grid
from promptreg.geometry import default_affine, index_to_world, voxel_to_ddf
from promptreg.types import Grid, Image, Pair


def grid(shape, spacing=None):
    return Grid(shape, default_affine(len(shape), spacing))


def test_the_shape_is_the_least_multiple_into_which_all_images_fit():
    images = [grid((100, 50)), grid((40, 90))]
    assert common_shape(images, 64, 32) == (64, 64)
    assert common_shape([grid((12, 60, 60), (5, 1, 1))], 64, 32) == (32, 64, 64)


def test_cells_are_those_of_the_limited_image_and_a_margin_surrounds_them():
    fixed = grid((60, 100), (2.0, 1.0))
    working = working_grid(fixed, 50, (64, 64))
    assert working.shape == (64, 64)
    assert np.allclose(working.spacing, [120 / 50, 100 / 42], rtol=0.01)
    middle = index_to_world(fixed, torch.tensor([29.5, 49.5]))
    assert np.allclose(working.center, middle, atol=working.spacing.max())


def test_an_image_too_large_for_the_shape_gets_larger_cells_and_is_still_covered():
    fixed = grid((40, 60, 60), (3.0, 1.0, 1.0))
    working = working_grid(fixed, 60, (32, 64, 64))
    assert working.spacing[0] == pytest.approx(120 / 32)
    assert working.extent[0] == pytest.approx(120)


def test_a_field_on_the_margined_grid_reaches_every_cell_of_the_fixed_image():
    fixed = grid((45, 70), (1.3, 0.9))
    working = working_grid(fixed, 40, (32, 64))
    voxel = torch.tensor([1.0, -2.0])[:, None, None].expand(2, *working.shape)
    found = voxel_to_ddf(voxel, working, fixed).displacement
    assert torch.allclose(found[0], torch.tensor(-2 * working.spacing[1]).float(), atol=1e-4)
    assert torch.allclose(found[1], torch.tensor(working.spacing[0]).float(), atol=1e-4)


def test_images_are_normalized_prealigned_and_dark_in_the_margin():
    place = grid((32, 40))
    rows, columns = np.mgrid[:32, :40]
    blob = 900 * np.exp(-((rows - 12) ** 2 + (columns - 20) ** 2) / 30) + 100
    data = torch.from_numpy(blob).float()[None]
    start = np.eye(3)
    start[0, -1] = 6.0
    shifted = Image(data.roll(6, 2), place)
    moving, fixed = both_images(Pair(shifted, Image(data, place), start), working_grid(place, 40, (64, 64)))
    assert moving.shape == fixed.shape == (1, 64, 64)
    assert 0 == fixed.min() < fixed.max() <= 1
    assert fixed[0, :15].max() == 0
    inside = (slice(None), slice(18, 46), slice(20, 44))
    assert (moving - fixed)[inside].abs().max() < 1e-4


def test_labels_keep_their_values():
    place = grid((40, 40))
    labels = torch.zeros(40, 40, dtype=torch.int32)
    labels[10:30, 10:30] = 300
    found = label_map(labels, place, working_grid(place, 32, (32, 32)), np.eye(3))
    assert found.unique().tolist() == [0, 300]
    assert found.dtype == torch.int32
