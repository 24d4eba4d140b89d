import math

import pytest
import torch

from promptreg.models.click_boxes import REACH, box_of_clicks

SHAPE = (64, 80)


def two_colours(inside):
    """Features (3, Y, X) of one direction inside a mask and one at right angles outside."""
    return torch.where(
        inside, torch.tensor([1.0, 0, 0])[:, None, None], torch.tensor([0, 1.0, 0])[:, None, None]
    )


def cells():
    return torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in SHAPE), indexing="ij")


def at(*points):
    return torch.tensor([points], dtype=torch.float32)


def test_a_rectangle_gets_its_own_box_with_a_margin_of_fifteen_percent():
    y, x = cells()
    features = two_colours((y >= 20) & (y <= 24) & (x >= 50) & (x <= 58))
    low, high = box_of_clicks(features, at((22.0, 54.0)))[0]
    torch.testing.assert_close((low + high) / 2, torch.tensor([22.0, 54.0]), atol=0.05, rtol=0)
    margin = math.sqrt(4 / 3)
    torch.testing.assert_close((high - low) / 2, margin * torch.tensor([2.5, 4.5]), atol=0, rtol=0.06)


def test_an_ellipse_gets_the_box_that_touches_it():
    y, x = cells()
    features = two_colours(((y - 30) / 4) ** 2 + ((x - 40) / 7) ** 2 <= 1)
    low, high = box_of_clicks(features, at((30.0, 40.0)))[0]
    torch.testing.assert_close((high - low) / 2, torch.tensor([4.0, 7.0]), atol=0.2, rtol=0.08)


def test_the_box_stays_about_the_region_wherever_in_it_the_click_is():
    y, x = cells()
    features = two_colours((y >= 20) & (y <= 26) & (x >= 50) & (x <= 58))
    boxes = box_of_clicks(features.expand(3, -1, -1), torch.tensor([[[21.0, 51.0]], [[25.0, 57.0]]]))
    torch.testing.assert_close(boxes[0], boxes[1], atol=1.0, rtol=0)


def test_noise_far_below_the_contrast_changes_the_box_by_less_than_a_cell():
    y, x = cells()
    features = two_colours((y - 30) ** 2 + (x - 40) ** 2 <= 25)
    noise = 0.1 * torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
    clean, noisy = (box_of_clicks(one, at((30.0, 40.0))) for one in (features, features + noise))
    torch.testing.assert_close(clean, noisy, atol=1.0, rtol=0)


def test_where_all_is_alike_the_box_is_the_window():
    low, high = box_of_clicks(torch.ones(4, *SHAPE), at((32.0, 40.0)))[0]
    expected = 2 * REACH * torch.tensor(SHAPE, dtype=torch.float32)
    torch.testing.assert_close((high - low) / 2, expected, atol=0, rtol=0.01)


@pytest.mark.parametrize("where", [(-0.5, -0.5), (0.0, 79.0), (63.5, 79.5), (12.3, 40.7)])
def test_the_box_has_the_click_inside_and_is_wider_than_half_a_cell_either_way(where):
    features = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(0))
    low, high = box_of_clicks(features, at(where))[0]
    assert (low <= torch.tensor(where)).all()
    assert (high >= torch.tensor(where)).all()
    assert (high - low > 1).all()


def test_several_clicks_get_the_smallest_box_about_their_boxes():
    y, x = cells()
    discs = ((y - 30) ** 2 + (x - 20) ** 2 <= 9) | ((y - 34) ** 2 + (x - 60) ** 2 <= 16)
    features = two_colours(discs)
    first, second = at((30.0, 20.0)), at((34.0, 60.0))
    together = box_of_clicks(features, torch.cat([first, second], dim=1))[0]
    one, two = box_of_clicks(features, first)[0], box_of_clicks(features, second)[0]
    torch.testing.assert_close(
        together, torch.stack([torch.minimum(one, two)[0], torch.maximum(one, two)[1]])
    )


def test_boxes_move_with_the_image():
    features = torch.randn(5, 64, 64, generator=torch.Generator().manual_seed(0))
    inner = torch.zeros_like(features)
    inner[:, 20:44, 20:44] = features[:, 20:44, 20:44]
    here = box_of_clicks(inner, at((30.25, 31.5)))
    there = box_of_clicks(inner.roll((3, -2), (1, 2)), at((33.25, 29.5)))
    torch.testing.assert_close(here + torch.tensor([3.0, -2.0]), there, atol=0.02, rtol=0)


def test_derivatives_agree_forward_backward_and_with_differences():
    features = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = torch.tensor([[[20.3, 30.6], [22.4, 33.3]]], dtype=torch.float64)
    tangent = torch.tensor([[[1.0, -0.5], [0.3, 0.8]]], dtype=torch.float64)
    forward = torch.func.jvp(lambda p: box_of_clicks(features, p), (points,), (tangent,))[1]
    ahead, behind = (box_of_clicks(features, points + s * tangent) for s in (1e-5, -1e-5))
    torch.testing.assert_close(forward, (ahead - behind) / 2e-5, atol=1e-6, rtol=1e-6)
    leaf = points.clone().requires_grad_()
    box_of_clicks(features, leaf).sum().backward()
    torch.testing.assert_close((leaf.grad * tangent).sum(), forward.sum())
