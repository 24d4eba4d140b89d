import torch

from promptreg.synth.draws import Draws
from promptreg.synth.view_field import BORDERED_SHARE, CROPPED_SHARE, Frame, draw_frames
from promptreg.synth.warps import image_places

SHAPE = (20, 40)
PLACES = image_places(SHAPE, torch.device("cpu"))


def frame(*, cropped, bordered, roundness=0.0):
    flags = (
        torch.tensor([cropped]),
        torch.tensor([0.25]),
        torch.tensor([roundness]),
        torch.tensor([bordered]),
    )
    return Frame(*flags, torch.zeros(1, 2))


def test_without_crop_the_first_image_shows_everything():
    assert frame(cropped=False, bordered=True).first(PLACES, SHAPE).all()


def test_a_box_of_half_the_sides_shows_a_quarter_and_an_ellipse_less():
    box = frame(cropped=True, bordered=False).first(PLACES, SHAPE).float().mean()
    ellipse = frame(cropped=True, bordered=False, roundness=1.0).first(PLACES, SHAPE).float().mean()
    assert abs(box - 0.25) < 0.02
    assert abs(ellipse - torch.pi / 16) < 0.02


def test_a_bordered_second_image_shows_only_what_the_first_one_shows():
    moved = PLACES + torch.tensor([0.0, 0.5])[:, None]
    seen = frame(cropped=False, bordered=True).second(moved, SHAPE).view(SHAPE)
    assert seen[:, :20].all()
    assert not seen[:, 20:].any()
    assert frame(cropped=False, bordered=False).second(moved, SHAPE).all()


def test_shares_and_fills_are_as_stated():
    drawn = draw_frames(Draws(0, torch.device("cpu")), 4000)
    assert abs(drawn.cropped.float().mean() - CROPPED_SHARE) < 0.03
    assert abs(drawn.bordered.float().mean() - BORDERED_SHARE) < 0.03
    assert 0 <= drawn.fills.min() <= drawn.fills.max() <= 1
