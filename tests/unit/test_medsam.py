import numpy as np
import pytest
import torch
from layout_reference import answers, stretched
from pictures import as_image, picture
from skimage.transform import resize
from small_models.sam_layout_models import SIDE, planar_medsam_box, planar_medsam_point
from small_sam import small_sam

from promptreg import checkpoints
from promptreg.models import medsam
from promptreg.models.click_boxes import box_of_clicks
from promptreg.models.colours import to_colours
from promptreg.models.medsam import MedSamBox, MedSamPoint, spread

SHAPES = [(72, 100), (300, 90), (128, 128)]


def golden(pixels, side):
    """The published preprocessing of 8-bit colours (Y, X, 3): (3, side, side) float32 in [0, 1]."""
    levels = resize(pixels, (side, side), order=3, preserve_range=True, anti_aliasing=True).astype(np.uint8)
    spread = (levels - levels.min()) / np.clip(levels.max() - levels.min(), 1e-8, None)
    return torch.from_numpy(spread).permute(2, 0, 1).float()


def golden_levels(intensities):
    """The published 8 bits of intensities (Y, X) of MR: percentiles of what is not zero, then min-max."""
    low, high = np.percentile(intensities[intensities > 0], [0.5, 99.5])
    clipped = np.clip(intensities, low, high)
    levels = (clipped - clipped.min()) / (clipped.max() - clipped.min()) * 255.0
    levels[intensities == 0] = 0
    return np.uint8(levels)


def full_range(shape):
    """A picture whose levels span 0 to 255."""
    pixels = picture(shape).astype(float)
    return ((pixels - pixels.min()) / (pixels.max() - pixels.min()) * 255).round().astype(np.uint8)


def prepared(pixels):
    """Our input (3, side, side) of 8-bit colours (Y, X, 3)."""
    model = planar_medsam_point()
    return model.inputs.transform(model.prepare(as_image(pixels).data)[None], (SIDE, SIDE))[0]


def assert_equal_levels(found, expected):
    """Two inputs in [0, 1] differ by at most one of 255 levels, in at most one of 200 pixels."""
    off = (found - expected).abs() * 255
    assert (off > 0.01).float().mean() < 0.005
    assert off.max() < 1.5


@pytest.mark.parametrize("shape", [(72, 100), (128, 128), (100, 60)])
def test_an_enlarged_image_is_the_published_one(shape):
    pixels = full_range(shape)
    assert prepared(pixels).dtype == torch.float32
    assert_equal_levels(prepared(pixels), golden(pixels, SIDE))


@pytest.mark.parametrize("shape", [(300, 90), (40, 333), (1100, 40)])
def test_a_reduced_image_is_the_published_one_once_it_is_spread_again(shape):
    pixels = full_range(shape)
    assert_equal_levels(spread(prepared(pixels)) / 255, golden(pixels, SIDE))


def test_intensities_become_the_published_levels_but_for_single_ones_of_single_pixels():
    generator = np.random.default_rng(0)
    intensities = generator.gamma(2.0, 100.0, (60, 80)).astype(np.float32) + 20
    intensities[:20, :30] = 0
    levels = golden_levels(intensities)
    ours = to_colours(torch.from_numpy(intensities)[None])[0].floor().numpy()
    assert (np.abs(ours - levels) <= 1).all()
    assert (ours == levels).mean() > 0.99


def test_slices_of_a_volume_are_spread_together():
    volume = 200 * torch.rand(1, 4, 60, 80, generator=torch.Generator().manual_seed(0))
    volume[:, 1] *= 0.1
    model = planar_medsam_point()
    slices = model.inputs.transform(model.prepare(volume).movedim(1, 0), (SIDE, SIDE))
    assert slices[0].max() > 0.95
    assert slices[1].max() < 0.15


def test_a_uniform_image_becomes_zero():
    assert (prepared(np.full((40, 50, 3), 200, np.uint8)) == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_points_give_mask_0_of_the_packages_own_modules(shape):
    model, pixels = planar_medsam_point(), picture(shape)
    points, labels = torch.tensor([[0.2, 0.8], [0.7, 0.3]]) * torch.tensor(shape), [1, 0]
    embedding = model.embed(as_image(pixels))
    for n in (1, 2):
        found = model.decode(embedding, points[None, :n], torch.tensor([labels[:n]]))
        in_input = stretched(points[:n], shape, SIDE)
        features, logits, _ = answers(small_sam(), prepared(pixels), in_input, labels[:n], multimask=False)
        torch.testing.assert_close(embedding.features, features, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(found.logits, logits, atol=1e-4, rtol=1e-4)


def test_masks_with_an_untrained_score_have_none():
    model = planar_medsam_point()
    embedding = model.embed(as_image(picture((72, 100))))
    assert (model.decode(embedding, torch.tensor([[[9.0, 70.0]]]), torch.tensor([[1]])).scores == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_click_gives_the_mask_of_its_box_by_the_packages_own_modules(shape):
    model, pixels = planar_medsam_box(), picture(shape)
    point = torch.tensor([[0.2, 0.8]]) * torch.tensor(shape)
    embedding = model.embed(as_image(pixels))
    found = model.decode(embedding, point[None], torch.tensor([[1]]))
    in_input = stretched(point, shape, SIDE)
    in_cells = (in_input.flip(-1) + 0.5) / 16 - 0.5
    corners = (box_of_clicks(embedding.features, in_cells[None])[0] + 0.5) * 16 - 0.5
    box = corners.clamp(0, SIDE - 1).flip(-1).reshape(1, 4)
    _, logits, _ = answers(small_sam(), prepared(pixels), None, boxes=box, multimask=False)
    torch.testing.assert_close(found.logits, logits, atol=1e-4, rtol=1e-4)
    assert (box[0, :2] <= in_input[0]).all()
    assert (box[0, 2:] >= in_input[0]).all()


def test_a_negative_click_has_no_box():
    model = planar_medsam_box()
    embedding = model.embed(as_image(picture((72, 100))))
    with pytest.raises(ValueError, match="negative"):
        model.decode(embedding, torch.tensor([[[9.0, 70.0], [30.0, 20.0]]]), torch.tensor([[1, 0]]))


def test_features_and_masks_cover_the_image_and_nothing_else():
    embedding = planar_medsam_point().embed(as_image(picture((72, 100))))
    for grid in (embedding.feature_grid, embedding.mask_grid):
        np.testing.assert_allclose(grid.extent, embedding.image_grid.extent)
        np.testing.assert_allclose(grid.center, embedding.image_grid.center)


@pytest.mark.parametrize(("model", "name"), [(MedSamPoint, "medsam_point"), (MedSamBox, "medsam_box")])
def test_both_ways_to_prompt_share_one_file(monkeypatch, model, name):
    small = planar_medsam_point().sam
    state = {key: value + 1 for key, value in small.state_dict().items()}
    monkeypatch.setattr(medsam, "vit_b", lambda: planar_medsam_point().sam)
    monkeypatch.setattr(checkpoints, "load_state_dict", {"medsam": state}.__getitem__)
    loaded = model()
    assert loaded.name == name
    assert all(torch.equal(value, state[key]) for key, value in loaded.planar.sam.state_dict().items())
