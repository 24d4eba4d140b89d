import torch

from promptreg.synth.appearance import draw_look
from promptreg.synth.draws import Draws
from promptreg.synth.imaging import Subjects, photographed
from promptreg.synth.scenes import KINDS
from promptreg.synth.textures import draw_textures
from promptreg.synth.warps import image_places

CPU = torch.device("cpu")
SHAPE = (48, 40)
N = 60


def subjects(kind="fields"):
    draws = Draws(0, CPU)
    scenes = KINDS[kind](draws, N, 2)
    return Subjects(scenes, draw_look(draws, scenes, kind), draw_textures(draws, N, 2, 48))


def test_a_picture_is_in_range_grey_ones_have_equal_channels_and_coloured_ones_do_not():
    people = subjects()
    image, labels = photographed(Draws(1, CPU), people, image_places(SHAPE, CPU).expand(N, -1, -1), SHAPE)
    assert image.shape == (N, 3, 48 * 40)
    assert labels.shape == (N, 48 * 40)
    assert 0 <= image.min() <= image.max() <= 1
    grey = (image == image[:, :1]).all(dim=2).all(dim=1)
    assert torch.equal(grey, ~people.look.coloured)


def test_labels_can_be_seen_in_the_picture():
    image, labels = photographed(
        Draws(1, CPU), subjects("smooth noise"), image_places(SHAPE, CPU).expand(N, -1, -1), SHAPE
    )
    sums, counts = torch.zeros(N, 20), torch.zeros(N, 20)
    sums.scatter_add_(1, labels, image[:, 0])
    counts.scatter_add_(1, labels, torch.ones_like(image[:, 0]))
    explained = (sums / counts.clamp_min(1)).gather(1, labels).var(dim=1) / image[:, 0].var(dim=1)
    assert explained.median() > 0.5


def test_others_are_the_same_subjects_where_wanted():
    people, same = subjects(), torch.arange(N) % 2 == 0
    others = people.others(Draws(2, CPU), same)
    places = image_places(SHAPE, CPU).expand(N, -1, -1)
    equal = (people.scenes.labels(places) == others.scenes.labels(places)).all(1)
    assert equal[same].all()
    assert not equal[~same].any()
    for before, after in zip(people.textures(places), others.textures(places), strict=True):
        assert torch.equal(before[same], after[same])
