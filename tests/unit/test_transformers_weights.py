import subprocess
import sys

import pytest
import torch
from small_models.transformers_models import small_sam2, small_sam_hq, small_slimsam

from promptreg import checkpoints
from promptreg.models.transformers_weights import POSITIONS, loaded, positions_shared
from promptreg.state_dicts import read_state_dict


def serve(monkeypatch, state):
    monkeypatch.setattr(checkpoints, "load_state_dict", lambda name: dict(state))


@pytest.mark.parametrize("make", [small_sam2, small_slimsam])
def test_a_loaded_model_has_every_tensor_of_the_file(monkeypatch, make):
    original = make()
    serve(monkeypatch, original.state_dict())
    module = loaded("some", lambda: type(original)(original.config))
    for key, value in original.state_dict().items():
        assert torch.equal(module.state_dict()[key], value), key
    assert not [name for name, _ in module.named_buffers() if name not in module.state_dict()]


@pytest.mark.parametrize("absent", POSITIONS)
def test_a_file_may_hold_the_frequencies_of_positions_once(monkeypatch, absent):
    original = small_slimsam()
    state = original.state_dict()
    frequencies = state.pop(absent)
    serve(monkeypatch, state)
    module = loaded("some", lambda: type(original)(original.config))
    assert torch.equal(module.state_dict()[absent], frequencies)


def test_frequencies_that_are_wholly_absent_are_not_invented():
    assert positions_shared({"a": torch.zeros(1)}).keys() == {"a"}


def test_building_draws_no_random_numbers(monkeypatch):
    original = small_slimsam()
    serve(monkeypatch, original.state_dict())
    before = torch.get_rng_state()
    loaded("some", lambda: type(original)(original.config))
    assert torch.equal(torch.get_rng_state(), before)


def test_missing_and_unexpected_keys_and_wrong_shapes_are_fatal_and_named(monkeypatch):
    original = small_slimsam()
    state = original.state_dict()
    del state["mask_decoder.iou_token.weight"]
    state["mask_decoder.mask_tokens.weight"] = torch.zeros(5, 32)
    serve(monkeypatch, {**state, "surprise": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"iou_token(.|\n)*surprise(.|\n)*mask_tokens"):
        loaded("some", lambda: type(original)(original.config))


@pytest.mark.parametrize("make", [small_sam2, small_sam_hq, small_slimsam])
def test_a_file_that_transformers_writes_is_loaded(monkeypatch, tmp_path, make):
    original = make()
    original.save_pretrained(tmp_path)
    serve(monkeypatch, read_state_dict(tmp_path / "model.safetensors"))
    module = loaded("some", lambda: type(original)(original.config))
    assert all(torch.equal(module.state_dict()[key], value) for key, value in original.state_dict().items())


def test_transformers_is_imported_for_no_other_model():
    modules = ", ".join(f"promptreg.models.{name}" for name in ("sam2", "sam_hq", "slimsam"))
    code = f"import {modules}, sys\nassert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
