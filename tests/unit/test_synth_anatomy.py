import pytest
import torch

from promptreg.synth.anatomy import BODY_SHARE, N_PARTS, TWIN_SHARE, draw_anatomy
from promptreg.synth.draws import Draws
from promptreg.synth.regions import region, region_sizes
from promptreg.synth.warps import image_places

CPU = torch.device("cpu")
SHAPE = (64, 64)
FIRST_ORGAN = 4
SECOND_ORGAN = FIRST_ORGAN + 1 + N_PARTS[0]


@pytest.fixture(scope="module")
def drawn():
    scenes = draw_anatomy(Draws(0, CPU), 150, 2)
    return scenes, scenes.labels(image_places(SHAPE, CPU).expand(150, -1, -1)).unflatten(1, SHAPE)


def test_most_scenes_have_a_body_that_holds_all_else(drawn):
    scenes, labels = drawn
    bodies = scenes.present[:, 0]
    assert abs(bodies.float().mean() - BODY_SHARE) < 0.1
    body = region(labels, scenes.parents, torch.ones(len(labels), dtype=torch.long))
    assert torch.equal(body[bodies], (labels > 0)[bodies])


def test_regions_reach_from_a_few_percent_to_more_than_half_of_the_side(drawn):
    scenes, labels = drawn
    areas = region_sizes(labels, scenes.parents)[:, FIRST_ORGAN:] / labels[0].numel()
    diameters = (4 / torch.pi * areas[areas > 3e-4]).sqrt()
    assert (diameters < 0.06).float().mean() > 0.05
    assert (diameters > 0.3).float().mean() > 0.03
    assert diameters.max() > 0.5


def test_twins_are_mirrored_and_look_alike(drawn):
    scenes, _ = drawn
    twins = scenes.twins[:, SECOND_ORGAN - 1] == FIRST_ORGAN - 1
    assert abs(twins.float().mean() - TWIN_SHARE) < 0.12
    first, second = (scenes.offsets[twins, organ - 1] for organ in (FIRST_ORGAN, SECOND_ORGAN))
    assert torch.allclose(first * torch.tensor([1.0, -1.0]), second)
    handed = [torch.linalg.det(scenes.matrices[twins, organ - 1]) for organ in (FIRST_ORGAN, SECOND_ORGAN)]
    assert (handed[0] * handed[1] < 0).all()


def test_some_organs_are_thin_walls_round_a_cavity(drawn):
    scenes, labels = drawn
    third = SECOND_ORGAN + 1 + N_PARTS[1]
    wall, cavity = third, third + 1
    rings = (scenes.offsets[:, wall] == 0).all(1) & scenes.present[:, wall]
    assert rings.float().mean() > 0.15
    scale = scenes.matrices[rings, cavity, 0, 0]
    assert 0.5 < scale.min() < scale.max() < 0.9
    sizes = region_sizes(labels, scenes.parents)[rings]
    whole, inner, hole = (sizes[:, slot + 1] for slot in (third - 1, wall, cavity))
    clear = (hole > 30) & (whole == inner + hole)
    assert clear.float().mean() > 0.3


def test_parts_lie_in_their_organ_and_count_to_it(drawn):
    scenes, _ = drawn
    parts = slice(FIRST_ORGAN, FIRST_ORGAN + N_PARTS[0])
    assert (scenes.above[:, parts] == FIRST_ORGAN - 1).all()
    assert torch.equal(scenes.containers[:, parts], scenes.above[:, parts])
    count = scenes.present[:, parts].sum(1)
    assert set(count.tolist()) == {0, 2, 3, 4, 5, 6}
