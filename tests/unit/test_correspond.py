import numpy as np
import pytest
import torch

from promptreg.config import Marginalize
from promptreg.correspond import correspond, lonely
from promptreg.geometry import default_affine
from promptreg.search import Rois
from promptreg.types import Grid, PointPrompts, RoiPairs

SIZE = 100
GRID = Grid((SIZE, SIZE), default_affine(2))
CENTERS = [(20, 20), (20, 75), (50, 45), (80, 20), (78, 80)]
SHIFT = (6, -4)
OPEN = Marginalize(cycle=False, area_ratio=None, consensus=None, duplicate_iou=None)


def disc(center, radius=8.0):
    axes = torch.meshgrid(*[torch.arange(SIZE, dtype=torch.float32)] * 2, indexing="ij")
    squared = sum((axis - at) ** 2 for axis, at in zip(axes, center, strict=True))
    return torch.sigmoid(radius - squared.sqrt())


def moved(center, shift=SHIFT):
    return tuple(at + by for at, by in zip(center, shift, strict=True))


def found(n_views=1, *, fixed=None, seed=0):
    """Rois of five discs that move together, the same in every view but for noise in all but the first."""
    generator = torch.Generator().manual_seed(seed)
    moving = torch.stack([disc(one) for one in CENTERS])
    fixed = torch.stack([disc(moved(one)) for one in CENTERS]) if fixed is None else fixed
    scale = torch.ones(n_views)
    scale[1:] = 1 - 0.3 * torch.rand(n_views - 1, generator=generator)
    spread = scale.view(1, -1, 1, 1)
    shape = (len(moving), n_views)
    return Rois(
        prompts=PointPrompts(torch.tensor(CENTERS).flip(-1)[:, None].double(), torch.ones(5, 1)),
        moving=moving[:, None] * spread,
        visible=torch.ones(*shape, SIZE, SIZE, dtype=torch.bool),
        fixed=fixed[:, None] * spread,
        points=torch.rand(*shape, 2, 2, generator=generator),
        labels=torch.ones(*shape, 2),
        residual=torch.zeros(shape),
        agreement=torch.ones(shape),
        cycle=torch.ones(shape, dtype=torch.bool),
        moving_grid=GRID,
        fixed_grid=GRID,
        prior=None,
    )


def judged(rois, **settings):
    return correspond(rois, Marginalize(**settings), prealignment=np.eye(3))


def test_one_view_is_passed_on_bit_by_bit():
    rois = found()
    result = correspond(rois, OPEN, prealignment=np.eye(3))
    assert torch.equal(result.rois.moving, rois.moving[:, 0])
    assert torch.equal(result.rois.fixed, rois.fixed[:, 0])
    assert torch.equal(result.points, rois.points[:, 0])
    assert not result.moving_variance.any()
    assert not result.fixed_variance.any()


def test_several_views_are_averaged_and_their_spread_is_kept():
    rois = found(4)
    result = correspond(rois, OPEN, prealignment=np.eye(3))
    torch.testing.assert_close(result.rois.moving, rois.moving.mean(1))
    torch.testing.assert_close(result.rois.fixed, rois.fixed.mean(1))
    torch.testing.assert_close(result.fixed_variance, rois.fixed.var(1, unbiased=False))


def test_only_the_first_views_count_where_fewer_are_asked_for():
    rois = found(4)
    result = correspond(rois, OPEN.model_copy(update={"views": 1}), prealignment=np.eye(3))
    assert torch.equal(result.rois.moving, rois.moving[:, 0])


def test_a_view_that_missed_the_prompt_counts_on_neither_side():
    rois = found(2)
    rois.visible[0, 1] = False
    result = correspond(rois, OPEN, prealignment=np.eye(3))
    assert torch.equal(result.rois.moving[0], rois.moving[0, 0])
    assert torch.equal(result.rois.fixed[0], rois.fixed[0, 0])
    torch.testing.assert_close(result.rois.fixed[1], rois.fixed[1].mean(0))


def test_pairs_that_agree_are_all_accepted():
    result = judged(found())
    assert result.reasons == ("",) * 5
    assert result.rois.weights.tolist() == [1.0] * 5


@pytest.mark.parametrize("outlier", [0, 3])
def test_a_pair_that_moves_unlike_the_others_is_rejected_with_its_distance(outlier):
    fixed = torch.stack([disc(moved(one)) for one in CENTERS])
    fixed[outlier] = disc(moved(CENTERS[outlier], (8, 30)))
    result = judged(found(fixed=fixed))
    assert result.reasons[outlier].startswith("moves unlike the others: 34 mm")
    assert result.rois.weights.tolist() == [float(number != outlier) for number in range(5)]
    assert judged(found(fixed=fixed), consensus=None).reasons == ("",) * 5


def test_a_pair_that_most_views_cannot_send_back_is_rejected():
    rois = found(3)
    rois.cycle[2] = torch.tensor([True, False, False])
    result = judged(rois)
    assert result.reasons[2].startswith("cycle: 33%")
    assert result.rois.weights[2] == 0


def test_views_that_missed_the_prompt_have_no_say_in_the_cycle():
    rois = found(3)
    rois.visible[2, 1:] = False
    rois.cycle[2] = torch.tensor([True, False, False])
    assert judged(rois).reasons[2] == ""


def test_the_prealignment_is_one_of_the_motions_on_which_few_pairs_may_agree():
    moving = torch.stack([disc(one) for one in CENTERS[:2]])
    fixed = torch.stack([disc(moved(one, (0, 15))) for one in CENTERS[:2]])
    pairs = RoiPairs(moving, fixed, GRID, GRID, torch.ones(2))
    shift = np.eye(3)
    shift[0, 2] = 15.0
    assert lonely(pairs, ["", ""], [np.eye(3), shift], 5.0) == ["", ""]
    reasons = lonely(pairs, ["", ""], [np.eye(3)], 5.0)
    assert all(reason.startswith("moves unlike the others: 15 mm") for reason in reasons)


def test_a_rejected_pair_keeps_its_reason_and_has_no_vote():
    fixed = torch.stack([disc(moved(one)) for one in CENTERS])
    pairs = RoiPairs(torch.stack([disc(one) for one in CENTERS]), fixed, GRID, GRID, torch.ones(5))
    reasons = ["empty ROIs", "", "", "", ""]
    assert lonely(pairs, reasons, [np.eye(3)], 5.0) == reasons
    assert lonely(pairs, ["no"] * 5, [np.eye(3)], 5.0) == ["no"] * 5
