import csv

import pytest
import torch
from safetensors import safe_open

from promptreg.models import train_mask_score
from promptreg.models.click_examples import Examples
from promptreg.models.mask_score import foretold_dice, untrained
from promptreg.models.train_mask_score import chosen_dice, curve_row, fit, loss, train


def toy(n, seed):
    """Examples of six candidates whose Dice the eighth cue tells; the first seven say nothing."""
    generator = torch.Generator().manual_seed(seed)
    cues = torch.rand(n, 6, 9, generator=generator)
    cues[..., -1] = (torch.arange(n) % 2)[:, None]
    return Examples(cues, (cues[..., 7] - 0.5).abs() * 2)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(train_mask_score, "STEPS", 400)


def test_the_network_learns_which_candidate_is_best_where_the_hand_score_cannot_know(short):
    *_, (step, _, weights) = fit(toy(2000, 0), seed=0)
    row = curve_row(toy(500, 1), weights)
    assert step == 400
    for ndim in (2, 3):
        assert row[f"chosen_{ndim}d"] > row[f"by_hand_{ndim}d"] + 0.2
        assert row[f"oracle_{ndim}d"] - row[f"chosen_{ndim}d"] < 0.02
    assert row["error"] < 0.08


def test_the_same_seed_fits_the_same_weights(short):
    *_, (_, first_loss, first) = fit(toy(300, 0), seed=3)
    *_, (_, again_loss, again) = fit(toy(300, 0), seed=3)
    assert first_loss == again_loss
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_loss_is_least_where_the_foretold_dice_is_right():
    dice = torch.tensor([[0.9, 0.2, 0.5]])
    assert loss(dice, dice) < loss(dice.flip(1), dice)
    assert loss(dice, dice) < loss(dice * 0.5, dice)


def test_the_chosen_dice_is_that_of_the_highest_score():
    examples = Examples(torch.zeros(2, 3, 1), torch.tensor([[0.1, 0.2, 0.3], [0.6, 0.5, 0.4]]))
    assert chosen_dice(examples, torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])) == pytest.approx(0.3)


def test_training_writes_weights_with_what_they_are_and_a_curve_on_unseen_images(short, tmp_path):
    parts = [toy(40, seed) for seed in range(20)]
    train(parts, tmp_path / "score.safetensors", 0)
    with safe_open(tmp_path / "score.safetensors", framework="pt") as file:
        about = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert about["images"] == "20"
    assert about["held_out_images"] == "4"
    assert about["trained_on"] == "synthetic images"
    rows = list(csv.DictReader((tmp_path / "score.csv").open()))
    assert [row["step"] for row in rows] == ["200", "400"]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    held_out = Examples(
        *(torch.cat(ones) for ones in zip(*((p.cues, p.dice) for p in parts[-4:]), strict=True))
    )
    error = (foretold_dice(held_out.cues, weights) - held_out.dice).abs().mean()
    assert float(rows[-1]["error"]) == pytest.approx(float(error), rel=1e-3)


def test_an_untrained_network_is_drawn_from_its_generator_and_normalizes_cues():
    cues = toy(200, 0).cues * 40 + 3
    weights = untrained(cues, 16, torch.Generator().manual_seed(0))
    again = untrained(cues, 16, torch.Generator().manual_seed(0))
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    normal = (cues - weights["mean"]) / weights["spread"]
    assert normal.flatten(0, 1).std(0) == pytest.approx(torch.ones(9), abs=1e-3)
