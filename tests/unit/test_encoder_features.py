"""The encoder of a promptable model without its prompts."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from promptreg.baselines import encoder_features
from promptreg.baselines.encoder_features import ConvexAdamFeatures
from promptreg.config import Baselines
from promptreg.geometry import default_affine, resample
from promptreg.types import Embedding, Grid, Image, Pair


class Colours:
    """A model whose features are the channels of the image."""

    def embed(self, image):
        return Embedding(image.data, image.grid, image.grid, image.grid)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_shift_is_found_from_the_pre_alignment_on(ndim, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_features, "model_of", lambda name: Colours())
    shape = (60, 66) if ndim == 2 else (24, 30, 36)
    sigma = (0, 3, 3) if ndim == 2 else (0, 2, 2, 2)
    data = torch.from_numpy(gaussian_filter(np.random.default_rng(1).normal(size=(4, *shape)), sigma)).float()
    grid = Grid(shape, default_affine(ndim, (1.5, 1.2, 1.0)[-ndim:]))
    truth, start = np.eye(ndim + 1), np.eye(ndim + 1)
    truth[:-1, -1], start[:-1, -1] = [12.4, -3.0, 1.5][:ndim], [10.0, -1.0, 0.0][:ndim]
    fixed_grid = Grid(tuple(n - 6 for n in shape), np.linalg.inv(start) @ grid.affine)
    fixed = Image(resample(data, grid, fixed_grid, transform=truth), fixed_grid)
    ddf = ConvexAdamFeatures().register(Pair(Image(data, grid), fixed, start), Baselines(), tmp_path)
    middle = (slice(None), *(slice(n // 4, n - n // 4) for n in fixed_grid.shape))
    error = ddf.displacement[middle] - torch.from_numpy(truth[:-1, -1]).float().view(-1, *[1] * ndim)
    assert error.norm(dim=0).mean() < 0.5
