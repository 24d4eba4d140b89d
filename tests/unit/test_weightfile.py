import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_pocket import SMALL_SIZES as SMALL
from small_pocket import scene

from promptreg.nets.pocket_net import seeded
from promptreg.nets.weightfile import check_record, read_about, read_weights, write_record, write_weights


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "small.safetensors"
    write_weights(seeded(0, SMALL), path, {"steps": 7, "trained_on": "nothing"})
    write_record(path)
    return path


@torch.no_grad()
def test_a_network_comes_back_to_half_precision(file):
    net, again = seeded(0, SMALL).eval(), read_weights(file)
    assert again.sizes == SMALL
    found, expected = again.encode(scene(64)).embedding, net.encode(scene(64)).embedding
    assert (found - expected).norm(dim=1).mean() < 0.01
    assert next(again.parameters()).dtype == torch.float32


def test_the_file_says_what_it_is_and_takes_two_bytes_a_weight(file):
    about = read_about(file)
    assert about["steps"] == 7
    assert about["architecture"]["embedding"] == SMALL.embedding
    n_weights = sum(p.numel() for p in seeded(0, SMALL).parameters())
    assert file.stat().st_size < 2 * n_weights + 40_000


def test_an_intact_file_passes_and_a_damaged_one_is_named_with_both_hashes(file):
    check_record(file)
    expected = json.loads(file.with_suffix(".json").read_text())["sha256"]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=expected) as error:
        check_record(file)
    assert str(file) in str(error.value)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(file):
    tensors = load_file(file)
    tensors["encoder.stem.bias"] = torch.zeros(3)
    save_file(tensors, file, metadata={k: json.dumps(v) for k, v in read_about(file).items()})
    with pytest.raises(ValueError, match=r"encoder\.stem\.bias.*\(16,\).*\(3,\)"):
        read_weights(file)


def test_a_missing_tensor_is_named(file):
    tensors = load_file(file)
    del tensors["encoder.stem.bias"]
    save_file(tensors, file, metadata={k: json.dumps(v) for k, v in read_about(file).items()})
    with pytest.raises(ValueError, match=r"encoder\.stem\.bias.*found None"):
        read_weights(file)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(ValueError, match="not a file of weights"):
        read_about(tmp_path / "text.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no architecture"):
        read_weights(tmp_path / "other.safetensors")
