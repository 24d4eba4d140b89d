from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_model import ToyModel
from toy_pairs import embed, smooth_scene

from promptreg.active import find_with_prompts, joined, next_point, uncertainty
from promptreg.config import Auxiliary, Marginalize, Prompts, Search
from promptreg.correspond import Correspondences, correspond
from promptreg.geometry import default_affine
from promptreg.prompts import place_prompts
from promptreg.search import search_prompts
from promptreg.settings import ConfigError, load
from promptreg.types import Grid, Image, PointPrompts, RoiPairs

GRID = Grid((100, 100), default_affine(2))
FAR = torch.tensor([[20.0, 20.0], [80.0, 20.0], [20.0, 80.0], [80.0, 80.0]], dtype=torch.float64)
SIZE = 32
MODEL = ToyModel(2, radius=4.0)
SEARCH = Search(affine_prior=False, auxiliary=Auxiliary(enabled=True, sigma=0.02))


def disc(x, y):
    axes = torch.stack(torch.meshgrid(torch.arange(100.0), torch.arange(100.0), indexing="ij"), -1)
    return ((axes - torch.tensor([y, x])).norm(dim=-1) <= 6).float()


def found(accepted=(True, True), spread=(0.0, 0.1)):
    """Regions at the first two of the far places; the views of the second disagree."""
    masks = torch.stack([disc(*FAR[0]), disc(*FAR[1])])
    variance = masks * torch.tensor(spread)[:, None, None]
    rois = RoiPairs(masks, masks, GRID, GRID, torch.tensor(accepted).float())
    given = PointPrompts(FAR[:2, None], torch.ones(2, 1))
    return Correspondences(rois, variance, variance, ("", ""), given, FAR[:2, None], torch.ones(2, 1))


def test_a_place_is_certain_at_an_accepted_region_on_which_views_agree_and_uncertain_far_off():
    assert uncertainty(FAR, found()).tolist() == pytest.approx([0.0, 0.4, 1.0, 1.0], abs=0.01)


def test_a_rejected_region_makes_nothing_certain():
    assert uncertainty(FAR, found(accepted=(False, True))).tolist()[0] == pytest.approx(1.0, abs=0.01)
    assert uncertainty(FAR, found(accepted=(False, False))).tolist() == [1.0] * 4


def test_the_next_prompt_is_the_most_uncertain_that_keeps_its_distance():
    candidates = torch.cat([FAR[1:2] + 12, FAR[:1] + 3, FAR[2:3]])
    assert next_point(candidates, FAR[:2], found(), 10.0).tolist() == FAR[2].tolist()
    assert next_point(candidates[:2], FAR[:2], found(), 10.0).tolist() == (FAR[1] + 12).tolist()
    crowded = torch.cat([FAR[:1] + 1, FAR[1:2] + 2])
    assert next_point(crowded, FAR[:2], found(), 10.0).tolist() == (FAR[1] + 2).tolist()


@pytest.fixture(scope="module")
def scene():
    data = smooth_scene(SIZE, SIZE).float()
    image = Image(data, Grid((SIZE, SIZE), default_affine(2)))
    views, fixed = [MODEL.embed(image)], embed(MODEL, data.roll((5, -3), (1, 2)))

    def find(prompts):
        return search_prompts(MODEL, views, fixed, prompts, config=SEARCH, prealignment=np.eye(3), seed=0)

    return image, find


def searched(scene, **settings):
    image, find = scene
    config = Prompts(min_distance=0.1, **settings)
    labels = np.ones((SIZE, SIZE), int)
    return find_with_prompts(find, image, labels, config, prealignment=np.eye(3), seed=3)


def test_an_active_search_begins_with_the_random_prompts_and_goes_on_where_it_knows_least(scene):
    rois = searched(scene, where="inside", strategy="active", initial=2, count=5)
    plain = searched(scene, where="inside", count=5)
    assert torch.equal(rois.prompts.points[:2], plain.prompts.points[:2])
    assert not torch.equal(rois.prompts.points[2:], plain.prompts.points[2:])
    judged = correspond(rois, Marginalize(prompts=2), prealignment=np.eye(3))
    chosen = uncertainty(rois.prompts.points[2], judged)
    others = uncertainty(plain.prompts.points[2:, 0], judged)
    assert chosen.item() >= others.max() - 1e-6


def test_a_search_for_few_finds_the_first_of_a_search_for_many(scene):
    few, many = (searched(scene, where="inside", strategy="active", initial=2, count=n) for n in (3, 5))
    torch.testing.assert_close(many.prompts.points[:3], few.prompts.points)
    torch.testing.assert_close(many.fixed[:3], few.fixed, rtol=1e-4, atol=1e-5)


def test_no_more_than_the_first_prompts_are_a_random_search(scene):
    active = searched(scene, where="inside", strategy="active", initial=3, count=3)
    assert torch.equal(active.prompts.points, searched(scene, where="inside", count=3).prompts.points)


def test_prompts_that_were_joined_are_those_that_were_searched_at_once(scene):
    image, find = scene
    prompts = place_prompts(image, np.ones((SIZE, SIZE), int), Prompts(where="inside", count=4), 3)
    halves = [PointPrompts(prompts.points[part], prompts.labels[part]) for part in (slice(0, 3), slice(3, 4))]
    ours, theirs = joined(*map(find, halves)), find(prompts)
    assert ours.points.shape == theirs.points.shape
    for name in ("moving", "visible", "fixed", "points", "labels", "cycle", "agreement"):
        torch.testing.assert_close(
            getattr(ours, name), getattr(theirs, name), rtol=1e-4, atol=1e-5, equal_nan=True
        )


def test_active_prompts_do_not_take_turns_between_locations():
    prompts = {"strategy": "active", "where": "both"}
    with pytest.raises(ConfigError, match="active prompts are of one location"):
        load({"methods": ["mine"], "variants": {"mine": {"search": {"prompts": prompts}}}})
