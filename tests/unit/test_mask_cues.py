import pytest
import torch

from promptreg.geometry import default_affine, world_coordinates
from promptreg.models.colour_masks import smoothness_weights
from promptreg.models.mask_cues import CLICK_RADII, N_MASKS, mask_cues
from promptreg.types import Grid

HAND, RADIUS, RATIOS = slice(0, 7), 7, slice(8, 14)
OVERLAPS, COVERED, OFFSET, SPREAD = slice(14, 20), slice(20, 24), 24, 25
MISSED, SPILLED, BORDER, PURITY = 26, 27, 28, 29
WHICH, POSITIVE, NEGATIVE, VOLUME = slice(30, 36), 36, 37, 38


def ball(grid, radius, shift=0.0):
    """A ball about the centre of a cubic grid of unit spacing, moved along x."""
    places = world_coordinates(grid) - torch.as_tensor(grid.center).float()
    places[..., 0] -= shift
    return places.norm(dim=-1) < radius


def scene(ndim, *, spacing=1.0, masks=None, raw=None, clicks=((0.0, 1),)):
    """Cues of six masks on a bright ball of 20 % of the side, clicked at places along x (side = 1, sign)."""
    n = 61 if ndim == 2 else 31
    grid = Grid((n,) * ndim, default_affine(ndim, [spacing] * ndim))
    side = n * spacing
    truth = ball(grid, 0.2 * side)
    sizes = [0.2, 0.15, 0.1, 0.2, 0.25, 0.05]
    masks = (
        torch.stack([ball(grid, size * side) for size in sizes])[None] if masks is None else masks(grid, side)
    )
    positive, negative = torch.zeros(2, 1, *grid.shape, dtype=torch.bool)
    for place, sign in clicks:
        cell = [n // 2] * (ndim - 1) + [n // 2 + round(place * n)]
        (positive if sign else negative)[(0, *cell)] = True
    chosen = positive[0].nonzero().float() * spacing
    near = torch.cdist(world_coordinates(grid).flatten(0, -2), chosen.flip(1)).amin(1).view(1, *grid.shape)
    raw = masks if raw is None else raw(grid, side)
    weights = smoothness_weights(truth.float()[None] * 2)
    return mask_cues(
        masks, raw, truth.long(), weights, positive=positive, negative=negative, near=near, grid=grid
    )


@pytest.mark.parametrize("ndim", [2, 3])
def test_cues_are_those_of_the_truth_where_it_is_known(ndim):
    cues = scene(ndim)[0]
    assert cues.isfinite().all()
    assert cues[0, RADIUS].exp() == pytest.approx(0.2, rel=0.03)
    assert cues[0, RATIOS][2].exp() == pytest.approx(2, rel=0.12)
    assert cues[0, OVERLAPS].tolist()[3] == 1
    assert cues[0, OVERLAPS][1] == pytest.approx(0.75**ndim, rel=0.15)
    assert torch.equal(cues[:, WHICH], torch.eye(N_MASKS))
    assert (cues[:, POSITIVE] == 0.2).all()
    assert (cues[:, NEGATIVE] == 0).all()
    assert (cues[:, VOLUME] == float(ndim == 3)).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_click_in_the_middle_is_covered_as_far_as_the_mask_reaches(ndim):
    cues = scene(ndim)[0]
    assert (cues[0, COVERED] == 1).all()
    reached = cues[5, COVERED]
    assert reached[0] == 1
    assert reached[-1] == pytest.approx((0.05 / CLICK_RADII[-1]) ** ndim, rel=0.6)
    assert cues[:, OFFSET].max() < 0.2
    assert cues[0, SPREAD] == pytest.approx((ndim / (ndim + 2)) ** 0.5, rel=0.05)


def test_a_click_off_the_middle_lies_that_many_radii_away():
    cues = scene(2, clicks=((0.1, 1),))[0]
    assert cues[0, OFFSET] == pytest.approx(0.5, abs=0.08)


def test_clicks_that_a_mask_disobeyed_at_first_are_counted():
    cues = scene(2, clicks=((0.0, 1), (0.22, 1), (0.12, 0)))[0]
    assert cues[0, MISSED] == 0.5
    assert cues[4, MISSED] == 0
    assert cues[0, SPILLED] == 1
    assert cues[2, SPILLED] == 0
    assert cues[0, POSITIVE] == pytest.approx(0.4)
    assert cues[0, NEGATIVE] == pytest.approx(0.2)


def test_a_mask_that_ends_at_the_border_shows_it_and_one_look_alone_is_pure():
    def halves(grid, side):
        low = world_coordinates(grid)[..., 0] < side / 2
        return torch.stack([low, *[ball(grid, 0.1 * side)] * 5])[None]

    cues = scene(2, masks=halves)[0]
    assert cues[0, BORDER] == pytest.approx(2 / 3, abs=0.02)
    assert cues[1, BORDER] == 0
    assert cues[1, PURITY] == 1
    assert cues[0, PURITY] < 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_cues_do_not_depend_on_the_unit_of_length(ndim):
    assert torch.allclose(scene(ndim), scene(ndim, spacing=2.0), atol=1e-4)


@pytest.mark.parametrize("ndim", [2, 3])
def test_every_hand_cue_of_the_true_ball_is_at_least_that_of_a_sponge(ndim):
    def masks(grid, side):
        whole = ball(grid, 0.2 * side)
        sponge = whole & (world_coordinates(grid).sum(-1).long() % 2 == 0)
        return torch.stack([whole, sponge, *[whole] * 4])[None]

    hand = scene(ndim, masks=masks)[0][:, HAND]
    assert (hand[0] >= hand[1] - 1e-3).all()
    assert hand.min() >= 0
    assert hand.max() <= 1
