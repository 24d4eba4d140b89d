import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from promptreg.config import Learn
from promptreg.nets.registration.recipes import RECIPES, seeded_net
from promptreg.training.registration_data import Example
from promptreg.training.registration_loop import Task, train_network

SHAPE = (32, 32)


def shifted(number, cells=2):
    """A pair whose moving image is the fixed one, a few cells further down, with two labels."""
    draws = torch.rand(40, 40, generator=torch.Generator().manual_seed(number))
    smooth = torch.from_numpy(gaussian_filter(draws.numpy(), 2))
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    labels = (smooth > 0.6).int() + (smooth > 0.4).int()
    there = (slice(4 - cells, 36 - cells), slice(4, 36))
    here = (slice(4, 36), slice(4, 36))
    return Example(smooth[there][None], smooth[here][None], labels[there], labels[here], f"e{number}")


def task(method, n_fit=3, n_validation=1, **settings):
    config = Learn(**{"validate_every": 2, "steps": 4, "step_size": 1e-3, **settings})
    examples = [shifted(number) for number in range(n_fit + n_validation)]
    device = torch.device("cpu")
    return Task(examples[:n_fit], examples[n_fit:], RECIPES[method], config, 1, device)


def trained(folder, one, method, *, steps=None, signature="s"):
    if steps is not None:
        one = Task(
            one.fit, one.validation, one.recipe, one.config.model_copy(update={"steps": steps}), 1, one.device
        )
    net = seeded_net(method, SHAPE, 0.125, 3)
    run = train_network(net, one, folder, name="2d", signature=signature)
    return net, run


def weights(net):
    return torch.nn.utils.parameters_to_vector(net.parameters())


@pytest.mark.parametrize("method", ["voxelmorph", "labelreg", "transmorph"])
def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(method, tmp_path):
    one = task(method)
    whole, _ = trained(tmp_path / "whole", one, method)
    trained(tmp_path / "parts", one, method, steps=2)
    resumed, run = trained(tmp_path / "parts", one, method)
    assert run.step == 4
    assert torch.equal(weights(whole), weights(resumed))
    logs = [(tmp_path / name / "log_2d.csv").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]


def test_a_checkpoint_of_other_data_or_settings_is_replaced(tmp_path):
    one = task("voxelmorph")
    trained(tmp_path, one, "voxelmorph", signature="other")
    _, run = trained(tmp_path, one, "voxelmorph", steps=2)
    assert run.step == 2


def test_training_ends_when_validations_bring_nothing(tmp_path):
    one = task("voxelmorph", steps=50, patience=2, step_size=1e-12)
    _, run = trained(tmp_path, one, "voxelmorph")
    assert run.step - run.best_step == 4
    assert run.step < 50


def test_the_weights_that_were_best_on_validation_are_kept(tmp_path):
    one = task("voxelmorph", steps=12, step_size=0.05, patience=50)
    net, run = trained(tmp_path, one, "voxelmorph")
    log = pd.read_csv(tmp_path / "log_2d.csv")
    assert run.best_step == log["step"][log["validation"].idxmin()]
    assert all(torch.equal(value, run.best[name]) for name, value in net.state_dict().items())
    assert not net.training


@pytest.mark.parametrize("method", ["voxelmorph", "labelreg"])
def test_a_constant_shift_is_learned_and_raises_dice_on_pairs_not_seen(method, tmp_path):
    one = task(method, n_fit=4, steps=40, validate_every=20, step_size=3e-3, smoothness=0.1)
    trained(tmp_path, one, method)
    log = pd.read_csv(tmp_path / "log_2d.csv")
    assert log["validation"].min() < log["validation"][0] - 0.02
    assert log["dice"].max() > log["dice"][0] + 0.02


def test_keypoints_are_taught_first_and_then_registered(tmp_path):
    one = task("keymorph_affine", steps=8, validate_every=2)
    assert one.taught == 2
    trained(tmp_path, one, "keymorph_affine")
    log = pd.read_csv(tmp_path / "log_2d.csv")
    assert log["unlikeness"].isna().tolist() == [True, True, False, False, False]


def test_training_leaves_the_global_generator(tmp_path):
    before = torch.random.get_rng_state()
    trained(tmp_path, task("transmorph", steps=1, validate_every=1), "transmorph")
    assert torch.equal(torch.random.get_rng_state(), before)
