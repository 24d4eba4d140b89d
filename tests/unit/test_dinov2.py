import numpy as np
import pytest
import torch
from PIL import Image as Picture
from small_models.feature_models import small_dino

from promptreg import checkpoints
from promptreg.geometry import cell_indices, default_affine, index_to_world, world_to_index
from promptreg.models import dinov2
from promptreg.models.dinov2 import WIDTHS, DinoSmall, as_package_names, published_net
from promptreg.models.sam_settings import normalized
from promptreg.types import Grid, Image


@pytest.fixture(scope="module")
def dino():
    return small_dino()


def picture(shape, *, seed=0):
    """Smooth random 8-bit colours (3, Y, X)."""
    coarse = 255 * torch.rand(1, 3, 7, 7, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, shape, mode="bicubic").clamp(0, 255).round()[0]


def as_image(colours):
    return Image(colours, Grid(tuple(colours.shape[1:]), default_affine(2), "px"), "picture")


def published(name, *, layers=12):
    """Keys and shapes of the published file, by the names that its authors gave."""
    width, _ = WIDTHS[name]
    block = {
        **{f"norm{i}.{part}": (width,) for i in (1, 2) for part in ("weight", "bias")},
        **{f"attention.attention.{one}.weight": (width, width) for one in ("query", "key", "value")},
        **{f"attention.attention.{one}.bias": (width,) for one in ("query", "key", "value")},
        "attention.output.dense.weight": (width, width),
        "attention.output.dense.bias": (width,),
        **{f"layer_scale{i}.lambda1": (width,) for i in (1, 2)},
        "mlp.fc1.weight": (4 * width, width),
        "mlp.fc1.bias": (4 * width,),
        "mlp.fc2.weight": (width, 4 * width),
        "mlp.fc2.bias": (width,),
    }
    return {
        "embeddings.cls_token": (1, 1, width),
        "embeddings.mask_token": (1, width),
        "embeddings.position_embeddings": (1, 1 + 37 * 37, width),
        "embeddings.patch_embeddings.projection.weight": (width, 3, 14, 14),
        "embeddings.patch_embeddings.projection.bias": (width,),
        **{f"encoder.layer.{n}.{key}": shape for n in range(layers) for key, shape in block.items()},
        "layernorm.weight": (width,),
        "layernorm.bias": (width,),
    }


@pytest.mark.parametrize(("name", "millions"), [("dinov2_small", 22.06), ("dinov2_base", 86.58)])
def test_every_published_key_has_its_place_in_the_model_and_none_is_left(name, millions):
    with torch.device("meta"):
        net = published_net(*WIDTHS[name])
        renamed = as_package_names({key: torch.empty(shape) for key, shape in published(name).items()})
    assert {key: value.shape for key, value in renamed.items()} == {
        key: value.shape for key, value in net.state_dict().items()
    }
    assert len(renamed) == len(published(name))
    assert round(sum(value.numel() for value in net.parameters()) / 1e6, 2) == millions


def test_features_are_those_of_another_implementation_with_the_same_weights(dino):
    from timm.models.vision_transformer import VisionTransformer

    other = VisionTransformer(
        img_size=84, patch_size=14, embed_dim=48, depth=2, num_heads=4, init_values=1.0, num_classes=0
    ).eval()
    state = {}
    for key, value in dino.net.state_dict().items():
        for old, new in (
            ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
            ("embeddings.position_embeddings", "pos_embed"),
            ("embeddings.", ""),
            ("encoder.layer.", "blocks."),
            ("attention.o_proj", "attn.proj"),
            ("layer_scale", "ls"),
            ("lambda1", "gamma"),
            ("layernorm", "norm"),
        ):
            key = key.replace(old, new)
        state[key] = value
    for block in (0, 1):
        for part in ("weight", "bias"):
            rows = [state.pop(f"blocks.{block}.attention.{kind}_proj.{part}") for kind in "qkv"]
            state[f"blocks.{block}.attn.qkv.{part}"] = torch.cat(rows)
    state.pop("mask_token")
    other.load_state_dict(state)
    colours = picture((84, 84))
    found = dino.embed(as_image(colours)).features
    with torch.no_grad():
        expected = other.forward_features(normalized(colours[None]))[0, 1:].T.reshape(48, 6, 6)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_what_the_encoder_sees_is_pillows_picture_at_the_training_images_mean_and_spread(dino, monkeypatch):
    seen, encode = [], dino._encode

    def watched(pixels):
        seen.append(pixels)
        return encode(pixels)

    monkeypatch.setattr(dino, "_encode", watched)
    colours = picture((60, 90))
    embedding = dino.embed(as_image(colours))
    pixels = colours.permute(1, 2, 0).to(torch.uint8).numpy()
    golden = np.asarray(Picture.fromarray(pixels).resize((84, 56), Picture.Resampling.BILINEAR)) / 255
    golden = (golden - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert (np.abs(seen[0][0].permute(1, 2, 0).numpy() - golden) > 1e-5).mean() < 0.01
    assert embedding.features.shape == (48, 4, 6)


def test_a_bright_spot_changes_the_features_where_it_lies_in_the_world(dino):
    grid = Grid((60, 120), np.array([[0.0, 2.0, 5.0], [-3.0, 0.0, -7.0], [0.0, 0.0, 1.0]]))
    base = torch.full((3, 60, 120), 90.0)
    changed = base.clone()
    changed[:, 0:16, 90:112] = 250.0
    embedding = dino.embed(Image(changed, grid))
    change = (embedding.features - dino.embed(Image(base, grid)).features).norm(dim=0)
    cell = cell_indices(change.shape).reshape(-1, 2)[change.argmax()]
    row, column = world_to_index(grid, index_to_world(embedding.feature_grid, cell)).tolist()
    assert abs(row - 7.5) < 20
    assert abs(column - 100.5) < 20


def test_a_volume_is_encoded_slice_by_slice(dino):
    grid = Grid((4, 42, 42), default_affine(3, [5.0, 1.0, 1.0]))
    data = torch.stack([picture((42, 42), seed=seed).mean(0) for seed in range(4)])[None]
    data[0, :, 0, :2] = torch.tensor([1.0, 255.0])
    volume = dino.embed(Image(data, grid)).features
    assert volume.shape == (48, 4, 6, 6)
    assert not torch.allclose(volume[:, 0], volume[:, 1])


def test_absent_weights_are_an_error_that_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match="promptreg weights fetch dinov2_small"):
        DinoSmall()


def test_a_state_dict_with_other_keys_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: {"cls_token": torch.zeros(1)})
    monkeypatch.setattr(dinov2, "published_net", lambda width, heads: small_dino().net)
    with pytest.raises(ValueError, match="cls_token"):
        DinoSmall()
