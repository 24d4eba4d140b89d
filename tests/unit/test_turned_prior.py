import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, unfold

from promptreg.geometry import apply_affine, default_affine
from promptreg.turned_prior import estimate_turned
from promptreg.types import Embedding, Grid, Image
from promptreg.views import View, view_image

GRID = Grid((96, 96), default_affine(2), "px")
POINTS = torch.tensor([[20.0, 30], [70, 40], [45, 75]], dtype=torch.float64)


def patches(image):
    """An embedding that knows how things lie: the patch of every cell."""
    smooth = avg_pool2d(image.data[None], 3, stride=3)
    cells = Grid((32, 32), image.grid.affine @ np.diag([3.0, 3, 1]), "px")
    features = unfold(smooth, 5, padding=2).unflatten(2, cells.shape)[0]
    return Embedding(features, cells, image.grid, image.grid, {})


def picture(seed):
    noise = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    blobs = torch.nn.functional.interpolate(noise, GRID.shape, mode="bicubic")[0]
    rows, columns = torch.meshgrid(*[torch.linspace(-1, 1, 96)] * 2, indexing="ij")
    return Image(blobs * (rows.square() + columns.square() < 0.8), GRID)


def turned(image, degrees):
    kind = {"kind": "rotation", "degrees": degrees} if degrees else {"kind": "identity"}
    return view_image(image, View.from_record(kind, image.grid))


@pytest.mark.parametrize("degrees", [90, 210])
def test_the_prior_of_a_turned_image_is_found_in_the_turn_that_undoes_it(degrees):
    fixed = picture(1)
    motion = View.from_record({"kind": "rotation", "degrees": degrees}, GRID).matrix
    moving = Image(turned(fixed, degrees).data, GRID)
    turns = [patches(turned(moving, angle)) for angle in range(0, 360, 30)]
    alone = estimate_turned(turns[:1], patches(fixed), prealignment=np.eye(3), seed=0)
    assert not alone.prior.reliable
    assert alone.moving is turns[0]
    found = estimate_turned(turns, patches(fixed), prealignment=np.eye(3), seed=0)
    assert found.moving is turns[(360 - degrees) // 30]
    assert found.prior.reliable
    error = apply_affine(found.prior.matrix, POINTS) - apply_affine(motion, POINTS)
    assert error.norm(dim=1).max() < 3


def test_an_image_that_lies_right_is_searched_as_it_is():
    turns = [patches(turned(picture(2), angle)) for angle in (0, 90, 180)]
    found = estimate_turned(turns, patches(picture(2)), prealignment=np.eye(3), seed=0)
    assert found.moving is turns[0]
    assert np.allclose(found.prior.matrix, np.eye(3), atol=0.02 * 96)
