from dataclasses import replace

import pytest
import torch

from promptreg.synth.appearance import CLEAR, TWIN_JITTER, developed, draw_look, painted
from promptreg.synth.draws import Draws
from promptreg.synth.records import select_rows
from promptreg.synth.scenes import COLOUR_SHARES, KINDS

CPU = torch.device("cpu")


def look_of(kind, n=400, seed=0):
    scenes = KINDS[kind](Draws(seed, CPU), n, 2)
    return scenes, draw_look(Draws(seed + 1, CPU), scenes, kind)


@pytest.mark.parametrize("kind", list(KINDS))
def test_images_are_coloured_as_often_as_stated_and_only_those_are_stained(kind):
    _, look = look_of(kind)
    assert abs(look.coloured.float().mean() - COLOUR_SHARES[kind]) < 0.08
    assert (look.coloured | ~look.stained).all()
    assert not (look.coloured & look.inverted).any()


def test_contrasts_to_the_parent_are_faint_or_clear_and_never_absent():
    scenes, look = look_of("anatomy")
    grey = ~look.coloured & (scenes.parents[:, 4] > 0)
    tones = look.tones[grey, :, 0]
    steps = (tones - tones.gather(1, scenes.parents[grey]))[:, 4].abs()
    faint = (steps < CLEAR[0]).float().mean()
    assert 0.25 < faint < 0.65
    assert (steps < 0.01).float().mean() < 0.1


def test_top_labels_stand_out_from_the_background():
    scenes, look = look_of("smooth noise")
    tones = look.tones[~look.coloured, 1:4, 0] - look.tones[~look.coloured, :1, 0]
    assert (tones.abs() > CLEAR[0] - 4 * TWIN_JITTER).float().mean() > 0.97
    assert scenes.parents[:, 1:4].max() == 0


def test_alike_labels_have_nearly_the_same_tone_and_the_same_texture():
    scenes, look = look_of("tissue")
    last = scenes.alike.shape[1] - 1
    other = scenes.kinds == scenes.kinds[:, -1:]
    first = last + 1 - scenes.kinds.shape[1] + other.long().argmax(1)
    row = torch.arange(len(first))
    assert torch.equal(look.textures[row, first], look.textures[:, last])
    away = (look.tones[row, first, 0] - look.tones[:, last, 0])[~look.coloured]
    assert away.abs().max() < 8 * TWIN_JITTER


def test_a_plain_label_is_painted_in_its_tone_and_grey_has_one_channel():
    _, look = look_of("smooth noise", n=4)
    grey = replace(look, coloured=torch.zeros(4, dtype=torch.bool))
    labels = torch.arange(3).expand(4, -1)
    channels = painted(labels, grey, [torch.zeros(4, 3)] * 5)
    assert channels.shape == (4, 1, 3)
    assert torch.equal(channels[:, 0], look.tones[:, :3, 0])
    colour = replace(look, coloured=~grey.coloured)
    assert torch.equal(painted(labels, colour, [torch.zeros(4, 3)] * 5), look.tones[:, :3].mT)


def test_developing_stretches_the_window_bends_the_middle_and_inverts():
    _, look = look_of("smooth noise", n=1)
    never = torch.tensor([False])
    look = replace(
        look, stained=never, inverted=never, window=torch.tensor([[0.2, 0.7]]), gamma=torch.tensor([2.0])
    )
    tones = torch.tensor([[[0.0, 0.2, 0.45, 0.7, 1.0]]])
    image = developed(tones, replace(look, coloured=~never))
    assert torch.allclose(image, torch.tensor([[[0, 0, 0.25, 1, 1]]]), atol=1e-3)
    grey = replace(look, coloured=never, inverted=~never)
    assert torch.allclose(developed(tones / 2 + 0.3, grey), 1 - image, atol=1e-3)


def test_a_stain_without_density_is_a_white_slide():
    _, look = look_of("tissue", n=200)
    stained = look.stained.nonzero()[:, 0]
    look = select_rows(look, stained)
    image = developed(torch.zeros(len(stained), 3, 1), look)
    assert (image > 0.99).all()


def test_a_retoned_look_is_near_and_a_shifted_one_nearer():
    _, look = look_of("anatomy")
    shifted, retoned = look.shifted(Draws(5, CPU), 0.01), look.retoned(Draws(6, CPU))
    near, far = ((one.tones - look.tones).abs().mean() for one in (shifted, retoned))
    assert 0 < near < far < 0.06
    assert torch.equal(retoned.inverted, look.inverted)
