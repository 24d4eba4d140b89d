import numpy as np
import pytest
import torch
from torch.nn.functional import normalize
from toy_model import ToyModel
from toy_pairs import embed, smooth_scene

from promptreg.config import Auxiliary, Search
from promptreg.geometry import apply_affine, default_affine, index_to_world, world_to_index
from promptreg.search import search_prompts
from promptreg.transfer import carry_regions, find_rois
from promptreg.types import Grid, Image, PointPrompts
from promptreg.views import View, view_image

SHIFT = (4, -3)
CONFIG = Search(affine_prior=False, auxiliary=Auxiliary(enabled=False))


class Follower(ToyModel):
    """Carries a region over to the place on the fixed image where its features are most alike."""

    def __init__(self):
        super().__init__(2, radius=4.0)
        self.starts = []

    def carry_over(self, moving, fixed, points, labels, *, starts):
        self.starts.append(starts)
        index = points[:, 0].round().long()
        clicked = moving.extras["fine"][:, index[:, 0], index[:, 1]]
        alike = torch.einsum("cb,cyx->byx", clicked, normalize(fixed.extras["fine"], dim=0))
        best = torch.stack(torch.unravel_index(alike.flatten(1).argmax(1), alike.shape[1:]), -1)
        return self.decode(fixed, best[:, None].float(), labels[:, :1]).logits[:, 0]


class Lost(Follower):
    """Judges every object absent."""

    def carry_over(self, moving, fixed, points, labels, *, starts):
        return torch.full((len(points), *fixed.mask_grid.shape), -20.0)


@pytest.fixture(scope="module")
def pair():
    """Embeddings of a scene and of the same, moved by whole cells over its own edge."""
    scene = smooth_scene(32, 32).float()
    model = Follower()
    return embed(model, scene, [2.0, 1.5]), embed(model, scene.roll(SHIFT, (1, 2)), [2.0, 1.5])


@pytest.fixture
def prompts(pair):
    index = torch.tensor([[[10.0, 12.0]], [[18.0, 20.0]], [[13.0, 19.0]]])
    return PointPrompts(index_to_world(pair[0].image_grid, index), torch.ones(3, 1, dtype=torch.long))


def test_regions_of_a_translated_scene_are_handed_over_to_where_it_went(pair, prompts):
    rois = carry_regions(Follower(), pair[:1], pair[1], prompts, prealignment=np.eye(3))
    assert (rois.fixed[:, 0] - rois.moving[:, 0].roll(SHIFT, (1, 2))).abs().mean() < 0.01
    true = prompts.points + torch.tensor(SHIFT).flip(0) * torch.tensor([1.5, 2.0])
    assert (rois.points[:, 0] - true).norm(dim=-1).max() < 3.0
    assert rois.cycle.all()
    assert rois.agreement.min() > 0.98
    assert rois.prior is None
    assert rois.residual.isnan().all()


def test_the_search_begins_at_the_mapped_prompt(pair, prompts):
    model, start = Follower(), np.eye(3)
    start[:2, 2] = [3.0, -4.0]
    carry_regions(model, pair[:1], pair[1], prompts, prealignment=start)
    expected = world_to_index(pair[1].image_grid, apply_affine(np.linalg.inv(start), prompts.points[:, 0]))
    torch.testing.assert_close(model.starts[0], expected.float(), atol=1e-4, rtol=0)


def test_a_region_that_is_not_found_is_empty_without_a_point_and_fails_the_cycle(pair, prompts):
    rois = carry_regions(Lost(), pair[:1], pair[1], prompts, prealignment=np.eye(3))
    assert rois.fixed.max() < 0.5
    assert rois.points.isnan().all()
    assert (rois.labels == -1).all()
    assert not rois.cycle.any()


def test_every_view_hands_its_own_region_over_and_one_that_misses_the_prompt_none(pair, prompts):
    model = Follower()
    scene = Image(smooth_scene(32, 32).float(), Grid((32, 32), default_affine(2, [2.0, 1.5])))
    away = np.eye(3)
    away[:2, 2] = 500.0
    views = [model.embed(scene), model.embed(view_image(scene, View("away", away, {})))]
    rois = carry_regions(model, views, pair[1], prompts, prealignment=np.eye(3))
    assert rois.fixed.shape[:2] == (3, 2)
    assert rois.fixed[:, 0].amax() > 0.5
    assert rois.fixed[:, 1].amax() == 0
    assert rois.points[:, 1].isnan().all()


def test_the_configuration_names_the_method(pair, prompts):
    given = {"prealignment": np.eye(3), "seed": 0}
    video = CONFIG.model_copy(update={"method": "video"})
    carried = find_rois(Follower(), pair[:1], pair[1], prompts, config=video, **given)
    assert torch.equal(
        carried.fixed, carry_regions(Follower(), pair[:1], pair[1], prompts, prealignment=np.eye(3)).fixed
    )
    searched = find_rois(Follower(), pair[:1], pair[1], prompts, config=CONFIG, **given)
    assert torch.equal(
        searched.fixed, search_prompts(Follower(), pair[:1], pair[1], prompts, config=CONFIG, **given).fixed
    )


def test_a_model_that_follows_no_regions_is_refused_with_the_way_out(pair, prompts):
    with pytest.raises(ValueError, match="method=prompts"):
        carry_regions(ToyModel(2, radius=4.0), pair[:1], pair[1], prompts, prealignment=np.eye(3))
