from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from promptreg.correspond import Correspondences
from promptreg.figures.paradigms import paradigms_side_by_side
from promptreg.geometry import affine_to_ddf, default_affine, index_to_world
from promptreg.paradigms import (
    carried_regions,
    labelled_regions,
    rows_of,
    searched_regions,
    target_regions,
)
from promptreg.types import Grid, Image, Pair, PointPrompts, RoiPairs

SHAPE = (30, 40)
GRID = Grid(SHAPE, default_affine(2, (2.0, 1.0)))
CELLS = [(8.0, 10.0), (20.0, 30.0), (15.0, 5.0), (25.0, 35.0)]
SHIFT = (3, -2)


def block(cell, shift=(0, 0)):
    mask = torch.zeros(SHAPE)
    y, x = (int(a + b) for a, b in zip(cell, shift, strict=True))
    mask[y - 3 : y + 4, x - 3 : x + 4] = 1
    return mask


@pytest.fixture
def pair():
    data = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    return Pair(Image(data, GRID), Image(data.roll(SHIFT, (1, 2)), GRID), np.eye(3), "p")


@pytest.fixture
def found():
    points = index_to_world(GRID, torch.tensor(CELLS))[:, None].double()
    labels = torch.ones(4, 1, dtype=torch.long)
    moving = torch.stack([block(cell) for cell in CELLS])
    fixed = torch.stack([block(cell, SHIFT) for cell in CELLS])
    pairs = RoiPairs(moving, fixed, GRID, GRID, torch.ones(4))
    given = PointPrompts(points, labels)
    shift = torch.tensor([SHIFT[1] * 1.0, SHIFT[0] * 2.0])
    return Correspondences(pairs, moving, fixed, ("", "lonely", "", ""), given, points + shift, labels)


def test_the_first_accepted_prompts_are_shown_or_the_first_where_none_is(found):
    assert rows_of(found, GRID, None) == [0, 2, 3]
    assert rows_of(replace(found, reasons=("no",) * 4), GRID, None) == [0, 1, 2]


def test_prompts_in_a_labelled_structure_are_shown_before_others(found):
    labels = np.zeros(SHAPE, int)
    labels[20, 30] = labels[25, 35] = 2
    assert rows_of(found, GRID, labels) == [3, 0, 2]


def test_a_search_with_other_prompts_is_matched_by_where_they_lie(found):
    target = target_regions(found, [0, 2])
    order = [3, 2, 0]
    other = replace(
        found,
        rois=replace(found.rois, fixed=found.rois.fixed[order]),
        prompts=PointPrompts(found.prompts.points[order], found.prompts.labels[order]),
        points=found.points[order],
    )
    regions = searched_regions("other", other, target)
    assert torch.equal(regions.masks, found.rois.fixed[[0, 2]])
    assert torch.equal(regions.points, found.points[[0, 2], 0])
    assert searched_regions("x", other, target_regions(found, [1])).reasons == ("this prompt was not given",)


def test_a_field_carries_a_region_where_it_takes_the_image(found):
    target = target_regions(found, [0])
    matrix = np.eye(3)
    matrix[:2, 2] = [-SHIFT[1] * 1.0, -SHIFT[0] * 2.0]
    carried = carried_regions("tool", affine_to_ddf(matrix, GRID), target, GRID)
    torch.testing.assert_close(carried.masks[0], block(CELLS[0], SHIFT))
    assert carried_regions("tool", "not installed", target, GRID).reasons == ("not installed",)


def test_a_known_class_is_the_structure_under_the_prompt(found, pair):
    moving, fixed = np.zeros(SHAPE, int), np.zeros(SHAPE, int)
    moving[6:12, 8:14], fixed[9:15, 6:12] = 4, 4
    moving[13:18, 3:8] = 5
    regions = labelled_regions("known", pair, moving, fixed, target_regions(found, [0, 1, 2]))
    assert regions.reasons == (
        "",
        "the prompt lies in no labelled structure",
        "no such label on the fixed image",
    )
    assert regions.masks[0].sum() == 36


def test_every_prompt_has_a_row_and_every_paradigm_a_column(found, pair):
    target = target_regions(found, [0, 2])
    columns = [searched_regions("ours", found, target), carried_regions("tool", "failed", target, GRID)]
    figure = paradigms_side_by_side(pair, target, columns)
    assert [ax.get_title() for ax in figure.axes] == [
        "moving: prompt and\nregion",
        "ours",
        "tool",
        "",
        "",
        "",
    ]
    says = [[text.get_text() for text in ax.texts if text.get_text()] for ax in figure.axes]
    assert says == [[], [], ["failed"]] * 2
    arrows = [sum(hasattr(text, "arrow_patch") for text in ax.texts) for ax in figure.axes]
    assert arrows == [1, 1, 0] * 2
