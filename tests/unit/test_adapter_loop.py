import pandas as pd
import pytest
import torch
from small_adapter import blobs, small_adapter, untrained_sam

from promptreg.config import Train
from promptreg.models.adapter3d import SamAdapter
from promptreg.training import adapter_loop
from promptreg.training.adapter_data import labelled_stack
from promptreg.training.adapter_loop import CHECKPOINT, LOG, mean_dice, train_adapter

CPU = torch.device("cpu")


def stacks(model, *seeds, shape=(6, 48, 48)):
    return [labelled_stack(*blobs(seed, shape=shape), model.prepare) for seed in seeds]


def trained(out, model, *, validation=(), signature="s", fit=None, **changes):
    settings = {"steps": 6, "depth": 3, "regions": 2, "clicks": 2, "validate_every": 2, "step_size": 1e-3}
    images = stacks(model, 0, 1) if fit is None else fit
    config = Train(**{**settings, **changes})
    return train_adapter(
        model, images, list(validation), config, out, seed=0, signature=signature, device=CPU
    )


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run that learns blobs: Dice on held-out volumes before and after, and its log."""
    out = tmp_path_factory.mktemp("learned")
    model = SamAdapter(untrained_sam(), depth=3)
    held_out = stacks(model, 6, 7, 8)
    before = mean_dice(model, held_out, seed=5, device=CPU)
    trained(
        out,
        model,
        fit=stacks(model, 0, 1, 2, 3),
        validation=stacks(model, 4, 5),
        **{"steps": 80, "step_size": 8e-3, "regions": 4, "clicks": 3, "validate_every": 20},
    )
    return before, mean_dice(model, held_out, seed=5, device=CPU), pd.read_csv(out / LOG)


def test_training_raises_dice_on_volumes_that_it_has_not_seen(learned):
    before, after, _ = learned
    assert before < 0.3
    assert after > before + 0.2


def test_the_loss_falls(learned):
    losses = learned[2]["loss"].dropna()
    assert losses.iloc[-1] < 0.8 * losses.iloc[0]


def test_the_log_has_a_line_for_every_validation_and_one_for_the_untrained_model(learned):
    assert learned[2]["step"].tolist() == [0, 20, 40, 60, 80]
    assert learned[2]["dice"].notna().all()


def test_what_is_frozen_does_not_move_and_what_is_trained_does(tmp_path):
    model = small_adapter()
    before = {name: one.clone() for name, one in model.sam.state_dict().items()}
    trained(tmp_path, model)
    moved = {name for name, one in model.sam.state_dict().items() if not torch.equal(one, before[name])}
    assert all(name.startswith(("image_encoder.adapters", "mask_decoder")) for name in moved)
    assert {name.split(".")[0] for name in moved} == {"image_encoder", "mask_decoder"}
    assert not any(one.requires_grad for one in model.sam.parameters())


def test_without_the_decoder_the_adapters_alone_move(tmp_path):
    model = small_adapter()
    before = {name: one.clone() for name, one in model.sam.state_dict().items()}
    trained(tmp_path, model, decoder=False, steps=2)
    moved = {name for name, one in model.sam.state_dict().items() if not torch.equal(one, before[name])}
    assert moved
    assert all(name.startswith("image_encoder.adapters") for name in moved)


def test_pictures_are_trained_on_as_slabs_of_one_slice(tmp_path):
    model = small_adapter()
    run = trained(tmp_path, model, fit=stacks(model, 0, 1, shape=(40, 60)), steps=2)
    assert run.step == 2


def test_an_interrupted_run_goes_on_as_if_it_had_never_stopped(tmp_path, monkeypatch):
    whole, parted = small_adapter(), small_adapter()
    trained(tmp_path / "whole", whole)
    real = adapter_loop._step

    def killed(run, *rest):
        if run.step == 5:
            raise KeyboardInterrupt
        return real(run, *rest)

    monkeypatch.setattr(adapter_loop, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parted", parted)
    monkeypatch.setattr(adapter_loop, "_step", real)
    again = small_adapter()
    trained(tmp_path / "parted", again)
    first, second = whole.learned.state_dict(), again.learned.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (tmp_path / "parted" / LOG).read_text() == (tmp_path / "whole" / LOG).read_text()


def test_a_checkpoint_of_other_data_or_settings_is_not_gone_on_from(tmp_path, monkeypatch):
    trained(tmp_path, small_adapter(), steps=2, signature="old")
    seen = []
    real = adapter_loop._step
    monkeypatch.setattr(
        adapter_loop, "_step", lambda run, *rest: (seen.append(run.step), real(run, *rest))[1]
    )
    trained(tmp_path, small_adapter(), steps=2, signature="new")
    assert seen == [0, 1]
    assert torch.load(tmp_path / CHECKPOINT, weights_only=True)["signature"] == "new"


def test_it_stops_when_validation_gets_no_better_and_keeps_the_best_weights(tmp_path, monkeypatch):
    model = small_adapter()
    measured = iter([0.0, 0.3, 0.0, 0.5, 0.0, 0.4, 0.0, 0.4, 0.0, 0.9])
    monkeypatch.setattr(adapter_loop, "mean_dice", lambda *_, **__: next(measured))
    run = trained(tmp_path, model, validation=stacks(model, 4), steps=20, patience=2)
    assert (run.step, run.best_step, run.best_dice) == (6, 2, 0.5)
    kept = model.learned.state_dict()
    assert all(torch.equal(kept[name], run.best[name]) for name in kept)


def test_the_same_seed_gives_the_same_weights(tmp_path):
    first, second = small_adapter(), small_adapter()
    trained(tmp_path / "a", first, steps=2)
    trained(tmp_path / "b", second, steps=2)
    both = first.learned.state_dict(), second.learned.state_dict()
    assert all(torch.equal(both[0][name], both[1][name]) for name in both[0])
