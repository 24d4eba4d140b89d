import pytest
import torch
from tiny_training import tiny_config

from promptreg.nets.weightfile import check_record, read_about, read_weights
from promptreg.training.export import export, finish, verify
from promptreg.training.log import append, begin
from promptreg.training.loop import LOG
from promptreg.training.state import first_state, save

CPU = torch.device("cpu")


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint whose average differs from its network."""
    config = tiny_config()
    state = first_state(config, CPU)
    state.step, state.n_images = 5, 10
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in state.average.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    save(state, config, tmp_path / "checkpoint.pt")
    return tmp_path / "checkpoint.pt", state


def test_the_averaged_weights_are_written_with_their_hash(checkpoint, tmp_path):
    path, state = checkpoint
    weights = tmp_path / "pocket.safetensors"
    record = export(path, weights)
    check_record(weights)
    assert record["bytes"] == weights.stat().st_size
    written = read_weights(weights).encoder.stem.weight
    torch.testing.assert_close(written, state.average.encoder.stem.weight, atol=1e-3, rtol=1e-3)


def test_the_file_says_how_it_was_trained(checkpoint, tmp_path):
    export(checkpoint[0], tmp_path / "pocket.safetensors")
    about = read_about(tmp_path / "pocket.safetensors")
    assert (about["steps"], about["images"]) == (5, 10)
    assert about["training"]["n_pairs"] == tiny_config().n_pairs
    assert about["trained_on"] == "synthetic images alone"
    assert len(about["code"]) >= 8


def test_a_network_that_computes_something_else_is_refused(checkpoint):
    state = checkpoint[1]
    verify(state.average, state.average)
    with pytest.raises(ValueError, match="differs"):
        verify(state.trained.net, state.average)


def test_a_run_can_be_exported_before_it_ends(checkpoint, tmp_path):
    begin(tmp_path / LOG, 0)
    append(tmp_path / LOG, {"step": 2, "n_images": 4, "mask": 1.0, "best_of_3": 0.2})
    weights = finish(tmp_path)
    check_record(weights)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
