from pathlib import Path

import numpy as np
import pytest
import torch

from promptreg.geometry import default_affine, index_to_world, world_coordinates, world_to_index
from promptreg.models.weightfree import WeightFree
from promptreg.types import Grid, Image

REAL_DATA = Path(__file__).parents[3] / "shared" / "data"


def oblique(ndim, spacing):
    """An affine with flipped and rotated axes, far from the origin."""
    affine = default_affine(ndim, spacing)
    turn = np.eye(ndim + 1)
    turn[:2, :2] = [[0.8, -0.6], [-0.6, -0.8]]
    turn[:-1, -1] = [50, -30, 10][:ndim]
    return turn @ affine


def balls(ndim):
    """A noisy image with two bright balls in opposite corners; image, cells at their centres, their masks."""
    shape, spacing = ((120, 90), (1.0, 1.4)) if ndim == 2 else ((20, 48, 40), (4.0, 1.5, 1.5))
    grid = Grid(shape, oblique(ndim, spacing))
    centers = torch.tensor([[0.3] * ndim, [0.72] * ndim]) * torch.tensor(shape)
    world, places = world_coordinates(grid), index_to_world(grid, centers)
    radius = 0.13 * grid.extent.max()
    masks = torch.stack([(world - place).norm(dim=-1) < radius for place in places])
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return Image((masks.any(0) * 1.0 + 0.1 * noise)[None], grid), centers, masks


def dice(mask, grid, truth, truth_grid):
    index = world_to_index(truth_grid, world_coordinates(grid)).round().long()
    upper = torch.tensor(truth_grid.shape) - 1
    expected = truth[tuple(index.clamp_min(0).minimum(upper).unbind(-1))]
    return float(2 * (mask & expected).sum() / (mask.sum() + expected.sum()))


@pytest.mark.parametrize("ndim", [2, 3])
def test_one_click_on_a_ball_of_an_oblique_anisotropic_image_segments_it(ndim):
    image, centers, masks = balls(ndim)
    model = WeightFree()
    embedding = model.embed(image)
    candidates = model.decode(embedding, centers[:, None], torch.ones(2, 1, dtype=torch.long))
    chosen = candidates.select(candidates.best()) > 0
    for found, truth in zip(chosen, masks, strict=True):
        assert dice(found, embedding.mask_grid, truth, image.grid) > 0.8


@pytest.mark.parametrize("ndim", [2, 3])
def test_grids_cover_the_field_of_view_and_logits_are_finite(ndim):
    image, centers, _ = balls(ndim)
    model = WeightFree()
    embedding = model.embed(image)
    candidates = model.decode(embedding, centers[:, None], torch.ones(2, 1, dtype=torch.long))
    for grid in (embedding.feature_grid, embedding.mask_grid):
        assert np.allclose(grid.extent, image.grid.extent)
        assert np.allclose(grid.center, image.grid.center)
    assert embedding.features.shape[1:] == embedding.feature_grid.shape
    assert candidates.logits.shape == (2, 6, *embedding.mask_grid.shape)
    assert candidates.logits.abs().max() <= 8
    assert 0 <= candidates.scores.min() <= candidates.scores.max() <= 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_every_candidate_obeys_its_clicks(ndim):
    image, _, _ = balls(ndim)
    model = WeightFree()
    embedding = model.embed(image)
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(8, 4, ndim, generator=generator) * (torch.tensor(image.grid.shape) - 1)
    labels = torch.tensor([1, 0, 1, -1]).expand(8, 4)
    logits = model.decode(embedding, points, labels).logits
    cells = world_to_index(embedding.mask_grid, index_to_world(image.grid, points)).round().long()
    cells = cells.clamp_min(0).minimum(torch.tensor(embedding.mask_grid.shape) - 1)
    for prompt in range(8):
        at_clicks = logits[(prompt, slice(None), *cells[prompt].T)]
        apart = (cells[prompt, 1] != cells[prompt, [0, 2]]).any(1).all()
        assert (at_clicks[:, [0, 2]] > 0).all()
        assert not apart or (at_clicks[:, 1] < 0).all()


def test_decoding_a_batch_equals_decoding_one_by_one_and_padding_is_ignored():
    image, centers, _ = balls(2)
    model = WeightFree()
    embedding = model.embed(image)
    points = torch.stack([centers, centers.flip(0)])
    labels = torch.tensor([[1, 0], [1, -1]])
    together = model.decode(embedding, points, labels)
    first = model.decode(embedding, points[:1], labels[:1])
    second = model.decode(embedding, points[1:, :1], labels[1:, :1])
    for prompt, alone in enumerate((first, second)):
        assert torch.allclose(together.logits[prompt], alone.logits[0], atol=1e-3)
        assert torch.allclose(together.scores[prompt], alone.scores[0], atol=1e-4)


def test_a_negative_click_takes_the_second_ball_out_of_a_merged_region():
    data = torch.zeros(1, 96, 96)
    data[:, 30:66, 10:86] = 1
    image = Image(data, Grid((96, 96), default_affine(2)))
    model = WeightFree()
    embedding = model.embed(image)
    points = torch.tensor([[[48.0, 25.0], [48.0, 70.0]]])
    both = model.decode(embedding, points, torch.tensor([[1, 1]])).logits > 0
    left = model.decode(embedding, points, torch.tensor([[1, 0]])).logits > 0
    n = embedding.mask_grid.shape[1]
    assert (left[..., 3 * n // 4 :].sum((0, 2, 3)) < both[..., 3 * n // 4 :].sum((0, 2, 3))).sum() >= 3


def test_embedding_and_decoding_are_deterministic():
    image, centers, _ = balls(2)
    model = WeightFree()
    first, second = model.embed(image), model.embed(image)
    assert torch.equal(first.features, second.features)
    labels = torch.ones(2, 1, dtype=torch.long)
    decoded = [model.decode(e, centers[:, None], labels) for e in (first, second)]
    assert torch.equal(decoded[0].logits, decoded[1].logits)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (1, 9), (1, 1, 1), (2, 3, 4)])
@pytest.mark.parametrize("n_channels", [1, 4])
def test_tiny_and_constant_images_can_be_decoded(shape, n_channels):
    image = Image(torch.full((n_channels, *shape), 5.0), Grid(shape, default_affine(len(shape))))
    model = WeightFree()
    embedding = model.embed(image)
    candidates = model.decode(embedding, torch.zeros(1, 1, len(shape)), torch.ones(1, 1, dtype=torch.long))
    assert embedding.features.isfinite().all()
    assert candidates.logits.isfinite().all()
    assert candidates.scores.isfinite().all()


def test_an_image_with_nan_raises_and_names_the_image():
    data = torch.zeros(1, 8, 8)
    data[0, 3, 3] = torch.nan
    with pytest.raises(ValueError, match="'broken': 1 values are NaN"):
        WeightFree().embed(Image(data, Grid((8, 8), default_affine(2)), "broken"))


@pytest.mark.parametrize(
    ("points", "labels", "message"),
    [
        (torch.zeros(2, 0, 2), torch.zeros(2, 0), "at least one positive point"),
        (torch.zeros(2, 1, 2), torch.tensor([[1], [0]]), r"prompts \[1\]"),
        (torch.zeros(1, 1, 3), torch.ones(1, 1), r"expected points \(B, P, 2\)"),
        (torch.zeros(1, 2, 2), torch.ones(1, 1), "found points"),
    ],
)
def test_a_malformed_prompt_raises(points, labels, message):
    model = WeightFree()
    embedding = model.embed(Image(torch.rand(1, 16, 16), Grid((16, 16), default_affine(2))))
    with pytest.raises(ValueError, match=message):
        model.decode(embedding, points, labels)


@pytest.mark.realdata
@pytest.mark.skipif(not REAL_DATA.exists(), reason=f"no real image pairs in {REAL_DATA}")
def test_one_click_finds_a_good_part_of_the_kidney_in_a_real_slice():
    sitk = pytest.importorskip("SimpleITK")
    folder = REAL_DATA / "abdomen_mr"
    pixels, labels = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"chaos_t2_01_{kind}.nii.gz")))
        for kind in ("image", "label")
    )
    depth = (labels == 2).sum((1, 2)).argmax()
    truth = torch.from_numpy(labels[depth] == 2)
    image = Image(
        torch.from_numpy(pixels[depth].astype(np.float32))[None], Grid(truth.shape, default_affine(2))
    )
    model = WeightFree()
    embedding = model.embed(image)
    center = truth.nonzero().float().mean(0)
    candidates = model.decode(embedding, center.view(1, 1, 2), torch.ones(1, 1, dtype=torch.long))
    masks = candidates.logits[0] > 0
    assert max(dice(mask, embedding.mask_grid, truth, image.grid) for mask in masks) > 0.6
