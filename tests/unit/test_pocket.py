import numpy as np
import pytest
import torch
from small_pocket import small_pocket

from promptreg.checkpoints import CheckpointUnavailable
from promptreg.geometry import default_affine, index_to_world, resample, visibility, world_to_index
from promptreg.models.pocket import PlanarPocket, Pocket
from promptreg.models.slicewise import Slicewise
from promptreg.nets.weightfile import write_record, write_weights
from promptreg.types import Grid, Image


@pytest.fixture(scope="module")
def model():
    return PlanarPocket(small_pocket(), side=64)


def noise(shape, *, spacing=None, channels=1, seed=0):
    data = torch.rand(channels, *shape, generator=torch.Generator().manual_seed(seed))
    return Image(data, Grid(shape, default_affine(len(shape), spacing)), "noise")


def one_click(*point):
    return torch.tensor([[list(point)]], dtype=torch.float32), torch.ones(1, 1, dtype=torch.long)


@pytest.mark.parametrize("shape", [(64, 64), (200, 90), (24, 300), (17, 16), (3, 5)])
def test_grids_cover_images_of_any_shape_exactly(model, shape):
    image = noise(shape)
    embedding = model.embed(image)
    for grid in (embedding.feature_grid, embedding.mask_grid):
        np.testing.assert_allclose(grid.extent, image.grid.extent)
        assert visibility(grid, image.grid).all()
    assert embedding.features.shape[1:] == embedding.feature_grid.shape
    found = model.decode(embedding, *one_click(1, 2))
    assert found.logits.shape[2:] == embedding.mask_grid.shape


def test_features_and_masks_have_a_quarter_and_half_of_the_encoders_cells(model):
    embedding = model.embed(noise((128, 256)))
    assert embedding.feature_grid.shape == (8, 16)
    assert embedding.mask_grid.shape == (16, 32)


def test_pixels_that_are_not_square_are_seen_in_their_true_proportions(model):
    embedding = model.embed(noise((32, 64), spacing=(2.0, 1.0)))
    assert embedding.feature_grid.shape == (16, 16)


def test_a_click_is_given_to_the_network_where_it_is_in_the_world(model, monkeypatch):
    image = noise((100, 160))
    embedding = model.embed(image)
    seen = []
    decode = model.net.decode
    monkeypatch.setattr(model.net, "decode", lambda e, p, k: seen.append(p) or decode(e, p, k))
    model.decode(embedding, *one_click(33, 121))
    world = index_to_world(image.grid, torch.tensor([33.0, 121.0]))
    cell = world_to_index(embedding.mask_grid, world)
    torch.testing.assert_close(seen[0][0, 0, 0], 2 * cell + 0.5)


def test_one_click_has_three_masks_and_several_have_one(model):
    embedding = model.embed(noise((64, 64)))
    points = torch.tensor([[[10.0, 10.0], [40.0, 40.0]]])
    assert model.decode(embedding, points, torch.tensor([[1, 0]])).scores.shape == (1, 1)
    assert model.decode(embedding, points, torch.tensor([[1, -1]])).scores.shape == (1, 3)
    mixed = model.decode(embedding, points.expand(2, 2, 2), torch.tensor([[1, 0], [1, -1]]))
    assert mixed.scores.shape == (2, 3)
    torch.testing.assert_close(mixed.logits[0, 0], mixed.logits[0, 2])


def test_many_prompts_are_decoded_in_chunks(model):
    embedding = model.embed(noise((64, 64)))
    points = 63 * torch.rand(50, 1, 2, generator=torch.Generator().manual_seed(1))
    found = model.decode(embedding, points, torch.ones(50, 1, dtype=torch.long))
    alone = model.decode(embedding, points[49:], torch.ones(1, 1, dtype=torch.long))
    torch.testing.assert_close(found.logits[49], alone.logits[0], atol=1e-4, rtol=1e-4)


def test_a_brighter_image_with_more_contrast_is_the_same_image(model):
    image = noise((64, 64))
    other = Image(300 * image.data + 70, image.grid)
    torch.testing.assert_close(model.embed(other).features, model.embed(image).features, atol=1e-2, rtol=1e-2)


def test_grey_images_become_three_equal_channels_and_colours_stay():
    model = PlanarPocket(small_pocket(), side=64)
    grey = model.prepare(noise((32, 32)).data)
    assert torch.equal(grey[0], grey[1])
    colours = (255 * noise((32, 32), channels=3).data).round()
    torch.testing.assert_close(model.prepare(colours), colours / 255)


def test_a_volume_of_one_slice_is_encoded_like_that_slice(model):
    volume = Slicewise(model).embed(noise((1, 40, 64), spacing=(3.0, 1.0, 1.0)))
    plane = model.embed(Image(noise((1, 40, 64)).data[:, 0], Grid((40, 64), default_affine(2)), ""))
    torch.testing.assert_close(volume.features[:, 0], plane.features)


def test_a_volume_in_colour_is_encoded(model):
    embedding = Slicewise(model).embed(noise((2, 40, 64), spacing=(3.0, 1.0, 1.0), channels=3))
    assert embedding.features.shape[1:] == (2, *embedding.feature_grid.shape[1:])


def test_a_volume_is_no_planar_image(model):
    with pytest.raises(ValueError, match="planar"):
        model.embed(noise((4, 32, 32)))


def test_weights_come_from_the_file_and_are_checked(tmp_path):
    path = tmp_path / "small.safetensors"
    write_weights(small_pocket(), path, {})
    write_record(path)
    image = noise((64, 64))
    found, expected = (
        one.embed(image).features for one in (PlanarPocket.from_weights(path), PlanarPocket(small_pocket()))
    )
    assert (found - expected).norm(dim=0).mean() < 0.02
    path.write_bytes(path.read_bytes()[:-4] + b"\x00\x01\x02\x03")
    with pytest.raises(ValueError, match=r"small\.safetensors is damaged"):
        PlanarPocket.from_weights(path)


def test_without_weights_the_model_says_that_it_cannot_run(tmp_path, monkeypatch):
    monkeypatch.setattr("promptreg.models.pocket.WEIGHTS", tmp_path / "pocket.safetensors")
    with pytest.raises(CheckpointUnavailable, match="no weights"):
        Pocket()


def test_a_mask_moves_with_the_image_in_the_world():
    """Random weights make no sense of an image, but of the same image elsewhere the same."""
    model, data = PlanarPocket(small_pocket(), side=64), noise((64, 64)).data
    near = Image(data, Grid((64, 64), default_affine(2)))
    affine = default_affine(2)
    affine[:2, 2] = [100.0, -30.0]
    far = Image(data, Grid((64, 64), affine))
    masks = [
        resample(
            model.decode(model.embed(one), *one_click(20, 30)).logits[0], model.embed(one).mask_grid, one.grid
        )
        for one in (near, far)
    ]
    torch.testing.assert_close(masks[0], masks[1])
