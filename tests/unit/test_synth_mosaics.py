from dataclasses import replace

import torch

from promptreg.synth.draws import Draws
from promptreg.synth.mosaics import Seeds, draw_fields, draw_seeds, draw_smooth_noise, draw_waves
from promptreg.synth.regions import region
from promptreg.synth.warps import image_places

CPU = torch.device("cpu")
PLACES = image_places((60, 60), CPU)


def test_the_highest_wave_is_the_argmax_of_all_heights():
    waves = draw_waves(Draws(0, CPU), 3, 5, 2, low=1, high=3)
    places = PLACES.expand(3, -1, -1)
    heights = torch.stack([waves.heights(places, channel) for channel in range(5)])
    assert torch.equal(waves.highest(places), heights.argmax(0))
    assert 0.6 < heights.std() < 1.4


def test_smooth_noise_has_all_its_top_labels_and_parts_inside_their_owner():
    scenes = draw_smooth_noise(Draws(1, CPU), 20, 2)
    labels = scenes.labels(PLACES.expand(20, -1, -1))
    n_channels = scenes.owner.shape[1]
    parts = labels > n_channels
    assert 0.05 < parts.float().mean() < 0.5
    owners = scenes.parents.gather(1, labels)[parts]
    assert torch.equal(owners, labels[parts] - n_channels)


def test_the_nearest_seed_and_both_distances_are_those_of_a_sort():
    seeds = draw_seeds(Draws(2, CPU), 2, 9, 2)
    seeds = replace(seeds, boxy=torch.zeros(2))
    which, first, second = seeds.nearest(PLACES.expand(2, -1, -1))
    distance, order = torch.cdist(PLACES.expand(2, -1, -1).mT, seeds.centers).sort(2)
    assert (which == order[..., 0]).float().mean() > 0.999
    assert torch.allclose(first, distance[..., 0], atol=1e-3)
    assert torch.allclose(second, distance[..., 1], atol=1e-3)


def test_offsets_are_relative_to_the_chosen_seed():
    seeds = Seeds(torch.tensor([[[0.1, 0.2], [-0.3, 0.0]]]), torch.zeros(1))
    offsets = seeds.offsets(torch.zeros(1, 2, 2), torch.tensor([[0, 1]]))
    assert torch.allclose(offsets[0].T, torch.tensor([[-0.1, -0.2], [0.3, 0.0]]))


def test_seeds_keep_apart():
    centers = draw_seeds(Draws(3, CPU), 30, 16, 2).centers
    away = torch.cdist(centers, centers) + 9 * torch.eye(16)
    assert away.amin((1, 2)).median() > 0.05


def test_streets_separate_fields_and_districts_hold_theirs():
    scenes = draw_fields(Draws(4, CPU), 40, 2)
    scenes = replace(scenes, half_street=torch.full((40,), 0.03), houses=scenes.houses * 0)
    labels = scenes.labels(PLACES.expand(40, -1, -1)).unflatten(1, (60, 60))
    left, right = labels[:, :, :-1], labels[:, :, 1:]
    touching = (left != right) & (left > 0) & (right > 0)
    assert touching.float().mean() < 1e-3
    fields = labels - scenes.n_districts - 1
    inside = region(labels, scenes.parents, torch.ones(40, dtype=torch.long))
    expected = (labels > 0) & (scenes.district.gather(1, fields.clamp_min(0).flatten(1)).view_as(labels) == 1)
    assert inside.any()
    assert torch.equal(inside, expected)


def test_houses_lie_in_their_field():
    scenes = draw_fields(Draws(5, CPU), 40, 2)
    labels = scenes.labels(PLACES.expand(40, -1, -1))
    n_fields = scenes.district.shape[1]
    houses = labels > scenes.n_districts + n_fields
    assert houses.any()
    which = scenes.seeds.nearest(PLACES.expand(40, -1, -1))[0]
    assert torch.equal(labels[houses] - scenes.n_districts - n_fields - 1, which[houses])
