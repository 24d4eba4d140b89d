from __future__ import annotations

import json
from typing import get_args

import numpy as np
import pytest
import torch

from promptreg.config import Corruption, CorruptionKind
from promptreg.datasets.base import PairSpec
from promptreg.datasets.corrupted import LEVELS, Corrupted, corrupted_pairs
from promptreg.datasets.corruption import corrupt_image, move_labels, move_points
from promptreg.datasets.demo import Demo
from promptreg.plan import Plan
from promptreg.seeds import derive_seed

TURN = Corruption(kind="rotation", levels=(0, 10, 22.5))
EXACT = Corruption(kind="elastic", levels=(0.03,), of="fixed")


@pytest.fixture(scope="module")
def turned():
    return Corrupted(Demo(), TURN, seed=7)


def test_every_kind_says_what_its_levels_count():
    assert set(LEVELS) == set(get_args(CorruptionKind))


def named(reader, name):
    return next(one for one in reader.pairs() if one.pair == name)


def test_every_pair_comes_once_a_level_with_one_fixed_image(turned):
    listed = [one for one in turned.pairs() if one.pair.startswith("coins")]
    assert [one.pair for one in listed] == [f"coins.rotation-{level}" for level in ("0", "10", "22.5")]
    assert [one.moving for one in listed] == [
        f"coins_moving.rotation-{level}" for level in ("0", "10", "22.5")
    ]
    assert {one.fixed for one in listed} == {"coins_fixed"}
    assert listed[2].group == "pictures (2D), rotation 22.5"
    assert turned.label_names("coins.rotation-10") == Demo().label_names("coins")


def test_image_labels_and_landmarks_are_moved_alike_and_the_fixed_side_is_as_it_was(turned):
    spec, plain = named(turned, "coins.rotation-22.5"), Demo()
    seed = derive_seed(7, "coins_moving", "rotation")
    source = plain.image("coins_moving")
    image = turned.image(spec.moving)
    assert torch.equal(image.data, corrupt_image(source, "rotation", 22.5, seed).data)
    assert torch.equal(turned.image(spec.fixed).data, plain.image("coins_fixed").data)
    for side, image_grid in (("moving", image.grid), ("fixed", source.grid)):
        labels = plain.labels(f"coins_{side}_labels", image_grid)
        points = plain.landmarks(f"coins_{side}_landmarks", image_grid)
        if side == "moving":
            labels = move_labels(labels, image_grid, "rotation", 22.5, seed)
            points = move_points(points, image_grid, "rotation", 22.5, seed)
        assert (turned.labels(spec.annotations[f"{side}_labels"], image_grid) == labels).all()
        np.testing.assert_allclose(
            turned.landmarks(spec.annotations[f"{side}_landmarks"], image_grid), points
        )


def test_levels_of_one_image_go_in_one_direction_and_images_in_their_own(turned):
    points = np.array([[100.0, 100.0], [150.0, 120.0]])
    grid = Demo().image("coins_moving").grid
    angles = [
        move_points(points, grid, "rotation", level, derive_seed(7, "coins_moving", "rotation"))
        for level in (10, 22.5)
    ]
    steps = [one - points for one in angles]
    assert (np.sign(steps[0]) == np.sign(steps[1])).all()
    other = Corrupted(Demo(), TURN, seed=8)
    images = [reader.image("coins_moving.rotation-22.5").data for reader in (turned, turned, other)]
    assert torch.equal(images[0], images[1])
    several = [Corrupted(Demo(), TURN, seed=s).image("coins_moving.rotation-22.5").data for s in range(6)]
    assert len({float(one.sum()) for one in several}) == 2


def test_a_fixed_image_against_itself_has_exact_landmarks_whatever_was_annotated():
    reader = Corrupted(Demo(), EXACT, seed=0)
    spec = named(reader, "cat.elastic-0.03")
    assert (spec.moving, spec.fixed) == ("cat_fixed.elastic-0.03", "cat_fixed")
    assert set(spec.annotations) == {"moving_landmarks", "fixed_landmarks"}
    grid = reader.image("cat_fixed").grid
    fixed, moving = (
        reader.landmarks(spec.annotations[f"{side}_landmarks"], grid) for side in ("fixed", "moving")
    )
    seed = derive_seed(0, "cat_fixed", "elastic")
    np.testing.assert_allclose(moving, move_points(fixed, grid, "elastic", 0.03, seed))
    labelled = named(reader, "coins.elastic-0.03").annotations
    assert reader.labels(labelled["fixed_labels"], reader.image("coins_fixed").grid).max() == 8
    assert (
        reader.labels(labelled["moving_labels"], reader.image("coins_fixed").grid)
        != reader.labels(labelled["fixed_labels"], reader.image("coins_fixed").grid)
    ).any()


def test_a_stamp_is_that_of_the_source(turned):
    spec = named(turned, "coins.rotation-10")
    wanted = Demo().stamp("coins_moving")
    references = [spec.moving, spec.fixed, *spec.annotations.values()]
    assert {turned.stamp(one) for one in references} == {wanted}
    exact = Corrupted(Demo(), EXACT, seed=0)
    assert {exact.stamp(one) for one in named(exact, "cat.elastic-0.03").annotations.values()} == {wanted}


def test_a_limit_counts_pairs_of_the_data_set_and_not_their_copies():
    spec = {"name": "r", "reader": "demo", "dimension": 2, "limit": 2, "corrupt": TURN.model_dump()}
    plan = Plan({"methods": ["identity"], "datasets": [spec]}).datasets["r"]
    assert len(plan.pairs) == 2 * 3
    assert len(plan.images) == 2 * (3 + 1)
    assert len(corrupted_pairs(plan.pairs[:1], TURN)) == 3


class Named:
    """A reader whose stamps are the names it is asked for."""

    def stamp(self, reference):
        return reference


@pytest.mark.parametrize("path", ["[1] labels.png", "[0.5]/labels.png", "[", '["a"]'])
def test_a_path_that_begins_with_a_bracket_is_no_changed_annotation(path):
    pair = PairSpec("p", "a", "b", 2, "", {"moving_labels": path})
    (first, *_) = corrupted_pairs([pair], TURN)
    assert json.loads(first.annotations["moving_labels"])[1:] == ["a", path]
    reader = Corrupted(Named(), TURN, seed=0)
    assert reader.stamp(path) == path
    assert reader.stamp(first.annotations["moving_labels"]) == path


def test_a_name_that_ends_like_one_of_a_level_that_is_not_asked_for_is_a_name():
    reader = Corrupted(Named(), TURN, seed=0)
    for name in ("scan.rotation-7", "scan.rotation-left", "scan.rotation-10-0a1b2c3d"):
        assert reader.stamp(name) == name
    assert reader.stamp("scan.rotation-10") == "scan"
