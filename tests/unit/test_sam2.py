import pytest
import torch
from small_models.transformers_models import small_sam2

from promptreg import checkpoints, registry
from promptreg.models.original_keys import sam2_image_keys
from promptreg.models.sam2 import SIZES, Sam2Net, Sam21Tiny, build

PUBLISHED_M = {"sam2_1_tiny": 38.9, "sam2_1_small": 46.0, "sam2_1_base_plus": 80.8, "sam2_1_large": 224.4}
"""Millions of parameters, with the memory of videos, as the authors state them."""


def count_m(module):
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@pytest.fixture(scope="module", params=SIZES)
def size(request):
    """The name of a size, and without memory for tensors its model of images and that of videos."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    config = SIZES[request.param].config()
    video = Sam2VideoConfig(
        vision_config=config.vision_config,
        enable_temporal_pos_encoding_for_object_pointers=True,
        enable_occlusion_spatial_embedding=True,
    )
    with torch.device("meta"):
        return request.param, build(request.param), Sam2VideoModel(video)


def test_sizes_are_those_published_and_registered(size):
    name, image, video = size
    assert count_m(video) == pytest.approx(PUBLISHED_M[name], abs=0.1)
    assert count_m(image) == pytest.approx(registry.MODELS[name].parameters_m, abs=0.05)


def test_of_the_published_file_every_key_is_used_or_belongs_to_videos(size):
    _, image, video = size
    expected = {key: value.shape for key, value in image.state_dict().items()}
    assert {k: v.shape for k, v in sam2_image_keys(video.state_dict()).items()} == expected


def test_embeddings_have_the_published_shapes(size):
    _, image, _ = size
    with torch.device("meta"):
        encoded = Sam2Net(image).encode(torch.empty(1, 3, 1024, 1024))
    assert encoded.features.shape == (1, 256, 64, 64)
    shapes = {name: tuple(part.shape[1:]) for name, part in encoded.extras.items()}
    assert shapes == {"stride_4": (32, 256, 256), "stride_8": (64, 128, 128)}


def test_the_token_for_no_memory_is_added_to_the_embedding():
    module = small_sam2()
    pixels = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = module.vision_encoder(pixels).fpn_hidden_states[2]
        added = Sam2Net(module).encode(pixels).features - plain
    expected = module.no_memory_embedding[0, 0, :, None, None].expand(32, 8, 8)
    torch.testing.assert_close(added[0], expected, atol=1e-4, rtol=0)


def test_absent_weights_are_an_error_that_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(checkpoints.CheckpointUnavailable, match=r"promptreg .*fetch sam2_1_tiny"):
        Sam21Tiny()
