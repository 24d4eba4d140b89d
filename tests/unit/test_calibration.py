from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from promptreg.calibration import bins, of_field, of_regions
from promptreg.correspond import Correspondences
from promptreg.geometry import affine_to_ddf, default_affine, index_to_world
from promptreg.types import Grid, PointPrompts, RoiPairs

GRID = Grid((100, 100), default_affine(2, (1.0, 1.0)), "px")
CENTERS = torch.tensor([[20.0, 20.0], [80.0, 80.0]])
SHIFT = torch.tensor([4.0, 3.0])


def disc(center, radius=6.0):
    axes = torch.stack(torch.meshgrid(torch.arange(100.0), torch.arange(100.0), indexing="ij"), -1)
    return ((axes - center).norm(dim=-1) <= radius).float()


@pytest.fixture
def found():
    """Two regions that moved by (4, 3) cells; the views agree on the first and not on the second."""
    moving = torch.stack([disc(one + SHIFT) for one in CENTERS])
    fixed = torch.stack([disc(one) for one in CENTERS])
    variance = torch.stack([0.0 * fixed[0], 0.2 * fixed[1]])
    rois = RoiPairs(moving, fixed, GRID, GRID, torch.ones(2))
    points = index_to_world(GRID, CENTERS)[:, None].double()
    given = PointPrompts(points, torch.ones(2, 1))
    return Correspondences(rois, variance, variance, ("", ""), given, points, torch.ones(2, 1))


def field(shift):
    matrix = np.eye(3)
    matrix[:2, 2] = shift
    return affine_to_ddf(matrix, GRID)


def landmarks():
    fixed = index_to_world(GRID, CENTERS)
    return fixed, fixed + SHIFT.flip(0)


def test_the_error_of_a_field_is_its_distance_from_the_truth(found):
    fixed, moving = landmarks()
    for one in of_field(found, field((3.0, 4.0)), fixed, moving):
        assert one.error.abs().max() < 1e-4
    for one in of_field(found, field((0.0, 0.0)), fixed, moving):
        torch.testing.assert_close(one.error, torch.full((2,), 5.0, dtype=torch.float64))


def test_each_landmark_is_foretold_by_the_region_around_it(found):
    fixed, moving = landmarks()
    foretold = {one.predictor: one.predicted for one in of_field(found, field((3.0, 1.0)), fixed, moving)}
    assert foretold["views"].tolist() == pytest.approx([0.0, 0.2], abs=2e-4)
    assert foretold["prompts"].tolist() == pytest.approx([3.0, 3.0], abs=1e-3)
    assert foretold["distance"].tolist() == pytest.approx([0.0, 0.0], abs=1e-3)


def test_a_landmark_far_from_every_region_is_foretold_by_the_nearest(found):
    fixed = torch.tensor([[99.0, 99.0]])
    foretold = {one.predictor: one.predicted for one in of_field(found, field((0.0, 0.0)), fixed, fixed)}
    assert foretold["views"].item() == pytest.approx(0.2, abs=1e-3)
    assert foretold["distance"].item() == pytest.approx(19 * 2**0.5, abs=1e-3)


def test_rejected_regions_foretell_nothing(found):
    fixed, moving = landmarks()
    first = replace(found, rois=replace(found.rois, weights=torch.tensor([1.0, 0.0])))
    views = next(one for one in of_field(first, field((0.0, 0.0)), fixed, moving) if one.predictor == "views")
    assert views.predicted.tolist() == pytest.approx([0.0, 0.0])
    none = replace(found, rois=replace(found.rois, weights=torch.zeros(2)))
    assert of_field(none, field((0.0, 0.0)), fixed, moving) == []
    assert len(of_regions(none, fixed, moving).error) == 0


def test_a_region_errs_where_it_and_its_partner_differ_at_corresponding_points(found):
    fixed, moving = landmarks()
    right = of_regions(found, fixed, moving)
    assert right.error.tolist() == pytest.approx([0.0, 0.0])
    assert right.predicted.tolist() == pytest.approx([0.0, 0.2])
    off = of_regions(found, fixed, moving + 20.0)
    assert off.error.tolist() == pytest.approx([1.0, 1.0])


def test_landmarks_outside_of_a_region_and_its_partner_have_no_say_on_it(found):
    fixed = torch.tensor([[50.0, 50.0]])
    assert len(of_regions(found, fixed, fixed).error) == 0


def test_bins_are_of_like_size_and_rise_and_hold_every_point():
    rng = np.random.default_rng(0)
    predicted = rng.uniform(size=1000)
    found = bins(predicted, 2 * predicted)
    assert [n for n, *_ in found] == [100] * 10
    assert [one for _, one, _ in found] == sorted(one for _, one, _ in found)
    for _, prediction, error in found:
        assert error == pytest.approx(2 * prediction)


def test_equal_predictions_stay_in_one_bin():
    found = bins(np.array([0.0] * 50 + [1.0] * 50), np.arange(100.0))
    assert [(n, prediction) for n, prediction, _ in found] == [(50, 0.0), (50, 1.0)]
    assert bins(np.zeros(7), np.ones(7)) == [(7, 0.0, 1.0)]
