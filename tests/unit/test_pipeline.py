import numpy as np
import pytest
import torch
from toy_model import ToyModel

from promptreg import correspond, turned_prior
from promptreg.affine_prior import AffinePrior
from promptreg.geometry import default_affine
from promptreg.pipeline import global_start, register_pair, reliable_prior
from promptreg.settings import load, variant
from promptreg.types import Grid, Image, Pair

SIZE, SHIFT = 40, (4, -3)
RAW = {
    "methods": ["tiny"],
    "embed": {"views": {"count": 2, "kind": "flip"}, "device": "cpu"},
    "search": {"affine_prior": False, "auxiliary": {"enabled": False}, "prompts": {"count": 4}},
    "marginalize": {"area_ratio": None, "duplicate_iou": None},
    "fit": {
        "device": "cpu",
        "start": "translation",
        "parametrization": "affine",
        "iterations": 5,
        "levels": 2,
    },
    "variants": {"tiny": {}},
}
SETTINGS = variant(load(RAW), "tiny")
MODEL = ToyModel(2, radius=5.0)


def scene():
    data = torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    for _ in range(16):
        for axis in (1, 2):
            data = (data.roll(1, axis) + 2 * data + data.roll(-1, axis)) / 4
    return data


def pair(prealignment=None):
    grid = Grid((SIZE, SIZE), default_affine(2, [2.0, 1.0]))
    images = Image(scene(), grid, "m"), Image(scene().roll(SHIFT, (1, 2)), grid, "f")
    return Pair(*images, np.eye(3) if prealignment is None else prealignment)


@pytest.fixture(scope="module")
def registered():
    return register_pair(pair(), MODEL, SETTINGS)


def test_the_translation_of_a_pair_is_recovered(registered):
    inner = registered.fit.ddf.displacement[:, 10:-10, 10:-10].flatten(1)
    expected = torch.tensor([[-SHIFT[1] * 1.0], [-SHIFT[0] * 2.0]])
    assert (inner - expected).norm(dim=0).median() < 0.5
    assert registered.fit.fitted


def test_every_step_hands_on_what_the_next_one_takes(registered):
    assert registered.rois.moving.shape[:2] == (4, 2)
    assert registered.correspondences.rois.moving.shape[0] == 4
    assert len(registered.correspondences.reasons) == 4
    assert len(registered.fit.roi_dice) <= 4
    assert registered.rois.prior is None


def test_the_same_seed_gives_the_same_field_and_another_one_other_prompts(registered):
    again = register_pair(pair(), MODEL, SETTINGS)
    assert torch.equal(again.fit.ddf.displacement, registered.fit.ddf.displacement)
    other = register_pair(pair(), MODEL, SETTINGS, seed=1)
    assert not torch.equal(other.rois.prompts.points, registered.rois.prompts.points)


def test_prompts_inside_labels_lie_inside_them():
    labels = np.zeros((SIZE, SIZE), int)
    labels[8:24, 10:30] = 1
    prompts = SETTINGS.search.prompts.model_copy(update={"where": "inside"})
    inside = SETTINGS.search.model_copy(update={"prompts": prompts})
    settings = variant(load({**RAW, "search": inside.model_dump()}), "tiny")
    points = register_pair(pair(), MODEL, settings, moving_labels=labels).rois.prompts.points.flatten(0, 1)
    column, row = points[:, 0].round().long(), (points[:, 1] / 2).round().long()
    assert labels[row, column].all()
    with pytest.raises(ValueError, match="has no labels"):
        register_pair(pair(), MODEL, settings)


def test_the_prior_is_looked_for_once_in_every_turn_however_often_prompts_are_added(monkeypatch):
    seen = []
    estimate = turned_prior.estimate_affine
    monkeypatch.setattr(
        turned_prior,
        "estimate_affine",
        lambda moving, *given, **more: (seen.append(moving), estimate(moving, *given, **more))[1],
    )
    active = {"strategy": "active", "initial": 2, "count": 5}
    raw = {**RAW, "embed": {"views": {"count": 1, "turns": 3}, "device": "cpu"}}
    raw["search"] = {"auxiliary": {"enabled": False}, "prompts": active}
    found = register_pair(pair(), MODEL, variant(load(raw), "tiny"))
    assert len(found.rois.prompts.points) == 5
    assert len(seen) == len({id(one) for one in seen}) == 3


def test_a_pair_of_which_nothing_is_accepted_gets_the_prealignment_alone(monkeypatch):
    monkeypatch.setattr(correspond, "judge", lambda pairs, **more: ["doubtful"] * len(pairs.moving))
    shift = np.eye(3)
    shift[:2, 2] = (60.0, 100.0)
    result = register_pair(pair(shift), MODEL, SETTINGS)
    assert not result.correspondences.rois.weights.any()
    assert not result.fit.fitted
    expected = torch.tensor([60.0, 100.0]).view(2, 1, 1).expand(2, SIZE, SIZE)
    torch.testing.assert_close(result.fit.ddf.displacement, expected, atol=1e-3, rtol=0)


def test_only_a_reliable_prior_counts_and_only_where_an_accepted_pair_bears_it_out(registered):
    matrix = np.array([[2.0, 0.0, 4.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    sure, doubtful = AffinePrior(matrix, 50, 0.8, 0.9, True), AffinePrior(matrix, 3, 0.1, 0.1, False, "few")
    assert reliable_prior(None) is None
    assert reliable_prior(doubtful) is None
    assert reliable_prior(sure) is matrix
    found = registered.correspondences
    np.testing.assert_allclose(global_start(sure, found), np.linalg.inv(matrix))
    assert global_start(doubtful, found) is None
    found.rois.weights.zero_()
    assert global_start(sure, found) is None
