import pytest
import torch
from small_pocket import small_pocket

from promptreg.geometry import default_affine
from promptreg.models.pocket import PlanarPocket
from promptreg.models.slicewise import Slicewise
from promptreg.training import score_examples
from promptreg.training.score_examples import Clicker, Scene, correction, scenes, together
from promptreg.types import Grid, Image


def disc(shape=(48, 48)):
    """A bright disc in a dark image."""
    grid = Grid(shape, default_affine(len(shape)))
    axes = torch.meshgrid(*(torch.arange(n) - n / 2 for n in shape), indexing="ij")
    inside = torch.stack(axes).norm(dim=0) < 10
    noise = 0.02 * torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    return Scene(Image(0.2 + 0.6 * inside[None] + noise, grid), inside[None], 0)


def clicker(seed=0):
    return Clicker(disc(), Slicewise(PlanarPocket(small_pocket(), side=64)), seed)


@pytest.mark.parametrize("ndim", [2, 3])
def test_scenes_are_the_same_for_the_same_seed_and_their_regions_lie_on_the_image(ndim, monkeypatch):
    monkeypatch.setitem(score_examples.SHAPES, 3, ((24, 24, 24),))
    first, again = (list(scenes(ndim, 1, 5)) for _ in range(2))
    assert len(first) in (1, 2)
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one.image.data, other.image.data)
        assert one.regions.shape[1:] == one.image.grid.shape
    assert not torch.equal(first[0].image.data, next(iter(scenes(ndim, 1, 6))).image.data)


def test_three_rounds_of_one_to_five_clicks_rate_nine_candidates():
    found = clicker().examples()
    assert found.iou.shape == (3, 9)
    assert found.clicks[:2].tolist() == [1, 2]
    assert 1 <= int(found.clicks[2]) <= 5
    assert found.cues.isfinite().all()
    assert float(found.iou[0, :6].max()) > 0.8


def test_the_same_seed_clicks_the_same():
    first, again = clicker(3).examples(), clicker(3).examples()
    assert torch.equal(first.cues, again.cues)
    assert torch.equal(together([first, again]).rows(torch.arange(6) < 3).iou, first.iou)


def test_a_correction_hits_the_middle_of_the_largest_error():
    truth = torch.zeros(21, 21, dtype=torch.bool)
    truth[3:16, 3:16] = True
    mask = truth.clone()
    mask[4:11, 4:11] = False
    grid = disc((21, 21)).image.grid
    cell, label = correction(mask, truth, grid)
    assert (cell.tolist(), label) == ([7, 7], 1)
    cell, label = correction(truth, mask, grid)
    assert (cell.tolist(), label) == ([7, 7], 0)
    assert correction(truth, truth, grid)[1] == -1
