import pytest
import torch

from promptreg.config import Marginalize
from promptreg.geometry import default_affine
from promptreg.sanity import area_ratio, duplicates, judge, overlaps
from promptreg.types import Grid, RoiPairs

FINE = Grid((40, 40), default_affine(2, (0.5, 0.5)))
COARSE = Grid((20, 20), default_affine(2, (1.0, 1.0)))


def _box(grid: Grid, start: tuple[float, float], stop: tuple[float, float]) -> torch.Tensor:
    """Probability 0.9 within world bounds (x, y), 0.1 outside."""
    mask = torch.full(grid.shape, 0.1)
    step = float(grid.spacing[0])
    (x0, y0), (x1, y1) = start, stop
    mask[round(y0 / step) : round(y1 / step), round(x0 / step) : round(x1 / step)] = 0.9
    return mask


def _pairs(*boxes: tuple[tuple[float, float, float, float], tuple[float, float, float, float]]) -> RoiPairs:
    moving = torch.stack([_box(FINE, m[:2], m[2:]) for m, _ in boxes])
    fixed = torch.stack([_box(COARSE, f[:2], f[2:]) for _, f in boxes])
    return RoiPairs(moving, fixed, FINE, COARSE, torch.ones(len(boxes)))


def test_areas_are_compared_in_world_units_on_grids_of_different_step():
    pairs = _pairs(((2, 2, 6, 6), (1, 1, 5, 5)), ((2, 2, 6, 6), (1, 1, 9, 5)), ((2, 2, 6, 6), (1, 1, 3, 3)))
    ratio = area_ratio(pairs.moving, FINE, pairs.fixed, COARSE)
    torch.testing.assert_close(ratio, torch.tensor([1.0, 2.0, 0.25], dtype=torch.float64))


def test_an_empty_roi_gives_zero_infinity_or_nan():
    box, empty = _box(FINE, (2, 2), (6, 6)), torch.zeros(FINE.shape)
    ratio = area_ratio(torch.stack([box, empty, empty]), FINE, torch.stack([empty, box, empty]), FINE)
    assert ratio[:2].tolist() == [0.0, float("inf")]
    assert ratio[2].isnan()


def test_overlaps_are_intersections_over_unions_and_zero_for_empty_rois():
    masks = torch.stack(
        [_box(COARSE, (0, 0), (4, 4)), _box(COARSE, (0, 2), (4, 6)), torch.zeros(COARSE.shape)]
    )
    expected = torch.tensor([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]])
    torch.testing.assert_close(overlaps(masks), expected)


def test_the_later_of_two_equal_rois_is_the_duplicate():
    a, b = _box(COARSE, (0, 0), (4, 4)), _box(COARSE, (10, 10), (14, 14))
    assert duplicates(torch.stack([a, b, a, b, a]), 0.8).tolist() == [-1, -1, 0, 1, 0]


def test_a_rejected_roi_is_never_repeated():
    chain = torch.stack([_box(COARSE, (start, 0), (start + 10, 10)) for start in (0.0, 1.0, 2.0)])
    assert duplicates(chain, 0.75).tolist() == [-1, 0, -1]
    a = _box(COARSE, (0, 0), (4, 4))
    eligible = torch.tensor([False, True, True])
    assert duplicates(torch.stack([a, a, a]), 0.8, eligible=eligible).tolist() == [-1, -1, 1]


def test_every_rejection_carries_its_first_reason_and_good_pairs_none():
    pairs = _pairs(
        ((0, 0, 4, 4), (0, 0, 4, 4)),
        ((6, 6, 9, 9), (3, 3, 3, 3)),
        ((6, 6, 6, 6), (3, 3, 9, 9)),
        ((0, 8, 4, 12), (1, 8, 5, 12)),
        ((10, 10, 12, 12), (10, 10, 18, 18)),
        ((10, 10, 18, 18), (10, 10, 12, 12)),
        ((0, 0, 4, 4), (12, 0, 16, 4)),
        ((6, 0, 10, 4), (0, 0, 4, 4)),
    )
    cycle = torch.tensor([1.0, 0.0, 1.0, 0.25, 0.0, 1.0, 0.5, 1.0])
    assert judge(pairs, cycle=cycle, settings=Marginalize()) == [
        "",
        "empty fixed ROI",
        "empty moving ROI",
        "cycle: 25% of the views return into the moving ROI, below 50%",
        "cycle: 0% of the views return into the moving ROI, below 50%",
        "area ratio 16.0 above 4 (moving ROI larger)",
        "duplicate of prompt 1 (IoU 1.00)",
        "same fixed ROI as prompt 1 (IoU 1.00)",
    ]


@pytest.mark.parametrize("cycle", [None, torch.tensor([0.0, 0.0])])
def test_filters_that_are_switched_off_reject_nothing_but_empty_rois(cycle):
    pairs = _pairs(((0, 0, 4, 4), (0, 0, 18, 18)), ((0, 0, 4, 4), (0, 0, 0, 0)))
    settings = Marginalize(cycle=False, area_ratio=None, duplicate_iou=None)
    assert judge(pairs, cycle=cycle, settings=settings) == ["", "empty fixed ROI"]


def test_a_share_of_views_that_is_not_a_number_fails_the_cycle():
    pairs = _pairs(((0, 0, 4, 4), (0, 0, 4, 4)))
    assert judge(pairs, cycle=torch.tensor([torch.nan]), settings=Marginalize())[0].startswith("cycle")


def test_both_rois_empty_are_said_to_be():
    pairs = _pairs(((0, 0, 0, 0), (0, 0, 0, 0)))
    assert judge(pairs, cycle=None, settings=Marginalize()) == ["empty ROIs"]
