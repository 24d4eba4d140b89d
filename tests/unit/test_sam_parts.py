import pytest
import torch
from segment_anything import sam_model_registry
from small_sam import small_sam

from promptreg import checkpoints
from promptreg.models.sam_parts import vit_b, with_weights


def test_our_vit_b_has_the_tensors_of_the_packages_own():
    with torch.device("meta"):
        ours, theirs = vit_b().state_dict(), sam_model_registry["vit_b"]().state_dict()
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def test_our_vit_b_attends_globally_where_the_packages_own_does_and_normalizes_alike():
    with torch.device("meta"):
        ours, theirs = (build().image_encoder for build in (vit_b, sam_model_registry["vit_b"]))
    assert [b.window_size for b in ours.blocks] == [b.window_size for b in theirs.blocks]
    assert [b.norm1.eps for b in ours.blocks] == [b.norm1.eps for b in theirs.blocks]
    assert [b.attn.num_heads for b in ours.blocks] == [b.attn.num_heads for b in theirs.blocks]


def test_weights_are_loaded_under_the_names_that_they_are_given(monkeypatch):
    state = {f"module.{key}": value + 1 for key, value in small_sam().state_dict().items()}
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: state)
    sam = with_weights(small_sam(), "some", lambda s: {k.removeprefix("module."): v for k, v in s.items()})
    assert all(torch.equal(value, state[f"module.{key}"]) for key, value in sam.state_dict().items())


def test_a_tensor_of_another_shape_is_refused_by_its_name(monkeypatch):
    state = small_sam().state_dict() | {"image_encoder.pos_embed": torch.zeros(1, 16, 16, 32)}
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: state)
    with pytest.raises(ValueError, match=r"image_encoder\.pos_embed \(1, 16, 16, 32\)"):
        with_weights(small_sam(), "some")
