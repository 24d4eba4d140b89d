import numpy as np
import pytest
import torch
from toy_model import ToyModel
from toy_pairs import embed, smooth_scene

from promptreg.config import Auxiliary, Search
from promptreg.geometry import default_affine, index_to_world
from promptreg.search import find_starts, search_prompts, segment_moving
from promptreg.types import Grid, Image, PointPrompts
from promptreg.views import View, view_image

SHIFT = (5, -3)
MODEL = ToyModel(2, radius=4.0)
CONFIG = Search(affine_prior=False, auxiliary=Auxiliary(enabled=False))


@pytest.fixture(scope="module")
def scene():
    return smooth_scene(32, 32).float()


@pytest.fixture(scope="module")
def pair(scene):
    """Embeddings of a scene and of the same, moved by whole cells over its own edge."""
    return embed(MODEL, scene, [2.0, 1.5]), embed(MODEL, scene.roll(SHIFT, (1, 2)), [2.0, 1.5])


@pytest.fixture
def prompts(pair):
    index = torch.tensor([[[10.0, 12.0]], [[18.0, 20.0]], [[13.0, 19.0]]])
    return PointPrompts(index_to_world(pair[0].image_grid, index), torch.ones(3, 1, dtype=torch.long))


def searched(pair, prompts, config=CONFIG, views=None, seed=0):
    views = [pair[0]] if views is None else views
    return search_prompts(MODEL, views, pair[1], prompts, config=config, prealignment=np.eye(3), seed=seed)


def true_points(pair, prompts):
    shift = torch.tensor(SHIFT, dtype=torch.float64).flip(0) * torch.tensor([1.5, 2.0])
    return prompts.points.double() + shift


@pytest.mark.parametrize("start", ["local", "gated"])
def test_prompts_of_a_translated_scene_are_found_where_it_went(pair, prompts, start):
    config = CONFIG.model_copy(update={"start": start, "eq1": "gauss_newton"})
    rois = searched(pair, prompts, config)
    distance = (rois.points[:, 0] - true_points(pair, prompts)).norm(dim=-1)
    assert distance.max() < 0.5
    assert rois.residual.max() < 1e-3
    assert rois.agreement.min() > 0.99
    assert rois.cycle.all()


def test_the_found_regions_are_the_given_ones_translated(pair, prompts):
    rois = searched(pair, prompts, CONFIG.model_copy(update={"eq1": "gauss_newton"}))
    expected = rois.moving[:, 0].roll(SHIFT, (1, 2))
    assert (rois.fixed[:, 0] - expected).abs().mean() < 0.01


def test_the_control_searches_at_the_same_coordinate_and_finds_nothing_alike(pair, prompts):
    rois = searched(pair, prompts, CONFIG.model_copy(update={"start": "same"}))
    torch.testing.assert_close(rois.points[:, 0], prompts.points.double(), check_dtype=False)
    assert rois.prior is None


def test_shapes_are_those_that_are_documented(pair, prompts, scene):
    views = [pair[0], *turned(scene, 2)]
    rois = searched(pair, prompts, views=views)
    assert rois.moving.shape == rois.visible.shape == (3, 3, 32, 32)
    assert rois.fixed.shape == (3, 3, 32, 32)
    assert rois.points.shape[:3] == rois.labels.shape == (3, 3, rois.points.shape[2])
    for name in ("residual", "agreement", "cycle"):
        assert getattr(rois, name).shape == (3, 3), name


def test_the_first_view_is_found_the_same_whatever_views_come_with_it(pair, prompts, scene):
    alone, together = searched(pair, prompts), searched(pair, prompts, views=[pair[0], *turned(scene, 1)])
    for name in ("moving", "fixed", "points", "residual"):
        torch.testing.assert_close(getattr(together, name)[:, :1], getattr(alone, name))


def test_a_half_turned_view_finds_what_the_untransformed_one_finds(pair, prompts, scene):
    rois = searched(pair, prompts, views=[pair[0], *turned(scene, 1)])
    torch.testing.assert_close(rois.moving[:, 1], rois.moving[:, 0], atol=1e-3, rtol=0)
    torch.testing.assert_close(rois.points[:, 1], rois.points[:, 0], atol=1e-2, rtol=0)


def test_a_view_that_misses_a_prompt_sees_nothing_of_it_and_finds_nothing(pair, prompts, scene):
    near = magnified(scene)
    rois = searched(
        pair, PointPrompts(prompts.points[:1] * 0 + 2.0, prompts.labels[:1]), views=[pair[0], near]
    )
    assert not rois.visible[0, 1].any()
    assert not rois.moving[0, 1].any()
    assert not rois.fixed[0, 1].any()
    assert rois.points[0, 1].isnan().all()
    assert (rois.labels[0, 1] == -1).all()
    assert not rois.cycle[0, 1]
    assert rois.points[0, 0].isfinite().all()


def test_masks_of_a_view_come_back_to_the_untransformed_grid(pair, prompts, scene):
    masks, visible = segment_moving(MODEL, [pair[0], magnified(scene)], prompts)
    assert masks.shape == visible.shape == (3, 2, 32, 32)
    assert visible[:, 0].all()
    assert not visible[:, 1].all()
    assert not masks[:, 1][~visible[:, 1]].any()


def test_auxiliary_prompts_only_add_points_behind_the_primary_one(pair, prompts):
    config = CONFIG.model_copy(update={"auxiliary": Auxiliary(sigma=0.0, max_points=3)})
    plain, more = searched(pair, prompts), searched(pair, prompts, config)
    torch.testing.assert_close(more.points[:, :, 0], plain.points[:, :, 0])
    assert more.points.shape[2] <= 1 + 3
    assert (more.labels[:, :, 0] == 1).all()


def test_a_prompt_of_several_points_is_found_point_by_point(pair):
    index = torch.tensor([[[10.0, 12.0], [12.0, 15.0], [4.0, 4.0]]])
    prompts = PointPrompts(index_to_world(pair[0].image_grid, index), torch.tensor([[1, 1, 0]]))
    rois = searched(pair, prompts, CONFIG.model_copy(update={"start": "local"}))
    assert rois.labels[0, 0].tolist()[:3] == [1, 1, 0]
    distance = (rois.points[0, 0, :3] - true_points(pair, prompts)[0]).norm(dim=-1)
    assert distance.max() < 2.5


def test_starts_at_the_same_coordinate_follow_the_prealignment(pair, prompts):
    shift = np.eye(3)
    shift[:2, 2] = (7.5, -4.0)
    config = CONFIG.model_copy(update={"start": "same"})
    starts = find_starts(
        *pair, prompts, torch.zeros(3, MODEL.channels), config=config, prior=None, prealignment=shift
    )
    expected = prompts.points.float() - torch.tensor([7.5, -4.0])
    torch.testing.assert_close(starts[:, 0], expected.to(starts))


def test_two_searches_are_identical(pair, prompts):
    first, second = searched(pair, prompts), searched(pair, prompts)
    for name in ("moving", "fixed", "points", "residual"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def turned(scene, n):
    """Embeddings of the half-turned scene, n times."""
    image = Image(scene, Grid((32, 32), default_affine(2, [2.0, 1.5])))
    view = View.from_record({"kind": "rotation", "degrees": 180.0}, image.grid)
    return [MODEL.embed(view_image(image, view))] * n


def magnified(scene):
    """Embedding of the middle of the scene, twice as large."""
    image = Image(scene, Grid((32, 32), default_affine(2, [2.0, 1.5])))
    return MODEL.embed(view_image(image, View.from_record({"kind": "scaling", "factor": 2.0}, image.grid)))
