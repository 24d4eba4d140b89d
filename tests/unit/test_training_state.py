import pytest
import torch
from tiny_training import tiny_config

from promptreg.checkpoints import shipped_file
from promptreg.nets.weightfile import read_weights
from promptreg.training.config import TrainPocket
from promptreg.training.state import first_state, follow, load, save

CPU = torch.device("cpu")


def test_a_run_begins_with_weights_of_its_seed_and_their_average():
    one, same, other = (first_state(tiny_config(seed=seed), CPU) for seed in (0, 0, 1))
    for a, b in zip(one.trained.parameters(), same.trained.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.average.encoder.stem.weight, other.average.encoder.stem.weight)
    assert torch.equal(one.average.encoder.stem.weight, one.trained.net.encoder.stem.weight)


def test_the_average_moves_the_stated_way_towards_the_network():
    state = first_state(tiny_config(), CPU)
    with torch.no_grad():
        state.trained.net.encoder.stem.weight.fill_(1.0)
        state.average.encoder.stem.weight.fill_(0.0)
    follow(state.average, state.trained.net, 0.75)
    torch.testing.assert_close(
        state.average.encoder.stem.weight, torch.full_like(state.average.encoder.stem.weight, 0.25)
    )


def test_norms_and_biases_are_not_decayed():
    state = first_state(tiny_config(weight_decay=0.5), CPU)
    decayed, kept = state.optimizer.param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.5, 0.0)
    assert all(p.ndim > 1 for p in decayed["params"])
    n_trained = len(list(state.trained.parameters()))
    assert len(decayed["params"]) + len(kept["params"]) == n_trained


def test_a_checkpoint_gives_the_run_back(tmp_path):
    config = tiny_config()
    state = first_state(config, CPU)
    state.step, state.seconds, state.n_images = 3, 4.5, 6
    with torch.no_grad():
        state.average.encoder.stem.weight.add_(1)
    save(state, config, tmp_path / "checkpoint.pt")
    again = load(tmp_path / "checkpoint.pt", config, CPU)
    assert (again.step, again.seconds, again.n_images) == (3, 4.5, 6)
    assert torch.equal(again.average.encoder.stem.weight, state.average.encoder.stem.weight)
    assert [one.name for one in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_checkpoint_of_other_settings_is_refused_by_their_names(tmp_path):
    config = tiny_config()
    save(first_state(config, CPU), config, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="learning_rate differ"):
        load(tmp_path / "checkpoint.pt", tiny_config(learning_rate=0.5), CPU)


def test_a_run_can_begin_with_the_shipped_weights():
    state = first_state(TrainPocket(steps=1, initial="shipped"), CPU)
    shipped = read_weights(shipped_file("pocket")).state_dict()
    for name, value in state.trained.net.state_dict().items():
        assert torch.equal(value, shipped[name])
    assert all(p.requires_grad for p in state.trained.parameters())


def test_shipped_weights_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="change `network`"):
        first_state(tiny_config(initial="shipped"), CPU)
