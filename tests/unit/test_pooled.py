from __future__ import annotations

import pytest
import torch
from small_pocket import small_pocket

from promptreg.geometry import default_affine
from promptreg.models.blend import Blend
from promptreg.models.opinions import learned_masks
from promptreg.models.pocket import PlanarPocket
from promptreg.models.pooled import Pooled
from promptreg.models.slicewise import Slicewise
from promptreg.models.weightfree import WeightFree
from promptreg.types import Grid, Image


def learned() -> Slicewise:
    return Slicewise(PlanarPocket(small_pocket(), side=64))


def scene(ndim: int) -> Image:
    grid = Grid((12, 40, 48)[3 - ndim :], default_affine(ndim, [3.0, 1.0, 1.5][3 - ndim :]), "mm")
    data = torch.rand(1, *grid.shape, generator=torch.Generator().manual_seed(1)) * 40
    centre = torch.tensor([(n - 1) / 2 for n in grid.shape])
    index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in grid.shape), indexing="ij"), -1)
    data[0] += 150 * ((((index - centre) / centre).norm(dim=-1)) < 0.6)
    return Image(data, grid, "ball")


def middle(image: Image) -> tuple[torch.Tensor, torch.Tensor]:
    points = torch.tensor([[[(n - 1) / 2 for n in image.grid.shape]]])
    return points, torch.ones(1, 1, dtype=torch.long)


@pytest.mark.parametrize(("ndim", "n_masks"), [(2, 9), (3, 6)])
def test_the_first_masks_are_those_of_the_weight_free_model(ndim: int, n_masks: int) -> None:
    model, image = Pooled(learned()), scene(ndim)
    ours = model.decode(model.embed(image), *middle(image))
    theirs = WeightFree().decode(WeightFree().embed(image), *middle(image))
    torch.testing.assert_close(ours.logits[:, :6], theirs.logits)
    assert ours.scores.shape == (1, n_masks)
    assert 0 <= ours.scores.min() <= ours.scores.max() <= 1


def test_the_last_masks_in_2d_are_those_of_the_learned_model_held_to_the_clicks() -> None:
    model, image = Pooled(learned()), scene(2)
    embedding = model.embed(image)
    ours = model.decode(embedding, *middle(image)).logits[:, 6:]
    theirs = model.learned.decode(model.learned.embed(image), *middle(image))
    brought, _ = learned_masks(theirs, embedding.mask_grid, image.grid)
    middle_y, middle_x = (n // 2 for n in embedding.mask_grid.shape)
    around = ours[..., middle_y - 1 : middle_y + 1, middle_x - 1 : middle_x + 1]
    assert (around > 0).any(-1).any(-1).all()
    as_given = (ours - brought).abs() < 1e-5
    assert as_given[brought.abs() > 0.6].float().mean() > 0.3


@pytest.mark.parametrize("ndim", [2, 3])
def test_features_are_those_of_blend(ndim: int) -> None:
    model, image = Pooled(learned()), scene(ndim)
    expected = Blend(model.learned, WeightFree()).embed(image)
    assert torch.equal(model.embed(image).features, expected.features)


def test_more_prompts_than_are_judged_together_keep_their_order() -> None:
    model, image = Pooled(learned()), scene(2)
    embedding = model.embed(image)
    upper = torch.tensor(image.grid.shape) - 1
    points = torch.rand(11, 1, 2, generator=torch.Generator().manual_seed(0)) * upper
    labels = torch.ones(11, 1, dtype=torch.long)
    together = model.decode(embedding, points, labels)
    last = model.decode(embedding, points[10:], labels[10:])
    torch.testing.assert_close(together.scores[10:], last.scores, atol=1e-4, rtol=1e-4)
