import math
from types import SimpleNamespace

import pytest
import torch
from toy_regions import ball, blobs

from promptreg import config
from promptreg.auxiliary import add_auxiliary, soft_dice
from promptreg.geometry import cell_indices, default_affine, index_to_world, world_to_index
from promptreg.inverse import InversePrompts
from promptreg.reach import covers
from promptreg.types import Candidates, Embedding, Grid

AUXILIARY = config.Auxiliary(align="none", sigma=0.05, epsilon=0.02)


class Brush:
    """A model that paints: a positive point adds the ball round it, a negative one erases."""

    name = "brush"
    differentiable = False
    negative_points = True
    radius = 10.0
    n_masks = 1

    def decode(self, embedding: Embedding, points: torch.Tensor, labels: torch.Tensor) -> Candidates:
        cells = cell_indices(embedding.mask_grid.shape)
        shape = (len(points), -1, *[1] * (cells.ndim - 1), cells.shape[-1])
        inside = (points.reshape(shape) - cells).norm(dim=-1) <= self.radius
        kind = labels.reshape(shape[:-1])
        painted = (inside & (kind == 1)).any(1) & ~(inside & (kind == 0)).any(1)
        logits = torch.where(painted, 8.0, -8.0)[:, None].repeat_interleave(self.n_masks, dim=1)
        return Candidates(logits, torch.ones(len(points), self.n_masks))


class PositiveBrush(Brush):
    negative_points = False


def _embedding(*shape: int) -> Embedding:
    grid = Grid(shape, default_affine(len(shape)))
    features = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    return Embedding(features, grid, grid, grid)


def _primary(embedding: Embedding, index: torch.Tensor, regions: torch.Tensor, candidate: int = 0):
    """Primary prompts at index coordinates (B, ndim) with the regions (B, *grid) bool."""
    n = len(index)
    number = torch.zeros(n)
    return InversePrompts(
        points=index_to_world(embedding.image_grid, index)[:, None],
        labels=torch.ones(n, 1, dtype=torch.long),
        candidate=torch.full((n,), candidate),
        target=torch.nn.functional.normalize(torch.ones(n, 4), dim=1),
        residual=number,
        start_residual=number,
        similarity=number,
        probabilities=regions.float(),
        steps=torch.zeros(n, dtype=torch.long),
    )


def _run(wanted: torch.Tensor, present: torch.Tensor, *, model=None, candidate: int = 0, **changes):
    """Run from regions `present` towards `wanted`, both (B, *shape) bool."""
    embedding = _embedding(*wanted.shape[1:])
    index = torch.stack([mask.nonzero().float().mean(0).round() for mask in present])
    auxiliary = AUXILIARY.model_copy(update=changes)
    inverse = _primary(embedding, index, present, candidate)
    found = add_auxiliary(model or Brush(), embedding, inverse, wanted.float(), auxiliary)
    return inverse, found, found.auxiliary


SHAPE = (64, 64)
SMALL, LARGE = ball(SHAPE, (24, 24), 10), ball(SHAPE, (28, 28), 20)


def test_equal_regions_get_no_auxiliary_point():
    inverse, found, record = _run(LARGE[None], LARGE[None])
    assert torch.equal(found.points, inverse.points)
    assert record.stop == ("within sigma",)
    assert record.n_tried.item() == 0
    assert record.agreement.item() == pytest.approx(1)


def test_an_infinite_sigma_leaves_the_primary_prompts_alone():
    wanted, present = blobs(SHAPE, 6, seed=0), blobs(SHAPE, 6, seed=1)
    inverse, found, record = _run(wanted, present, sigma=math.inf)
    assert torch.equal(found.points, inverse.points)
    assert torch.equal(found.probabilities, inverse.probabilities)
    assert set(record.stop) == {"within sigma"}


@pytest.mark.parametrize("shape", [SHAPE, (24, 32, 32)])
def test_the_first_point_is_positive_where_missed_and_negative_where_spilled(shape):
    wanted, present = blobs(shape, 12, seed=0), blobs(shape, 12, seed=1)
    grid = Grid(shape, default_affine(len(shape)))
    labels = []
    for first, second in ((wanted, present), (present, wanted)):
        seen = _first_points(first, second)
        side = torch.where(
            (seen.labels == 1).reshape(-1, *[1] * len(shape)), first & ~second, second & ~first
        )
        assert covers(side, seen.points, grid).all()
        labels.append(seen.labels)
    assert ((labels[0] == 1) == (labels[1] == 0)).all()


def _first_points(wanted: torch.Tensor, present: torch.Tensor) -> SimpleNamespace:
    """World points and labels that were decoded first, whether or not they were kept."""
    seen = {}

    class Watching(Brush):
        def decode(self, embedding, points, labels):
            seen.setdefault("points", index_to_world(embedding.image_grid, points[:, -1]))
            seen.setdefault("labels", labels[:, -1])
            return super().decode(embedding, points, labels)

    _run(wanted, present, model=Watching(), sigma=0.0, max_points=1)
    return SimpleNamespace(**seen)


def test_a_missed_part_is_painted_until_the_regions_agree():
    inverse, found, record = _run(LARGE[None], SMALL[None])
    before = soft_dice(LARGE[None].float(), inverse.probabilities).item()
    assert record.n_positive.item() > 0
    assert record.agreement.item() > before
    assert (found.labels >= 0).all()
    assert found.points.shape[1] == 1 + record.n_positive.item() + record.n_negative.item()


def test_a_spill_is_erased_by_a_negative_point():
    bar = torch.zeros(SHAPE, dtype=torch.bool)
    bar[20:28, 10:58] = True
    short = bar & (torch.arange(64) < 36)

    class Bar(Brush):
        def decode(self, embedding, points, labels):
            cut = torch.where(labels == 0, points[..., 1], 1e3).amin(1)
            kept = bar & (torch.arange(64) < cut[:, None, None] - 10)
            return Candidates(torch.where(kept, 8.0, -8.0)[:, None], torch.ones(len(points), 1))

    _, found, record = _run(short[None], bar[None], model=Bar())
    assert record.n_negative.item() >= 1
    assert found.probabilities[0, 24, 50] < 0.5
    assert record.agreement.item() > 0.8


def test_the_best_round_is_kept_not_the_last():
    class Spoiling(Brush):
        def decode(self, embedding, points, labels):
            found = super().decode(embedding, points, labels)
            return Candidates(torch.full_like(found.logits, -8.0), found.scores)

    inverse, found, record = _run(LARGE[None], SMALL[None], model=Spoiling())
    assert record.n_tried.item() >= 1
    assert (record.n_positive + record.n_negative).item() == 0
    assert torch.equal(found.points, inverse.points)
    assert torch.equal(found.probabilities, inverse.probabilities)


def test_a_model_without_negative_points_is_flagged_and_left_alone():
    inverse, found, record = _run(SMALL[None], LARGE[None], model=PositiveBrush())
    assert record.stop == ("no negative points",)
    assert torch.equal(found.points, inverse.points)


def test_an_empty_moving_region_is_flagged():
    _, _, record = _run(torch.zeros_like(SMALL)[None], LARGE[None])
    assert record.stop == ("empty moving region",)


def test_an_empty_fixed_region_gets_the_deepest_point_of_the_moving_one():
    embedding = _embedding(*SHAPE)
    inverse = _primary(embedding, torch.tensor([[5.0, 5.0]]), torch.zeros(1, *SHAPE))
    reference = ball(SHAPE, (40, 40), 10)[None].float()
    found = add_auxiliary(Brush(), embedding, inverse, reference, AUXILIARY)
    assert world_to_index(embedding.image_grid, found.points[0, 1]).tolist() == [40, 40]
    assert found.auxiliary.n_positive.item() == 1


def test_no_more_than_the_allowed_points_are_tried_and_every_stop_has_a_reason():
    wanted, present = blobs(SHAPE, 10, seed=3), blobs(SHAPE, 10, seed=4)
    _, found, record = _run(wanted, present, sigma=0.0, max_points=2)
    assert record.n_tried.max() <= 2
    assert all(record.stop)
    assert found.points.shape[1] <= 3
    assert (found.labels[:, 0] == 1).all()


def test_prompts_of_a_batch_do_not_influence_each_other():
    wanted, present = blobs(SHAPE, 6, seed=3), blobs(SHAPE, 6, seed=4)
    _, together, record = _run(wanted, present, align="centroid")
    for row in range(6):
        one = slice(row, row + 1)
        _, alone, single = _run(wanted[one], present[one], align="centroid")
        n = alone.points.shape[1]
        torch.testing.assert_close(alone.points, together.points[one, :n])
        assert torch.equal(alone.labels, together.labels[one, :n])
        assert (together.labels[one, n:] == -1).all()
        assert single.stop[0] == record.stop[row]


def test_the_trigger_of_the_paper_is_blind_to_symmetric_errors_and_max_is_not():
    present = ball(SHAPE, (32, 24), 10)
    wanted = ball(SHAPE, (32, 40), 10)
    _, _, paper = _run(wanted[None], present[None], trigger="paper")
    _, _, largest = _run(wanted[None], present[None], trigger="max")
    assert paper.n_tried.item() == 0
    assert largest.n_tried.item() > 0


def test_a_candidate_that_no_longer_exists_is_replaced():
    _, found, record = _run(LARGE[None], SMALL[None], candidate=2)
    assert record.n_positive.item() > 0
    assert found.candidate.item() == 0


def test_soft_dice_is_one_for_equal_maps_and_zero_for_disjoint_ones():
    maps = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(soft_dice(maps, maps), torch.ones(2))
    left = torch.zeros(1, 8, 8)
    left[..., :4] = 0.5
    assert soft_dice(left, left.flip(-1)).item() == 0
