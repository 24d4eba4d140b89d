import math

import pytest
import torch

from promptreg.synth.draws import Draws


def draws(seed=0):
    return Draws(seed, torch.device("cpu"))


def test_equal_seeds_draw_equal_values_and_others_do_not():
    assert torch.equal(draws(1).normal(5), draws(1).normal(5))
    assert not torch.equal(draws(1).normal(5), draws(2).normal(5))


def test_draws_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    draws().uniform(10)
    assert torch.equal(before, torch.get_rng_state())


def test_values_have_the_stated_range_and_distribution():
    values = draws().log_uniform(10_000, low=0.5, high=2)
    assert 0.5 <= values.min() < values.max() <= 2
    assert values.log().mean().abs() < 0.02
    assert set(draws().integers(100, low=2, high=4).tolist()) == {2, 3, 4}
    assert set(draws().signs(100).tolist()) == {-1, 1}
    assert abs(draws().chance(0.25, 10_000).float().mean() - 0.25) < 0.02


@pytest.mark.parametrize("ndim", [2, 3])
def test_rotations_turn_by_their_angle_and_keep_lengths_and_hands(ndim):
    angles = torch.tensor([0.0, 0.5, 3.0])
    rotation = draws().rotations(angles, ndim)
    assert torch.allclose(rotation @ rotation.mT, torch.eye(ndim).expand(3, -1, -1), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(3), atol=1e-5)
    trace = rotation.diagonal(dim1=1, dim2=2).sum(1)
    assert torch.allclose(trace, (ndim - 2) + 2 * angles.cos(), atol=1e-5)


def test_directions_have_unit_length():
    assert torch.allclose(draws().directions(4, 3).norm(dim=1), torch.ones(4))
    assert math.isclose(float(draws().directions(4000, 2).mean()), 0, abs_tol=0.03)
