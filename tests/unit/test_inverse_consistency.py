from __future__ import annotations

import numpy as np
import pytest
import torch

from promptreg.datasets.known_motion import random_deformation
from promptreg.geometry import affine_to_ddf, default_affine
from promptreg.inverse_consistency import inverse_errors
from promptreg.types import Grid

FIXED = Grid((40, 50), default_affine(2, (2.0, 1.0)), "mm")
MOVING = Grid((60, 40), default_affine(2, (1.5, 1.5)), "mm")
EVERYWHERE = torch.ones(FIXED.shape, dtype=torch.bool)


def shifted(x, y):
    matrix = np.eye(3)
    matrix[:2, 2] = x, y
    return matrix


def test_a_map_and_its_inverse_undo_each_other_on_grids_of_their_own():
    turn = np.array([[0.9, -0.1, 4.0], [0.1, 0.9, 2.0], [0, 0, 1]])
    errors = inverse_errors(
        affine_to_ddf(turn, FIXED), affine_to_ddf(np.linalg.inv(turn), MOVING), EVERYWHERE
    )
    assert len(errors) > 1000
    assert errors.max() < 1e-3


def test_two_shifts_that_do_not_cancel_are_off_by_their_sum():
    forward, backward = (
        affine_to_ddf(shifted(*one), grid) for one, grid in (((3, 1), FIXED), ((1, 2), MOVING))
    )
    errors = inverse_errors(forward, backward, EVERYWHERE)
    np.testing.assert_allclose(errors, 5.0, atol=1e-4)


def test_opposite_velocities_undo_each_other_and_equal_ones_do_not():
    grid = Grid((64, 64), default_affine(2), "px")
    mask = torch.zeros(grid.shape, dtype=torch.bool)
    mask[16:48, 16:48] = True
    there, back = (random_deformation(grid, amplitude, 8.0, 3) for amplitude in (4.0, -4.0))
    assert inverse_errors(there, back, mask).max() < 0.1
    assert inverse_errors(there, there, mask).mean() > 1.0


def test_cells_that_leave_the_moving_image_or_the_mask_have_no_say():
    forward, backward = affine_to_ddf(shifted(30, 0), FIXED), affine_to_ddf(shifted(-30, 0), MOVING)
    mask = EVERYWHERE.clone()
    mask[:20] = False
    errors = inverse_errors(forward, backward, mask)
    assert 0 < len(errors) < int(mask.sum())
    assert errors.max() == pytest.approx(0, abs=1e-4)
    assert len(inverse_errors(forward, backward, ~EVERYWHERE)) == 0
