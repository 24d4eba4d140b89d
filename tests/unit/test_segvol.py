import numpy as np
import pytest
import torch
from small_segvol import SMALL, small_segvol

from promptreg import checkpoints
from promptreg.geometry import cell_indices, default_affine, index_to_world, resized, sample
from promptreg.models.segvol import SegVol, SegVolReleased, unit, upright
from promptreg.types import Grid, Image

OBLIQUE = np.array(
    [[0.1, 0.2, 1.5, -20.0], [-0.2, 1.6, -0.1, 35.0], [4.0, 0.1, 0.3, 7.0], [0.0, 0.0, 0.0, 1.0]]
)


@pytest.fixture(scope="module")
def model():
    return SegVol(small_segvol(), name="small")


def test_axes_run_up_to_the_front_and_to_the_right():
    grid = upright(Grid((8, 40, 52), OBLIQUE))
    up, front, right = np.array([0, 0, 1.0]), np.array([0, -1.0, 0]), np.array([-1.0, 0, 0])
    for axis, direction in enumerate((up, front, right)):
        column = grid.affine[:3, axis] / grid.spacing[axis]
        assert column @ direction > 0.9
    assert grid.shape == (8, 40, 52)


def test_intensities_are_the_published_ones():
    values = 200 * np.random.default_rng(0).standard_normal(4000).astype(np.float32) - 300
    foreground = values[values > values.mean()]
    low, high = np.percentile(foreground, 0.05), np.percentile(foreground, 99.95)
    scores = (np.clip(values, low, high) - foreground.mean()) / foreground.std()
    expected = (scores - scores.min()) / (scores - scores.min()).max()
    found = unit(torch.from_numpy(values))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0.4 < (found == 0).float().mean() < 0.6


def test_a_constant_volume_becomes_zero():
    assert (unit(torch.full((2, 2, 2), 7.0)) == 0).all()


@pytest.mark.parametrize(("shape", "affine"), [((8, 40, 52), OBLIQUE), ((30, 70, 60), default_affine(3))])
def test_the_voxel_under_a_click_is_the_one_that_the_network_sees_there(model, monkeypatch, shape, affine):
    """A ramp along one axis of the world at a time tells where a voxel lies; clicks are anywhere."""
    grid = Grid(shape, affine)
    clicks = 1 + torch.rand(20, 1, 3, generator=torch.Generator().manual_seed(0)) * (torch.tensor(shape) - 3)
    world = index_to_world(grid, cell_indices(shape))
    seen, asked = [], []
    cells = torch.zeros(SMALL.width, *SMALL.cells)
    monkeypatch.setattr(model, "_encode", lambda volume: seen.append(volume) or cells)

    def spied(cells, points, labels):
        asked.append(points[:, 0])
        return cells.new_zeros(len(points), 1, *(4 * n for n in SMALL.cells))

    monkeypatch.setattr(model.net, "masks", spied)
    monkeypatch.setattr("promptreg.models.segvol.unit", lambda values: values)
    voxel = resized(upright(grid), SMALL.shape).affine[:3, :3]
    for axis in range(3):
        embedding = model.embed(Image(world[None, ..., axis], grid))
        asked.clear()
        model.decode(embedding, clicks, torch.ones(20, 1, dtype=torch.long))
        found = sample(seen[-1][None], torch.cat(asked))[0]
        error = (found - index_to_world(grid, clicks[:, 0])[:, axis]).abs().max()
        assert error < np.abs(voxel[axis]).sum() + grid.spacing.max()


def test_features_and_masks_cover_the_same_field_of_view(model):
    grid = Grid((8, 40, 52), OBLIQUE)
    embedding = model.embed(Image(torch.rand(1, *grid.shape), grid))
    assert embedding.features.shape == (SMALL.width, *SMALL.cells)
    for one in (embedding.feature_grid, embedding.mask_grid):
        np.testing.assert_allclose(one.extent, upright(grid).extent)
        np.testing.assert_allclose(one.center, grid.center)


def test_a_planar_image_is_refused_with_its_name(model):
    with pytest.raises(ValueError, match="histology"):
        model.embed(Image(torch.zeros(1, 8, 8), Grid((8, 8), default_affine(2)), "histology"))


def published(net):
    """A state dict as the released file holds it: one prefix for all, and parts that clicks do without."""
    others = ("text_encoder.dim_align.weight", "prompt_encoder.mask_downscaling.0.weight")
    others = (*others, "mask_decoder.txt_align_upscaled_embedding.bias")
    state = net.state_dict() | {key: torch.ones(1) for key in others}
    return {f"model.{key}": value for key, value in state.items()}


def test_the_published_layout_is_loaded(monkeypatch):
    weights = small_segvol(seed=1)
    monkeypatch.setattr("promptreg.models.segvol.SegVolNet", small_segvol)
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: published(weights))
    loaded = SegVolReleased().net.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in weights.state_dict().items())


def test_a_state_dict_with_other_keys_is_refused(monkeypatch):
    monkeypatch.setattr("promptreg.models.segvol.SegVolNet", small_segvol)
    state = published(small_segvol())
    state["model.prompt_encoder.extra"] = state.pop("model.prompt_encoder.no_mask_embed.weight")
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: state)
    with pytest.raises(ValueError, match=r"no_mask_embed(.|\n)*prompt_encoder\.extra"):
        SegVolReleased()


def test_absent_weights_are_an_error_that_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match="promptreg weights fetch segvol"):
        SegVolReleased()
