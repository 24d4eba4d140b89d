from __future__ import annotations

import numpy as np
import pytest
import torch
from small_pocket import SMALL_SIZES, small_pocket

from promptreg.geometry import default_affine
from promptreg.models.blend import LEARNED_SHARE, Blend
from promptreg.models.pocket import PlanarPocket
from promptreg.models.slicewise import Slicewise
from promptreg.models.weightfree import WeightFree
from promptreg.types import Grid, Image

N_LEARNED = SMALL_SIZES.embedding


def blend() -> Blend:
    return Blend(Slicewise(PlanarPocket(small_pocket(), side=64)), WeightFree())


def scene(ndim: int) -> Image:
    grid = Grid((12, 40, 48)[3 - ndim :], default_affine(ndim, [3.0, 1.0, 1.5][3 - ndim :]), "mm")
    data = torch.rand(1, *grid.shape, generator=torch.Generator().manual_seed(1)) * 40
    centre = torch.tensor([(n - 1) / 2 for n in grid.shape])
    index = torch.stack(torch.meshgrid(*(torch.arange(n) for n in grid.shape), indexing="ij"), -1)
    data[0] += 150 * ((((index - centre) / centre).norm(dim=-1)) < 0.6)
    return Image(data, grid, "ball")


@pytest.mark.parametrize("ndim", [2, 3])
def test_features_stand_side_by_side_and_share_the_squared_length(ndim: int) -> None:
    model, image = blend(), scene(ndim)
    both, handmade = model.embed(image), WeightFree().embed(image)
    assert both.feature_grid.shape == handmade.feature_grid.shape
    n_handmade = len(handmade.features)
    assert len(both.features) == n_handmade + N_LEARNED
    body = both.extras["body"]
    lengths = both.features[:, body].square()
    np.testing.assert_allclose(float(lengths[n_handmade:].sum(0).mean()), LEARNED_SHARE, rtol=1e-3)
    np.testing.assert_allclose(float(lengths[:n_handmade].sum(0).mean()), 1 - LEARNED_SHARE, rtol=1e-3)
    torch.testing.assert_close(both.features[:, body].mean(1), torch.zeros(len(lengths)), atol=1e-4, rtol=0)


def test_learned_features_lie_where_they_were_computed() -> None:
    """Along an axis with more slices than the hand-made grid has cells, and one with fewer."""
    model, image = blend(), scene(3)
    both, learned = model.embed(image), model.learned.embed(image)
    cells = both.features[-N_LEARNED:].flatten(1)
    direct = torch.nn.functional.interpolate(
        learned.features[None], both.feature_grid.shape, mode="trilinear", align_corners=False
    )[0].flatten(1)
    direct = direct - direct.mean(1, keepdim=True)
    assert float(torch.nn.functional.cosine_similarity(cells, direct, dim=0).median()) > 0.7


@pytest.mark.parametrize("ndim", [2, 3])
def test_masks_are_those_of_the_weight_free_model(ndim: int) -> None:
    model, image = blend(), scene(ndim)
    points = torch.tensor([[[(n - 1) / 2 for n in image.grid.shape]]])
    labels = torch.ones(1, 1, dtype=torch.long)
    ours = model.decode(model.embed(image), points, labels)
    theirs = WeightFree().decode(WeightFree().embed(image), points, labels)
    torch.testing.assert_close(ours.logits, theirs.logits)
    torch.testing.assert_close(ours.scores, theirs.scores)
