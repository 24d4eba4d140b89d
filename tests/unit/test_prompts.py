import math

import torch
from small_pocket import SMALL_SIZES as SMALL
from small_pocket import scene

from promptreg.nets.encoder import Encoded
from promptreg.nets.pocket_net import seeded
from promptreg.nets.prompts import N_FINE_MAPS, REACHES, click_maps, clicked, fine_maps, position_code


def constant(height=8, width=8):
    """Maps (1, ...) whose every cell looks the same."""
    one = torch.ones(1, 4, height, width)
    return Encoded(embedding=one / 2, tokens=one, skip4=one, skip2=one)


def test_the_position_code_of_no_offset_has_sines_of_zero_and_cosines_of_one():
    sines, cosines = position_code(torch.zeros(3)).chunk(2, dim=-1)
    assert torch.equal(sines, torch.zeros_like(sines))
    assert torch.equal(cosines, torch.ones_like(cosines))


def test_a_click_on_a_constant_image_is_like_every_cell_and_near_its_own():
    encoded = constant()
    points, labels = torch.tensor([[[[13.5, 9.5]]]]), torch.tensor([[[1]]])
    maps = click_maps(encoded, clicked(encoded, points), points, labels)[0, 0]
    torch.testing.assert_close(maps[:2], torch.ones(2, 8, 8))
    for near in maps[2 : 2 + len(REACHES)]:
        assert near[3, 2].item() == 1.0
        assert near.argmax().item() == 3 * 8 + 2


def test_without_negative_clicks_their_maps_are_empty():
    encoded = constant()
    points, labels = torch.rand(1, 1, 2, 2), torch.tensor([[[1, -1]]])
    negative = click_maps(encoded, clicked(encoded, points), points, labels)[0, 0, 2 + len(REACHES) :]
    assert (negative[:2] == -1).all()
    assert (negative[2:] == 0).all()


def test_likeness_in_the_finest_map_falls_with_the_distance_of_looks():
    skip2 = torch.zeros(1, 4, 8, 8)
    skip2[..., 4:] = 1.5
    points, labels = torch.tensor([[[[6.5, 2.5], [6.5, 12.5]]]]), torch.tensor([[[1, 0]]])
    soft, sharp, *negative = fine_maps(skip2, points, labels)[0, 0]
    assert len(negative) == N_FINE_MAPS - 2
    torch.testing.assert_close(
        soft[0], torch.tensor([1.0, 0.0]).repeat_interleave(4).clamp_min(math.exp(-2.25))
    )
    assert (sharp <= soft + 1e-6).all()
    torch.testing.assert_close(negative[0], soft.flip(1))


@torch.no_grad()
def test_tokens_do_not_tell_where_in_the_image_the_clicks_are():
    net, points = seeded(0, SMALL), torch.tensor([[[[20.0, 20.0], [30.0, 25.0]]]])
    flat = Encoded(*(torch.ones(1, n, 16, 16) for n in (32, 16, 32, 16)))
    labels = torch.tensor([[[1, 0]]])
    here, there = (net.prompts(flat, points + shift, labels) for shift in (0, 16))
    torch.testing.assert_close(here.tokens, there.tokens)
    torch.testing.assert_close(here.rows[..., :-2, :], there.rows[..., 2:, :], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_padded_point_is_marked_and_adds_nothing_to_the_maps():
    net = seeded(0, SMALL)
    encoded = net.encode(scene(64))
    points, labels = torch.tensor([[[[20.0, 20.0], [50.0, 25.0]]]]), torch.tensor([[[1, -1]]])
    padded, alone = (
        net.prompts(encoded, points, labels),
        net.prompts(encoded, points[:, :, :1], labels[..., :1]),
    )
    assert padded.real.tolist() == [[[True, False]]]
    torch.testing.assert_close(padded.maps, alone.maps)
