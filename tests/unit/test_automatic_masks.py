"""Segmenting everything: lattice, filters, and what is left of a model's masks."""

import numpy as np
import pytest
import torch

from promptreg.automatic_masks import (
    Filters,
    automatic_masks,
    certainty,
    click_grid,
    distinct,
    of_fitting_size,
    stability,
)
from promptreg.geometry import default_affine
from promptreg.types import Candidates, Embedding, Grid


class Squares:
    """A model that segments the 8 x 8 square about a click, and a far too large candidate."""

    def decode(self, embedding, points, labels):
        assert (labels == 1).all()
        logits = torch.full((len(points), 2, 64, 64), -9.0)
        logits[:, 1] = 9.0
        for number, (y, x) in enumerate((points[:, 0] // 8 * 8).long().tolist()):
            logits[number, 0, y : y + 8, x : x + 8] = 9.0
        return Candidates(logits, torch.tensor([[0.95, 1.0]]).expand(len(points), 2))


def embedding():
    grid = Grid((64, 64), default_affine(2, (2.0, 1.0)))
    return Embedding(torch.zeros(1, 64, 64), grid, grid, grid)


def test_every_distinct_mask_of_a_fitting_size_is_found_once():
    given = embedding()
    points = click_grid(torch.ones(64, 64, dtype=torch.bool), given.image_grid, 32)
    found = automatic_masks(Squares(), given, points)
    assert len(found.masks) == 64
    assert (found.masks.sum(0) == 1).all()
    assert (found.certainty >= 1).all()


def test_the_most_certain_masks_are_kept_where_none_passes():
    given = embedding()
    points = click_grid(torch.ones(64, 64, dtype=torch.bool), given.image_grid, 32)
    found = automatic_masks(Squares(), given, points, Filters(score=0.99, fewest=7))
    assert len(found.masks) == 7


def test_no_clicks_give_no_masks():
    found = automatic_masks(Squares(), embedding(), torch.zeros(0, 2, dtype=torch.float64))
    assert found.masks.shape == (0, 64, 64)


def test_clicks_are_as_far_apart_in_the_world_along_every_axis_and_inside_the_region():
    grid = Grid((20, 100), default_affine(2, (2.0, 1.0)))
    region = torch.zeros(20, 100, dtype=torch.bool)
    region[:, :50] = True
    points = click_grid(region, grid, 10)
    assert len(points) == 20
    np.testing.assert_allclose(np.unique(points[:, 0]), [4.5, 14.5, 24.5, 34.5, 44.5])
    np.testing.assert_allclose(np.unique(points[:, 1]), [4.0, 14.0, 24.0, 34.0])


def test_thick_slices_get_one_layer_of_clicks_each():
    grid = Grid((4, 64, 64), default_affine(3, (16.0, 1.0, 1.0)))
    points = click_grid(torch.ones(grid.shape, dtype=torch.bool), grid, 16)
    assert len(points.unique(dim=0)) == 4 * 16 * 16


def test_size_limits_are_the_published_pixels_of_pictures_of_the_published_size():
    masks = torch.zeros(4, 40000, dtype=torch.bool)
    for number, size in enumerate((199, 201, 6999, 7001)):
        masks[number, :size] = True
    assert of_fitting_size(masks.view(4, 200, 200), Filters()).tolist() == [False, True, True, False]


def test_size_limits_of_volumes_hold_for_a_masks_side():
    masks = torch.zeros(2, 64, 64, 64, dtype=torch.bool)
    masks[0, :8, :8, :8] = True
    masks[1, :32, :32, :32] = True
    assert of_fitting_size(masks, Filters()).tolist() == [True, False]


def test_stability_is_the_share_of_cells_that_stay_when_the_threshold_moves():
    logits = torch.tensor([[5.0, 5.0, 0.5, -0.5, -5.0], [-5.0] * 5])
    torch.testing.assert_close(stability(logits, 1.0), torch.tensor([0.5, 0.0]))


def test_certainty_is_that_of_the_weaker_of_score_and_stability():
    logits = torch.tensor([[5.0, 5.0, 0.5, -0.5], [5.0, 5.0, 5.0, -5.0]])
    found = certainty(logits, torch.tensor([0.9, 0.45]), Filters())
    torch.testing.assert_close(found, torch.tensor([0.5 / 0.9, 0.5]))


@pytest.mark.parametrize(("iou", "expected"), [(0.5, [False, True, True]), (0.7, [True, True, True])])
def test_of_two_masks_that_overlap_too_much_the_more_certain_stays(iou, expected):
    masks = torch.zeros(3, 10, dtype=torch.bool)
    masks[0, :5], masks[1, 1:5], masks[1, 5] = True, True, True
    masks[2, 8:] = True
    assert distinct(masks, torch.tensor([0.8, 0.9, 0.1]), iou).tolist() == expected
