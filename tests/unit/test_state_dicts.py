import argparse
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from promptreg.state_dicts import load_strictly, read_state_dict

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.tensor([1.0, 2.0])}


class Dangerous:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("should-not-exist",)


def saved(content, path):
    torch.save(content, path)
    return path


def same(found):
    return list(found) == list(STATE) and all(torch.equal(found[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("suffix", ["pth", "pt"])
def test_a_plain_state_dict_is_read(tmp_path, suffix):
    assert same(read_state_dict(saved(STATE, tmp_path / f"a.{suffix}")))


def test_a_safetensors_file_is_read(tmp_path):
    save_file(STATE, tmp_path / "a.safetensors")
    found = read_state_dict(tmp_path / "a.safetensors")
    assert {key: value.tolist() for key, value in found.items()} == {k: v.tolist() for k, v in STATE.items()}


def test_the_state_dict_is_taken_from_its_key_beside_what_training_scripts_save(tmp_path):
    content = {
        "model": STATE,
        "args": argparse.Namespace(rate=0.1),
        "best": np.float64(0.5),
        "losses": [np.float32(1), 2.0],
        "dices": np.arange(3.0),
        "epoch": 3,
    }
    assert same(read_state_dict(saved(content, tmp_path / "a.pth"), "model"))


def test_an_absent_key_is_named_with_the_keys_that_are_there(tmp_path):
    with pytest.raises(ValueError, match=r"a\.pth has no key 'model': its keys are state, epoch"):
        read_state_dict(saved({"state": STATE, "epoch": 1}, tmp_path / "a.pth"), "model")


def test_what_is_no_state_dict_is_refused_with_the_key_to_name(tmp_path):
    with pytest.raises(ValueError, match=r"a\.pth holds more than tensors: model; .* `key`"):
        read_state_dict(saved({"model": STATE}, tmp_path / "a.pth"))
    with pytest.raises(ValueError, match="holds no state dict: it holds a list"):
        read_state_dict(saved([1, 2], tmp_path / "b.pth"))
    with pytest.raises(ValueError, match="holds no state dict: its keys are none"):
        read_state_dict(saved({"model": {}}, tmp_path / "c.pth"), "model")


def test_a_pickle_that_wants_to_run_code_is_refused_and_runs_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = saved({"model": STATE, "hook": Dangerous()}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth is not loaded"):
        read_state_dict(file, "model")
    assert not (tmp_path / "should-not-exist").exists()


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("kept", [0, 3, 200])
def test_a_damaged_file_is_named(tmp_path, suffix, kept):
    file = tmp_path / f"a.{suffix}"
    save_file(STATE, file) if suffix == "safetensors" else torch.save(STATE, file)
    file.write_bytes(file.read_bytes()[: min(kept, file.stat().st_size - 1)])
    with pytest.raises(ValueError, match=rf"a\.{suffix} is no"):
        read_state_dict(file)


def test_matching_weights_are_loaded():
    module = nn.Linear(3, 2)
    load_strictly(module, STATE, "tiny")
    assert same(module.state_dict())


def test_missing_unexpected_and_misshapen_keys_are_all_named_and_nothing_is_loaded():
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    state = {
        "0.weight": torch.zeros(5, 3),
        "0.bias": torch.zeros(2),
        "1.weight": torch.zeros(2, 2),
        "x": before["1.bias"],
    }
    with pytest.raises(ValueError, match="'tiny' are not those of Sequential") as error:
        load_strictly(module, state, "tiny")
    text = str(error.value)
    assert "1 missing: 1.bias" in text
    assert "1 unexpected: x" in text
    assert "1 of another shape: 0.weight (5, 3) instead of (2, 3)" in text
    assert all(torch.equal(module.state_dict()[key], before[key]) for key in before)


def test_ten_names_of_many_are_shown_with_their_count():
    state = STATE | {f"extra{number:02d}": torch.zeros(1) for number in range(12)}
    with pytest.raises(ValueError, match=r"12 unexpected: extra00, .*, extra09, \.\.\.$"):
        load_strictly(nn.Linear(3, 2), state, "tiny")
