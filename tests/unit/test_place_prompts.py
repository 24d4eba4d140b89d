"""Tests of `promptreg.prompts`: `test_prompts.py` is that of the prompt encoder."""

import numpy as np
import pytest
import torch

from promptreg.config import Prompts
from promptreg.geometry import default_affine
from promptreg.prompts import place_prompts, points_inside
from promptreg.types import Grid, Image

SHAPE = (40, 60)
GRID = Grid(SHAPE, default_affine(2, (2.0, 0.5)))
IMAGE = Image(torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0)) + 1, GRID)
LABELS = np.zeros(SHAPE, int)
LABELS[10:30, 20:40] = 2


def placed(where, count, labels=LABELS):
    config = Prompts(where=where, count=count, min_distance=0.02)
    return place_prompts(IMAGE, labels, config, seed=3).points[:, 0]


def test_prompts_of_both_locations_take_turns_and_are_those_of_either_alone():
    both = placed("both", 7)
    assert points_inside(both, LABELS, GRID).tolist() == [True, False] * 3 + [True]
    assert torch.equal(both[0::2], placed("inside", 4))
    assert torch.equal(both[1::2], placed("outside", 3))


@pytest.mark.parametrize("where", ["body", "inside", "outside", "both"])
def test_the_first_of_many_prompts_are_those_of_few(where):
    assert torch.equal(placed(where, 6)[:4], placed(where, 4))


def test_one_prompt_of_both_locations_lies_inside():
    assert points_inside(placed("both", 1), LABELS, GRID).tolist() == [True]


def test_a_point_is_inside_where_its_nearest_cell_has_a_label():
    affine = torch.from_numpy(GRID.affine)
    cells = torch.tensor([[10.0, 20.0], [9.6, 19.6], [9.4, 20.0], [29.4, 39.4], [30.0, 39.0], [-3.0, 99.0]])
    points = cells.double() @ affine[:2, :2].T + affine[:2, 2]
    assert points_inside(points, LABELS, GRID).tolist() == [True, True, False, True, False, False]


@pytest.mark.parametrize("where", ["inside", "outside", "both"])
def test_a_location_needs_labels(where):
    with pytest.raises(ValueError, match="has no labels: provide moving labels"):
        placed(where, 2, labels=None)
