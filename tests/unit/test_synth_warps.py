import math

import pytest
import torch

from promptreg.synth.draws import Draws
from promptreg.synth.warps import (
    SHIFT,
    WIDE_SCALE,
    draw_view,
    draw_warp,
    identity,
    image_places,
    to_index,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize("shape", [(5, 8), (3, 4, 6)])
def test_the_flow_of_the_identity_is_the_index_grid(shape):
    places = image_places(shape, CPU)
    warp = identity(1, len(shape), CPU)
    grid = torch.stack(torch.meshgrid(*[torch.arange(n) * 1.0 for n in shape], indexing="ij"), -1)
    assert torch.allclose(to_index(warp.inverse(places), shape)[0], grid, atol=1e-5)
    assert torch.allclose(to_index(warp(places), shape)[0], grid, atol=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("draw", [draw_warp, draw_view])
def test_the_inverse_undoes_the_warp(ndim, draw):
    places = image_places((12,) * ndim, CPU)
    warp = draw(Draws(0, CPU), 50, ndim)
    there_and_back = warp(warp.inverse(places.expand(50, -1, -1)))
    assert (there_and_back - places).abs().max() < 1e-3


def test_no_warp_folds():
    shape = (40, 40)
    warp = draw_warp(Draws(1, CPU), 100, 2)
    moved = warp(image_places(shape, CPU)).unflatten(2, shape)
    down, right = moved.diff(dim=2)[..., :-1], moved.diff(dim=3)[:, :, :-1]
    area = down[:, 0] * right[:, 1] - down[:, 1] * right[:, 0]
    assert (area > 0).all()


def test_angles_scales_and_shifts_have_the_stated_ranges_and_shares():
    warp = draw_warp(Draws(2, CPU), 4000, 2)
    scale = torch.linalg.det(warp.matrix) ** -0.5
    angle = torch.atan2(warp.matrix[:, 1, 0], warp.matrix[:, 0, 0]).abs() * 180 / math.pi
    assert 1 / WIDE_SCALE - 1e-4 <= scale.min() < 0.55
    assert 1.9 < scale.max() <= WIDE_SCALE + 1e-4
    assert 0.82 < ((scale > 1 / 1.4) & (scale < 1.4)).float().mean() < 0.92
    assert abs((angle > 30).float().mean() - 0.2 * 150 / 180) < 0.02
    assert angle.max() > 175
    assert warp.shift.abs().max() <= SHIFT


def test_elastic_waves_move_by_at_most_a_few_percent_of_the_side():
    places = image_places((30, 30), CPU)
    warp = draw_warp(Draws(3, CPU), 200, 2)
    straight = warp.matrix @ (places - warp.shift[:, :, None])
    most = (warp(places) - straight).norm(dim=1).amax(1)
    assert 0.02 < most.median() < 0.06
    assert most.max() < 0.12
