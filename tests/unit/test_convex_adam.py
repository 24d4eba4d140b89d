"""Known displacements of smooth features are found."""

import math

import pytest
import torch

from promptreg.baselines.convex_adam import (
    convex_adam,
    descend,
    displacement_window,
    inverse_consistent,
    search,
    window_costs,
)
from promptreg.geometry import cell_indices, sample

BOTH = pytest.mark.parametrize("ndim", [2, 3])


def textures(ndim, n=48, channels=4):
    """Smooth random features (C, *shape), without bias to any direction."""
    shape = (n, n) if ndim == 2 else (n // 2, n // 2, n // 2)
    data = torch.randn(channels, *shape, generator=torch.Generator().manual_seed(2))
    for _ in range(6):
        for axis in range(1, ndim + 1):
            data = (data.roll(1, axis) + 2 * data + data.roll(-1, axis)) / 4
    return data / data.std()


def pulled(data, displacement):
    """Read features where a displacement (ndim, *shape) says."""
    return sample(data, cell_indices(data.shape[1:]) + displacement.movedim(0, -1), padding="border")


def constant(shift, shape):
    return torch.tensor(shift).view(-1, *[1] * len(shape)).expand(-1, *shape).clone()


def middle(data, margin=0.25):
    return data[(slice(None), *(slice(int(n * margin), n - int(n * margin)) for n in data.shape[1:]))]


def test_the_window_holds_every_whole_displacement_once():
    window = displacement_window(2, 3)
    assert window.shape == (125, 3)
    assert len(window.unique(dim=0)) == 125
    assert window.abs().max() == 2


def test_costs_are_twelve_times_the_mean_squared_difference_of_the_displaced_features():
    fixed, moving = torch.full((5, 9, 9), 1.0), torch.full((5, 9, 9), 3.0)
    costs = window_costs(fixed, moving, displacement_window(1, 2))
    assert costs.shape == (9, 9, 9)
    torch.testing.assert_close(costs[:, 3:-3, 3:-3], torch.full((9, 3, 3), 48.0))


@BOTH
def test_a_shift_by_whole_cells_is_found_by_the_search_alone(ndim):
    moving = textures(ndim)
    shift = [2.0, -1.0, 1.0][:ndim]
    truth = constant(shift, moving.shape[1:])
    found = search(pulled(moving, truth), moving, reach=3)
    torch.testing.assert_close(middle(found), middle(truth))


@BOTH
def test_a_shift_of_less_than_a_cell_is_found(ndim):
    moving = textures(ndim)
    truth = constant([0.6, -0.3, 0.4][:ndim], moving.shape[1:])
    found = convex_adam(pulled(moving, truth), moving)
    assert (middle(found) - middle(truth)).norm(dim=0).mean() < 0.1


@BOTH
def test_a_smooth_field_beyond_the_reach_of_descent_is_found(ndim):
    moving = textures(ndim)
    cells = cell_indices(moving.shape[1:]) / moving.shape[1] * 2 * math.pi
    truth = 5.0 + 1.5 * torch.stack([cells[..., (axis + 1) % ndim].sin() for axis in range(ndim)])
    found = convex_adam(pulled(moving, truth), moving, reach=3)
    assert (middle(found) - middle(truth)).norm(dim=0).mean() < 0.35


def test_equal_features_stay_where_they_are():
    data = textures(2)
    assert convex_adam(data, data).abs().max() < 0.05


def test_no_steps_of_descent_leave_the_smoothed_result_of_the_search():
    data = textures(2)
    start = constant([1.0, 2.0], data.shape[1:])
    torch.testing.assert_close(descend(data, data, start, weight=1.0, iterations=0), start)


def test_opposite_shifts_are_consistent_already():
    there = constant([1.5, -2.0], (12, 12))
    found, home = inverse_consistent(there, -there)
    torch.testing.assert_close(found, there)
    torch.testing.assert_close(home, -there)


def test_disagreeing_shifts_meet_half_way():
    there, back = constant([2.0, 0.0], (12, 12)), constant([-1.0, 0.0], (12, 12))
    found, home = inverse_consistent(there, back)
    torch.testing.assert_close(found, constant([1.5, 0.0], (12, 12)))
    torch.testing.assert_close(home, -found)


@pytest.mark.parametrize("shapes", [((3, 9, 9), (3, 9, 12)), ((3, 10, 9), (3, 10, 9))])
def test_features_that_do_not_fit_are_an_error(shapes):
    with pytest.raises(ValueError, match="axes multiples of 3"):
        convex_adam(*(torch.zeros(shape) for shape in shapes))
