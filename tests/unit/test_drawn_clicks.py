import pytest
import torch

from promptreg.models.drawn_clicks import DECAY, OUTSIDE, ball, cells_of, changed_at_faces, draw, segmented
from promptreg.models.zoom_cubes import Cube

SHAPE, SIDE = (20, 40, 33), 16


def disc(radius):
    """A look that finds a ball of so many cells about the middle of what it is shown."""
    axis = torch.arange(SIDE) - SIDE // 2
    far = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2).sqrt()
    return lambda seen: radius - far


def counted(look):
    """The same look, and a list of what it was shown."""
    shown = []
    return lambda seen: shown.append(seen) or look(seen), shown


def test_a_click_is_a_cone_over_a_ball_of_four_voxels():
    assert ball().shape == (9, 9, 9)
    assert ball()[4, 4, 4] == 1
    # Outside lies (0, 1, 4), counted from the middle: the root of 17 from there, of 10 from the next voxel.
    assert ball()[4, 4, 5] == pytest.approx((10 / 17) ** 0.5)
    assert ball()[0, 4, 4] > 0
    assert ball()[0, 0, 0] == 0
    torch.testing.assert_close(ball(), ball().permute(2, 1, 0).flip(0))


def test_a_ball_is_cut_at_the_volumes_edge_and_never_lowers_what_is_there():
    channel = torch.zeros(SHAPE)
    draw(channel, (1, 20, 15))
    draw(channel, (1, 20, 17))
    assert channel[1, 20, 15] == channel[1, 20, 17] == 1
    assert channel[6:].sum() == 0


def test_the_last_click_is_drawn_at_full_intensity_and_those_before_decay():
    look, shown = counted(disc(3.5))
    segmented(look, torch.zeros(SHAPE), [(9, 20, 15), (12, 22, 15)], [1, 0], SIDE)
    _, second = shown
    assert second[2].max() == pytest.approx(DECAY)
    assert second[3].max() == 1


def test_the_mask_of_before_is_shown_with_the_next_click():
    look, shown = counted(disc(3.5))
    segmented(look, torch.zeros(SHAPE), [(9, 20, 15), (9, 20, 15)], [1, 1], SIDE)
    assert not shown[0][1].any()
    torch.testing.assert_close(shown[1][1], (disc(3.5)(None) > 0).float())


def test_voxels_that_no_look_reached_are_outside():
    logits = segmented(disc(3.5), torch.zeros(SHAPE), [(9, 20, 15)], [1], SIDE)
    assert (logits > 0).sum() == (disc(3.5)(None) > 0).sum()
    assert logits[0, 0, 0] == OUTSIDE
    assert logits[9, 20, 15] == 3.5


def test_a_region_that_reaches_the_faces_is_looked_at_from_farther_away():
    look, shown = counted(disc(30))
    logits = segmented(look, torch.zeros(SHAPE), [(9, 20, 15)], [1], SIDE)
    assert len(shown) == 5
    assert (logits > 0).all()


def test_looking_from_farther_away_ends_where_the_region_fits():
    look, shown = counted(lambda seen: disc(30)(seen) if len(shown) < 3 else disc(3)(seen))
    logits = segmented(look, torch.zeros(SHAPE), [(9, 20, 15)], [1], SIDE)
    assert len(shown) == 3
    assert (logits > 0).sum() == pytest.approx((4 / 3) * torch.pi * (3 * 36 / SIDE) ** 3, rel=0.1)


def test_a_few_voxels_at_the_faces_do_not_count():
    small, large = torch.zeros(2, SIDE, SIDE, SIDE, dtype=torch.bool)
    small[0, :10, :10] = True
    large[:, :, -1] = True
    assert not changed_at_faces(small, torch.zeros_like(small))
    assert changed_at_faces(large, torch.zeros_like(large))
    assert not changed_at_faces(large, large)


def test_cells_seen_from_farther_away_are_those_of_the_published_session():
    """Sums and single cells are those of nnInteractive 2.6.0 on the same volume, at a zoom of 2.25."""
    coarse = torch.randn(1, 1, 5, 9, 8, generator=torch.Generator().manual_seed(3))
    image = 100 + 50 * torch.nn.functional.interpolate(coarse, SHAPE, mode="trilinear")[0, 0]
    image[:3] = 0
    image[:, :, -5:] = 0
    inner = image[3:, :, :-5]
    balls = torch.zeros(2, *SHAPE)
    draw(balls[0], (9, 20, 15))
    balls *= DECAY
    draw(balls[1], (12, 28, 10))
    seen = torch.cat([((image - inner.mean()) / inner.std())[None], torch.zeros(1, *SHAPE), balls])
    found = cells_of(Cube.about((12, 28, 10), 36), seen, SIDE)
    sums = torch.tensor([-700.534, 0.0, 24.557, 20.891])
    torch.testing.assert_close(found.sum((1, 2, 3)), sums, atol=0.05, rtol=2e-3)
    assert found[0, 4, 9, 11] == pytest.approx(0.7302, abs=1e-3)
    assert found[2, 7, 5, 10] == pytest.approx(0.7153, abs=3e-3)
    assert found[3, 8, 8, 8] == pytest.approx(0.8115, abs=3e-3)
