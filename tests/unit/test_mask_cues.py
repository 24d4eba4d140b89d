import pytest
import torch

from promptreg.geometry import default_affine, world_coordinates
from promptreg.models.colour_masks import smoothness_weights
from promptreg.models.hand_cues import Looks, hand_score, hand_scores
from promptreg.models.mask_cues import Clicks, mask_cues
from promptreg.types import Grid


def grid_of(*shape, spacing=1.0):
    return Grid(shape, default_affine(len(shape), [spacing] * len(shape)))


def scene(ndim, n, spacing=1.0):
    """A ball of a fifth of the image in radius, clicked in its middle; parts of it and a larger box."""
    grid = grid_of(*[n] * ndim, spacing=spacing)
    places = (world_coordinates(grid) / spacing + 0.5) / n - 0.5
    radius = places.norm(dim=-1)
    ball, part, box = radius < 0.2, radius < 0.1, (places.abs() < 0.35).all(-1)
    masks = torch.stack([ball, part, ball & (places[..., 0] < 0.01), box, ball, part])[None]
    levels = 2 * ball.float()[None]
    looks = Looks(levels, ball.long(), smoothness_weights(levels))
    positive = torch.zeros(1, *grid.shape, dtype=torch.bool)
    positive[(0, *[n // 2] * ndim)] = True
    near = (radius * n * spacing)[None]
    clicks = Clicks(positive, torch.zeros_like(positive), near, torch.full_like(near, torch.inf))
    return masks, looks, clicks, grid


def cues_of(ndim, n, spacing=1.0):
    masks, looks, clicks, grid = scene(ndim, n, spacing)
    return mask_cues(masks, 4.0 * masks - 2, looks, clicks, grid)


@pytest.mark.parametrize("ndim", [2, 3])
def test_cues_do_not_depend_on_the_unit_of_length(ndim):
    torch.testing.assert_close(cues_of(ndim, 24, 0.3), cues_of(ndim, 24, 7.0), atol=1e-3, rtol=1e-3)


def test_cues_hardly_depend_on_the_number_of_cells():
    coarse, fine = cues_of(2, 64), cues_of(2, 128)
    steady = [*range(2, 4), *range(7, 10)]
    torch.testing.assert_close(coarse[..., steady], fine[..., steady], atol=0.1, rtol=0.1)


@pytest.mark.parametrize("ndim", [2, 3])
def test_cues_follow_a_turn_of_the_array(ndim):
    masks, looks, clicks, grid = scene(ndim, 25)
    levels = looks.levels.transpose(-1, -2).contiguous()
    turned = Looks(levels, looks.words.transpose(-1, -2), smoothness_weights(levels))
    moved = (clicks.positive, clicks.negative, clicks.near, clicks.near_negative)
    flipped = Clicks(*(one.transpose(-1, -2).contiguous() for one in moved))
    other = masks.transpose(-1, -2).contiguous()
    torch.testing.assert_close(
        mask_cues(other, 4.0 * other - 2, turned, flipped, grid),
        mask_cues(masks, 4.0 * masks - 2, looks, clicks, grid),
        atol=1e-4,
        rtol=1e-4,
    )


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_hand_score_is_the_same_with_and_without_the_other_cues(ndim):
    masks, looks, clicks, grid = scene(ndim, 20)
    cues = mask_cues(masks, 4.0 * masks - 2, looks, clicks, grid)
    scores = hand_scores(masks, masks, looks, grid)
    torch.testing.assert_close(hand_score(cues), scores)
    torch.testing.assert_close(cues[..., 7], scores)


def test_a_negative_click_in_a_mask_and_beside_it_differ():
    masks, looks, clicks, grid = scene(2, 40)
    places = world_coordinates(grid)
    found = []
    for where in ((20.0, 24.0), (20.0, 38.0)):
        near = (places - torch.tensor(where)).norm(dim=-1)[None]
        said = Clicks(clicks.positive, near < 0.5, clicks.near, near)
        found.append(mask_cues(masks, 4.0 * masks - 2, looks, said, grid)[0, 0])
    inside, beside = found
    changed = (inside - beside).abs() > 0.9
    assert changed.sum() == 2


def test_no_prompts_have_no_cues():
    masks, looks, clicks, grid = scene(2, 20)
    none = Clicks(*(one[:0] for one in (clicks.positive, clicks.negative, clicks.near, clicks.near_negative)))
    assert mask_cues(masks[:0], masks[:0].float(), looks, none, grid).shape[:2] == (0, 6)
