import numpy as np
import pytest
import torch
from small_nninteractive import SIDE, small_nninteractive
from tiny_checkpoints import publish, row

from promptreg import checkpoints
from promptreg.geometry import cell_indices, default_affine, index_to_world
from promptreg.models import drawn_clicks
from promptreg.models.nninteractive import NnInteractive, NnInteractiveV1, channels, in_voxels, prepared
from promptreg.models.segvol import upright
from promptreg.types import Grid, Image

OBLIQUE = np.array(
    [[0.1, 0.2, 1.5, -20.0], [-0.2, 1.6, -0.1, 35.0], [4.0, 0.1, 0.3, 7.0], [0.0, 0.0, 0.0, 1.0]]
)
UPRIGHT = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1.0]])
"""Affine of an array whose axes run up, to the front and to the right."""

SHAPE = (20, 40, 33)
CLICKS, SIGNS = [(9, 20, 15), (14, 31, 4), (2, 5, 25)], [1, 0, 1]


@pytest.fixture(scope="module")
def model():
    return NnInteractive(small_nninteractive(), name="small", side=SIDE)


def volume():
    coarse = torch.randn(1, 1, 5, 9, 8, generator=torch.Generator().manual_seed(3))
    data = 100 + 50 * torch.nn.functional.interpolate(coarse, SHAPE, mode="trilinear")[0, 0]
    data[:3] = 0
    data[:, :, -5:] = 0
    return Image(data[None], Grid(SHAPE, UPRIGHT), "volume")


@pytest.mark.parametrize(("n_clicks", "voxels"), [(1, 2994), (2, 4893), (3, 6312)])
def test_masks_have_the_voxels_that_the_published_session_finds(model, monkeypatch, n_clicks, voxels):
    """Counts are those of nnInteractive 2.6.0 around this network, with its zoom switched off."""
    monkeypatch.setattr(drawn_clicks, "ZOOM_MOST", 1.0)
    embedding = model.embed(volume())
    clicks, signs = torch.tensor([CLICKS[:n_clicks]]).float(), torch.tensor([SIGNS[:n_clicks]])
    found = model.decode(embedding, clicks, signs)
    assert embedding.mask_grid.shape == SHAPE
    assert int((found.logits > 0).sum()) == pytest.approx(voxels, abs=5)
    assert not found.scores.any()


def test_intensities_have_mean_0_and_spread_1_in_the_box_that_is_not_empty():
    image = volume()
    inner = prepared(image, image.grid)[3:, :, :-5]
    assert inner.mean() == pytest.approx(0, abs=1e-5)
    assert inner.std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_volume_becomes_zero(value):
    grid = Grid((4, 5, 6), UPRIGHT)
    assert (prepared(Image(torch.full((1, 4, 5, 6), value), grid), grid) == 0).all()


@pytest.mark.parametrize(("shape", "affine"), [((8, 40, 52), OBLIQUE), ((30, 20, 60), default_affine(3))])
def test_the_voxel_under_a_click_is_the_one_that_the_network_sees_there(shape, affine):
    grid, seen = Grid(shape, affine), upright(Grid(shape, affine))
    world = index_to_world(grid, cell_indices(shape))
    clicks = torch.rand(20, 1, 3, generator=torch.Generator().manual_seed(0)) * (torch.tensor(shape) - 1)
    at = in_voxels(clicks, grid, seen)[:, 0]
    for axis in range(3):
        ramp = 1000 + world[..., axis][None].float()
        order = prepared(Image(ramp, grid), seen)
        mean, spread = ramp.mean(), ramp.std()
        expected = 1000 + index_to_world(grid, clicks.round())[:, 0, axis]
        found = order[at[:, 0], at[:, 1], at[:, 2]] * spread + mean
        torch.testing.assert_close(found, expected.float(), atol=2e-3, rtol=0)


def test_clicks_and_the_former_mask_have_the_published_channels():
    seen = torch.arange(4.0)[:, None, None, None].expand(-1, 2, 2, 2) + 1
    assert channels(seen)[:, 0, 0, 0].tolist() == [1, 2, 0, 0, 3, 4, 0, 0]


def test_features_of_one_cube_are_the_encoders_where_nothing_is_drawn(model):
    data = torch.randn(1, SIDE, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    image = Image(data, Grid((SIDE,) * 3, UPRIGHT))
    blank = torch.zeros(1, 8, SIDE, SIDE, SIDE)
    blank[0, 0] = prepared(image, image.grid)
    with torch.no_grad():
        expected = model.net.encoder(blank)[2][0]
    torch.testing.assert_close(model.embed(image).features, expected, atol=1e-4, rtol=1e-4)


def test_masks_of_a_large_volume_are_averaged_to_at_most_128_cells_a_side(model):
    shape = (4, 300, 260)
    embedding = model.embed(Image(torch.rand(1, *shape), Grid(shape, UPRIGHT @ np.diag([5.0, 1, 1, 1]))))
    assert max(embedding.mask_grid.shape) == 128
    assert embedding.mask_grid.shape[0] == 4


def test_a_planar_image_is_refused_with_its_name(model):
    with pytest.raises(ValueError, match="slide"):
        model.embed(Image(torch.zeros(1, 8, 8), Grid((8, 8), default_affine(2)), "slide"))


def published(state):
    """The layout of a released file: layers twice, the encoder again under the decoder, and what it adds."""
    copies = {}
    for key, value in state.items():
        names = [key, *(f"decoder.{key}" for _ in [0] if key.startswith("encoder."))]
        for name in names:
            copies[name] = value
            if ".conv." in name or ".norm." in name:
                copies[name.replace(".conv.", ".all_modules.0.").replace(".norm.", ".all_modules.1.")] = value
    return {"network_weights": copies, "init_args": {"configuration": "3d"}, "_best_ema": np.float64(0.5)}


def test_a_released_file_is_loaded_once_its_licence_is_accepted(tmp_path, monkeypatch):
    monkeypatch.setattr("promptreg.models.nninteractive.ResidualUNet", small_nninteractive)
    line = row(name="nninteractive", accept="noncommercial", key="network_weights", bytes="", sha256="")
    cache = publish(tmp_path, monkeypatch, line)
    state = {key: value + 1 for key, value in small_nninteractive().state_dict().items()}
    torch.save(published(state), cache / "tiny.pth")
    with pytest.raises(checkpoints.CheckpointUnavailable, match="not accepted"):
        NnInteractiveV1()
    monkeypatch.setenv("PROMPTREG_ACCEPT_LICENCES", "nninteractive")
    loaded = NnInteractiveV1().net.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in loaded.items())


def test_a_state_dict_with_other_keys_is_refused(monkeypatch):
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: {"encoder.stem": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"nninteractive.* missing: "):
        NnInteractiveV1()


def test_absent_weights_are_an_error_that_names_command_and_licence(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(checkpoints.CheckpointUnavailable, match=r"fetch nninteractive --accept-licence"):
        NnInteractiveV1()
