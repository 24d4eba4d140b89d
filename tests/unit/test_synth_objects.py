import math
from dataclasses import replace

import torch

from promptreg.synth.draws import Draws
from promptreg.synth.objects import Objects
from promptreg.synth.warps import image_places

SHAPE = (80, 80)
PLACES = image_places(SHAPE, torch.device("cpu"))


def two_discs(offset=(0.0, 0.5)):
    """A disc of radius 0.4, and one of half its size in its frame that it contains."""
    still = torch.zeros(1, 2, 3)
    return Objects(
        offsets=torch.tensor([[(0.0, 0.0), offset]]),
        matrices=torch.eye(2) * torch.tensor([0.4, 0.5]).view(1, 2, 1, 1),
        frames=torch.tensor([[-1, 0]]),
        containers=torch.tensor([[-1, 0]]),
        above=torch.tensor([[-1, 0]]),
        twins=torch.tensor([[0, 1]]),
        present=torch.tensor([[True, True]]),
        boxiness=torch.zeros(1, 2),
        bends=torch.zeros(1, 2),
        bump_sizes=still,
        bump_waves=torch.zeros(1, 2, 3, 2),
        bump_phases=still,
    )


def painted(objects):
    return objects.labels(PLACES).view(SHAPE)


def test_discs_have_their_areas_and_places():
    labels = painted(two_discs())
    assert abs((labels > 0).sum() / 6400 - math.pi * 0.16) < 0.005
    assert abs((labels == 2).sum() / 6400 - math.pi * 0.04) < 0.005
    middle = (labels == 2).nonzero().float().mean(0)
    assert torch.allclose(middle, torch.tensor([39.5, 39.5 + 0.2 * 80]), atol=0.2)


def test_an_object_never_leaves_its_container():
    labels = painted(two_discs(offset=(0.0, 1.0)))
    assert torch.equal(labels > 0, painted(two_discs()) > 0)
    assert 0 < (labels == 2).sum() / 6400 < math.pi * 0.04 / 2


def test_an_object_that_is_absent_leaves_no_label():
    labels = painted(replace(two_discs(), present=torch.tensor([[True, False]])))
    assert labels.unique().tolist() == [0, 1]


def test_a_box_covers_more_than_an_ellipse():
    boxes = replace(two_discs(), boxiness=torch.ones(1, 2))
    assert abs((painted(boxes) > 0).sum() / 6400 - 0.64) < 0.03


def test_parents_and_looks_are_those_of_the_labels():
    assert two_discs().parents.tolist() == [[0, 0, 1]]
    assert two_discs().alike.tolist() == [[0, 1, 2]]


def test_a_batch_equals_its_members_one_by_one():
    one, two = two_discs(), two_discs(offset=(0.3, 0.0))
    both = Objects(*(torch.cat((getattr(one, name), getattr(two, name))) for name in vars(one)))
    labels = both.labels(PLACES.expand(2, -1, -1)).view(2, *SHAPE)
    assert torch.equal(labels[0], painted(one))
    assert torch.equal(labels[1], painted(two))


def test_another_subject_is_similar_but_not_equal():
    scene = two_discs()
    other = scene.jittered(Draws(0, torch.device("cpu")))
    a, b = painted(scene) > 0, painted(other) > 0
    assert 0.75 < 2 * (a & b).sum() / (a.sum() + b.sum()) < 1
