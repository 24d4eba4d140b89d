import numpy as np
import pytest
import torch
from small_models.video_models import SIDE, small_medsam2

from promptreg.geometry import default_affine
from promptreg.models.slicewise import OUTSIDE
from promptreg.models.video_frames import Frames
from promptreg.models.video_net import VideoNet
from promptreg.types import Grid, Image

SPACING = (1.0, 4.0, 1.5)
"""Slices lie across the second axis, not the first."""
ONE = torch.ones(1, 1, dtype=torch.long)


@pytest.fixture(scope="module")
def model():
    return small_medsam2()


def volume(n_slices=5, *, seed=0):
    """Smooth random intensities (1, 40, n_slices, 56) that change slowly from slice to slice."""
    coarse = torch.randn(1, 1, 6, 3, 6, generator=torch.Generator().manual_seed(seed))
    data = torch.nn.functional.interpolate(coarse, (40, n_slices, 56), mode="trilinear")[0]
    return Image(100 + 30 * data, Grid((40, n_slices, 56), default_affine(3, SPACING)), "volume")


@pytest.fixture(scope="module")
def embedding(model):
    return model.embed(volume())


@pytest.fixture
def vanishing(model, monkeypatch):
    """A model that judges every object absent where it was not clicked."""
    tracked = model.net.tracked

    def gone(*args, **kwargs):
        found = tracked(*args, **kwargs)
        found.presence.fill_(-1.0)
        return found

    monkeypatch.setattr(model.net, "tracked", gone)
    return model


def on_slices(logits):
    """Slices on which a mask (40, n, 56)-like volume of logits is not left out."""
    return [n for n in range(logits.shape[1]) if (logits[:, n] != OUTSIDE).any()]


def test_features_and_masks_lie_along_the_slices_with_finer_features_beside(embedding):
    cells = SIDE // 16
    assert embedding.features.shape == (128, cells, 5, cells)
    assert embedding.mask_grid.shape == (4 * cells, 5, 4 * cells)
    assert embedding.extras["fine"].shape == (5, 16, 4 * cells, 4 * cells)
    assert embedding.extras["middle"].shape == (5, 32, 2 * cells, 2 * cells)
    np.testing.assert_allclose(embedding.feature_grid.center, embedding.image_grid.center)


def test_the_clicked_slice_is_segmented_as_the_same_slice_alone(model, embedding):
    image = volume()
    plane = Grid((40, 56), default_affine(2, [1.0, 1.5]))
    whole = model.decode(embedding, torch.tensor([[[12.0, 2.0, 40.0]]]), ONE)
    colours = model.embed(image).extras["fine"][2]
    alone = model.embed_stack(_colours(image)[:, :, 2][None], plane)[0]
    torch.testing.assert_close(alone.extras["fine"], colours, atol=1e-4, rtol=1e-4)
    expected = model.decode(alone, torch.tensor([[[12.0, 40.0]]]), ONE)
    torch.testing.assert_close(whole.logits[:, :, :, 2], expected.logits, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(whole.scores, expected.scores, atol=1e-4, rtol=1e-4)


def _colours(image):
    from promptreg.models.colours import to_colours

    return to_colours(image.data)


def test_what_is_remembered_of_a_region_decides_on_the_other_slices(model, embedding):
    points = torch.tensor([[[12.0, 2.0, 40.0]], [[30.0, 2.0, 10.0]]])
    found = model.decode(embedding, points, ONE.expand(2, 1)).logits
    for number in (0, 1, 3, 4):
        assert (found[0, 0, :, number] - found[1, 0, :, number]).abs().max() > 1e-3


def test_a_region_is_given_up_where_its_object_is_judged_absent(vanishing, embedding):
    found = vanishing.decode(embedding, torch.tensor([[[12.0, 2.0, 40.0]]]), ONE)
    assert on_slices(found.logits[0, 0]) == [2]


def test_it_is_followed_up_to_the_farthest_positive_point_where_the_click_says_that_it_is_there(
    vanishing, embedding
):
    points = torch.tensor([[[12.0, 1.0, 40.0], [15.0, 3.0, 38.0]]])
    found = vanishing.decode(embedding, points, torch.ones(1, 2, dtype=torch.long))
    assert on_slices(found.logits[0, 0]) == [1, 3]


def test_one_click_on_the_first_slice_has_three_candidates_and_two_have_one(model, embedding):
    both = torch.tensor([[[12.0, 2.0, 40.0], [20.0, 2.0, 30.0]]])
    assert model.decode(embedding, both, torch.tensor([[1, 0]])).scores.shape == (1, 1)
    apart = torch.tensor([[[12.0, 2.0, 40.0], [20.0, 4.0, 30.0]]])
    assert model.decode(embedding, apart, torch.tensor([[1, 0]])).scores.shape == (1, 3)
    mixed = model.decode(embedding, both.expand(2, -1, -1), torch.tensor([[1, 0], [1, -1]]))
    assert mixed.scores.shape == (2, 3)
    assert torch.equal(mixed.logits[0, 0], mixed.logits[0, 2])


def test_on_a_planar_image_decode_is_smooth_in_the_points_and_in_a_volume_on_its_first_slice(model):
    plane = model.embed(Image(volume().data[:, :, 2], Grid((40, 56), default_affine(2))))
    point = torch.tensor([[[12.3, 40.2]]])

    def mass(points):
        return model.decode(plane, points, ONE).logits.sigmoid().sum()

    for tangent in torch.eye(2):
        slope = torch.func.jvp(mass, (point,), (tangent[None, None],))[1]
        difference = (mass(point + 0.05 * tangent) - mass(point - 0.05 * tangent)) / 0.1
        torch.testing.assert_close(slope, difference, atol=0.05, rtol=0.05)
    leaf = torch.tensor([[[12.3, 2.0, 40.2]]]).requires_grad_()
    logits = model.decode(model.embed(volume(3)), leaf, ONE).logits
    (along,) = torch.autograd.grad(logits[:, :, :, 2].sum(), leaf)
    assert along[0, 0, 1] == 0
    assert along[0, 0, [0, 2]].abs().min() > 0


def test_a_region_handed_over_is_first_looked_for_on_the_nearest_slice_and_followed_both_ways(
    model, embedding, monkeypatch
):
    looked = []
    tracked = VideoNet.tracked

    def watched(self, levels, first, recent, **kwargs):
        looked.append((levels.coarse[0], kwargs["time"].elapsed, kwargs["time"].n_frames, len(recent)))
        return tracked(self, levels, first, recent, **kwargs)

    monkeypatch.setattr(VideoNet, "tracked", watched)
    fixed = model.embed(volume(4, seed=1))
    starts = torch.tensor([[10.0, 1.2, 30.0]])
    found = model.carry_over(embedding, fixed, torch.tensor([[[12.0, 2.0, 40.0]]]), ONE, starts=starts)
    assert found.shape == (1, *fixed.mask_grid.shape)
    order = [1, 2, 3, 0]
    slices = Frames.of(fixed).levels.coarse
    assert [n for one in looked for n in range(4) if torch.equal(slices[n], one[0])] == order
    assert [one[1:] for one in looked] == [(1, 5, 0), (2, 5, 1), (3, 5, 2), (2, 5, 1)]
    assert on_slices(found[0]) == [0, 1, 2, 3]


def test_the_region_of_the_best_candidate_is_handed_over_and_nothing_where_it_is_absent(vanishing, embedding):
    points = torch.tensor([[[12.0, 2.0, 40.0]]])
    found = vanishing.carry_over(embedding, embedding, points, ONE, starts=points[:, 0])
    assert (found == OUTSIDE).all()


def test_between_planar_images_the_second_is_the_next_frame_of_a_video_of_two(model):
    planes = [
        model.embed(Image(volume(seed=seed).data[:, :, 2], Grid((40, 56), default_affine(2))))
        for seed in (0, 1)
    ]
    points = torch.tensor([[[12.0, 40.0]], [[30.0, 10.0]]])
    found = model.carry_over(*planes, points, ONE.expand(2, 1), starts=points[:, 0])
    assert found.shape == (2, *planes[1].mask_grid.shape)
    stacked = torch.stack([one.features for one in planes], 1)
    video = Image(torch.zeros(1, 2, 40, 56), Grid((2, 40, 56), default_affine(3, [9.0, 1.0, 1.0])))
    both = model.embed(video)
    extras = {name: torch.stack([one.extras[name] for one in planes]) for name in both.extras}
    both = type(both)(stacked, both.feature_grid, both.image_grid, both.mask_grid, extras)
    in_video = torch.cat([torch.zeros(2, 1, 1), points], -1)
    whole = model.decode(both, in_video, ONE.expand(2, 1))
    torch.testing.assert_close(found, whole.select(whole.best())[:, 1], atol=1e-3, rtol=1e-3)


def test_no_prompts_hand_nothing_over(model, embedding):
    empty = torch.zeros(0, 1, 3)
    found = model.carry_over(
        embedding, embedding, empty, torch.zeros(0, 1, dtype=torch.long), starts=empty[:, 0]
    )
    assert found.shape == (0, *embedding.mask_grid.shape)
