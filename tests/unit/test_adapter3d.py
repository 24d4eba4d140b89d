import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from segment_anything import sam_model_registry
from small_adapter import blobs, small_adapter
from small_sam import small_sam

from promptreg.checkpoints import CheckpointUnavailable
from promptreg.models import adapter3d
from promptreg.models.adapter3d import (
    AdapterSlices,
    SamAdapter,
    SamAdapter3d,
    read_learned,
    stated,
    write_learned,
    write_unavailable,
)
from promptreg.models.sam import SegmentAnything
from promptreg.models.slice_grids import plane_of
from promptreg.models.slicewise import Slicewise


@pytest.fixture
def on_small_sam(monkeypatch):
    """Put a small model of random weights where the published one would be."""
    monkeypatch.setattr(adapter3d, "base_sam", small_sam)


def plane(image):
    return plane_of(image.grid, 0)


def click(image):
    middle = [(n - 1) / 2 for n in image.grid.shape]
    return torch.tensor([[middle, [0.0] * len(middle)]]), torch.tensor([[1, 0]])


@pytest.mark.parametrize("shape", [(40, 60), (7, 40, 60)], ids=["picture", "volume"])
def test_without_training_the_model_is_segment_anything_exactly(shape):
    image, _ = blobs(0, shape=shape)
    plain, adapted = Slicewise(SegmentAnything(small_sam())), Slicewise(small_adapter(depth=3))
    first, second = plain.embed(image), adapted.embed(image)
    torch.testing.assert_close(second.features, first.features, atol=1e-4, rtol=1e-4)
    found, expected = adapted.decode(second, *click(image)), plain.decode(first, *click(image))
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-3, rtol=1e-3)


def test_slices_of_one_slab_see_each_other_and_those_of_another_do_not():
    model = small_adapter(drawn=True, depth=4)
    image, _ = blobs(0, shape=(8, 40, 60))
    stack, grid = model.prepare(image.data).movedim(1, 0), plane(image)
    other = stack.clone()
    other[1, :, 10:30, 10:30] = 200 - other[1, :, 10:30, 10:30]
    both = [model.embed_stack(one, grid) for one in (stack, other)]
    changed = [(a.features - b.features).abs().max().item() > 1e-4 for a, b in zip(*both, strict=True)]
    assert changed == [True] * 4 + [False] * 4


def test_pictures_that_are_embedded_together_do_not_see_each_other():
    model = AdapterSlices(small_adapter(drawn=True))
    pictures = [blobs(seed, shape=(40, 60))[0] for seed in (0, 1)]
    for together, image in zip(model.embed_all(pictures), pictures, strict=True):
        assert torch.equal(together.features, model.embed(image).features)


def test_slabs_are_as_equal_as_possible(monkeypatch):
    model, seen = small_adapter(depth=4), []
    encoder = model.sam.image_encoder
    monkeypatch.setattr(encoder, "forward", lambda x: (seen.append(len(x)), torch.zeros(len(x), 32, 8, 8))[1])
    model.embed_stack(torch.zeros(9, 3, 40, 60), plane(blobs(0, shape=(9, 40, 60))[0]))
    assert seen == [3, 3, 3]


def test_everything_is_frozen_until_it_is_trained_and_then_the_adapters_alone_or_with_the_decoder():
    model = small_adapter()
    assert not any(one.requires_grad for one in model.sam.parameters())
    adapters = set(model.sam.image_encoder.adapters.parameters())
    assert set(model.trainable(decoder=False)) == adapters
    assert set(model.trainable(decoder=True)) == adapters | set(model.sam.mask_decoder.parameters())
    assert not any(one.requires_grad for one in model.sam.image_encoder.encoder.parameters())
    assert not any(one.requires_grad for one in model.sam.prompt_encoder.parameters())


def test_at_vit_b_10_65_million_parameters_are_trained_in_the_encoder_and_4_06_in_the_decoder():
    with torch.device("meta"):
        model = SamAdapter(sam_model_registry["vit_b"](), depth=8)
    counts = [sum(p.numel() for p in model.trainable(decoder=both)) for both in (False, True)]
    assert counts[0] == 10_651_392
    assert counts[1] - counts[0] == 4_058_340


def test_a_written_file_gives_the_same_model_again(tmp_path, on_small_sam):
    file, image = tmp_path / "w.safetensors", blobs(0)[0]
    trained = small_adapter(drawn=True, depth=3)
    write_learned(trained, file, {"trained_on": "blobs"})
    again = SamAdapter3d(file)
    assert stated(file) == {"depth": 3, "trained_on": "blobs"}
    assert torch.equal(again.embed(image).features, Slicewise(trained).embed(image).features)
    assert again.name == "sam_adapter3d"


def test_a_file_with_a_tensor_missing_is_an_error_that_names_it(tmp_path):
    file, model = tmp_path / "w.safetensors", small_adapter()
    write_learned(model, file, {})
    tensors = load_file(file)
    tensors.pop("adapters.1.depth.up.bias")
    save_file(tensors, file, metadata={"about": json.dumps({"depth": 4})})
    with pytest.raises(ValueError, match=r"adapters\.1\.depth\.up\.bias"):
        read_learned(model, file)


def test_an_untrained_model_says_how_it_is_trained(tmp_path, monkeypatch):
    monkeypatch.setenv("PROMPTREG_CACHE", str(tmp_path))
    with pytest.raises(CheckpointUnavailable, match="promptreg train-adapter"):
        SamAdapter3d()


def test_a_file_without_weights_says_why_there_are_none(tmp_path):
    write_unavailable(tmp_path / "w.safetensors", "no labels")
    with pytest.raises(CheckpointUnavailable, match="not trained: no labels"):
        SamAdapter3d(tmp_path / "w.safetensors")


def test_a_file_of_something_else_is_an_error(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="states no depth"):
        stated(tmp_path / "w.safetensors")
