import pytest
import torch

from promptreg.synth.draws import Draws
from promptreg.synth.regions import MAX_DEPTH
from promptreg.synth.scenes import COLOUR_SHARES, KINDS, SHARES, STAIN_SHARES, draw_kinds
from promptreg.synth.warps import image_places

CPU = torch.device("cpu")
EVERY = [(kind, ndim) for kind in KINDS for ndim in (2, 3)]


def scene(kind, ndim, n=12):
    shape = (48, 48) if ndim == 2 else (20, 20, 20)
    drawn = KINDS[kind](Draws(1, CPU), n, ndim)
    return drawn, image_places(shape, CPU).expand(n, -1, -1)


def test_shares_name_every_kind_and_sum_to_one():
    assert set(SHARES) == set(COLOUR_SHARES) == set(STAIN_SHARES) == set(KINDS)
    assert sum(SHARES.values()) == pytest.approx(1)
    assert sum(SHARES[kind] * COLOUR_SHARES[kind] for kind in KINDS) == pytest.approx(0.25, abs=0.01)


def test_kinds_are_drawn_as_often_as_stated():
    drawn = draw_kinds(Draws(0, CPU), 4000)
    for number, kind in enumerate(KINDS):
        assert abs((drawn == number).float().mean() - SHARES[kind]) < 0.03


@pytest.mark.parametrize(("kind", "ndim"), EVERY)
def test_labels_are_listed_and_most_scenes_have_several(kind, ndim):
    drawn, places = scene(kind, ndim)
    labels = drawn.labels(places)
    assert 0 <= labels.min() <= labels.max() < drawn.parents.shape[1]
    assert sum(len(one.unique()) > 3 for one in labels) >= 9


@pytest.mark.parametrize(("kind", "ndim"), EVERY)
def test_every_chain_of_parents_ends_within_the_greatest_depth(kind, ndim):
    parents = scene(kind, ndim)[0].parents
    assert (parents[:, 0] == 0).all()
    ancestor = torch.arange(parents.shape[1]).expand_as(parents)
    for _ in range(MAX_DEPTH):
        ancestor = parents.gather(1, ancestor)
    assert (ancestor == 0).all()


@pytest.mark.parametrize(("kind", "ndim"), EVERY)
def test_every_label_looks_like_one_that_is_listed_and_background_like_itself(kind, ndim):
    drawn = scene(kind, ndim)[0]
    assert drawn.alike.shape == drawn.parents.shape
    assert 0 <= drawn.alike.min() <= drawn.alike.max() < drawn.parents.shape[1]
    assert (drawn.alike[:, 0] == 0).all()


@pytest.mark.parametrize(("kind", "ndim"), EVERY)
def test_another_subject_has_the_same_parents_and_mostly_the_same_labels(kind, ndim):
    drawn, places = scene(kind, ndim)
    other = drawn.jittered(Draws(5, CPU))
    same = (drawn.labels(places) == other.labels(places)).float().mean()
    assert 0.6 < same < 1
    assert torch.equal(drawn.parents, other.parents)


@pytest.mark.parametrize("kind", list(KINDS))
def test_labels_do_not_depend_on_the_grid_on_which_they_are_read(kind):
    drawn, places = scene(kind, 2)
    assert torch.equal(drawn.labels(places)[:, 100:200], drawn.labels(places[:, :, 100:200]))
