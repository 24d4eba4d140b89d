from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_model import ToyModel
from toy_pairs import embed, smooth_scene

from promptreg.config import Auxiliary, Marginalize, Search
from promptreg.correspond import correspond
from promptreg.geometry import default_affine, index_to_world
from promptreg.search import search_prompts
from promptreg.selection import selected
from promptreg.types import Grid, Image, PointPrompts
from promptreg.views import View, view_image

SIZE = 32
MODEL = ToyModel(2, radius=4.0)
CONFIG = Search(affine_prior=False, auxiliary=Auxiliary(enabled=True, sigma=0.02))
FAMILIES = ("identity", "flip", "rotation", "flip", "rotation")
RECORDS = (
    {"kind": "identity"},
    {"kind": "flip", "axes": [1]},
    {"kind": "rotation", "degrees": 90.0},
    {"kind": "flip", "axes": [0]},
    {"kind": "rotation", "degrees": 180.0},
)
FIELDS = ("moving", "visible", "fixed", "points", "labels", "residual", "agreement", "cycle")


def searched(prompts=(0, 1, 2, 3), views=range(5)):
    """ROIs of some prompts in some views of one scene, moved by whole cells."""
    scene = smooth_scene(SIZE, SIZE).float()
    image = Image(scene, Grid((SIZE, SIZE), default_affine(2)))
    seen = [MODEL.embed(view_image(image, View.from_record(RECORDS[j], image.grid))) for j in views]
    index = torch.tensor([[[10.0, 12.0]], [[18.0, 20.0]], [[13.0, 19.0]], [[20.0, 11.0]]])[list(prompts)]
    given = PointPrompts(index_to_world(image.grid, index), torch.ones(len(index), 1, dtype=torch.long))
    fixed = embed(MODEL, scene.roll((5, -3), (1, 2)))
    found = search_prompts(MODEL, seen, fixed, given, config=CONFIG, prealignment=np.eye(3), seed=0)
    inside = torch.tensor([True, False, True, False])[list(prompts)]
    return replace(found, families=tuple(FAMILIES[j] for j in views), inside=inside)


@pytest.fixture(scope="module")
def whole():
    return searched()


def assert_alike(found, expected):
    torch.testing.assert_close(found.prompts.points, expected.prompts.points)
    for name in FIELDS:
        ours, theirs = getattr(found, name), getattr(expected, name)
        if name in ("points", "labels"):
            ours = ours[:, :, : theirs.shape[2]]
        torch.testing.assert_close(ours, theirs, equal_nan=True, rtol=1e-4, atol=1e-5)


def test_a_number_beyond_what_is_stored_takes_everything(whole):
    assert selected(whole, Marginalize(prompts=9, views=9)) is whole


def test_everything_is_used_where_nothing_is_said(whole):
    assert selected(whole, Marginalize()) is whole


def test_to_leave_prompts_out_is_never_to_have_searched_them(whole):
    assert_alike(selected(whole, Marginalize(prompts=2)), searched(prompts=(0, 1)))


def test_to_leave_views_out_is_never_to_have_looked_at_them(whole):
    assert_alike(selected(whole, Marginalize(views=3)), searched(views=(0, 1, 2)))


@pytest.mark.parametrize(("family", "count", "views"), [("flip", 3, (0, 1, 3)), ("rotation", 2, (0, 2))])
def test_the_views_of_a_family_come_with_the_identity_first(whole, family, count, views):
    found = selected(whole, Marginalize(family=family, views=count))
    assert found.families == tuple(FAMILIES[j] for j in views)
    assert_alike(found, searched(views=views))


@pytest.mark.parametrize(("location", "prompts"), [("inside", (0, 2)), ("outside", (1, 3))])
def test_prompts_are_chosen_by_where_they_lie(whole, location, prompts):
    found = selected(whole, Marginalize(location=location))
    assert_alike(found, searched(prompts=prompts))
    assert (found.inside == (location == "inside")).all()


def test_a_correspondence_holds_only_the_prompts_that_are_used(whole):
    config = Marginalize(location="outside", prompts=1, views=2, cycle=False, area_ratio=None)
    found = correspond(whole, config, prealignment=np.eye(3))
    assert len(found.reasons) == 1
    torch.testing.assert_close(found.rois.fixed[0], whole.fixed[1, :2].mean(0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"location": "inside", "prompts": 3},
            "3 prompts inside labels, but 2 are stored: raise search.prompts.count",
        ),
        (
            {"family": "scaling", "views": 2},
            "2 views of the family scaling, but 1 are stored: raise embed.views.count",
        ),
    ],
)
def test_to_ask_for_more_than_is_stored_is_an_error_that_says_what_to_raise(whole, changes, words):
    with pytest.raises(ValueError, match=words):
        selected(whole, Marginalize(**changes))


def test_what_nobody_said_cannot_be_chosen_by(whole):
    unknown = replace(whole, families=(), inside=None)
    with pytest.raises(ValueError, match="the moving image has no labels"):
        selected(unknown, Marginalize(location="inside"))
    with pytest.raises(ValueError, match="the kinds of the views are not known"):
        selected(unknown, Marginalize(family="flip"))
