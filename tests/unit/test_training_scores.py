import csv
import json

import pytest
import torch
from safetensors import safe_open

from promptreg.models.mask_scores import score_logits
from promptreg.nets.weightfile import check_record
from promptreg.training import scores
from promptreg.training.score_examples import Examples


def telling(n=400, n_masks=6):
    """Examples whose first cue is the IoU; the hand score is noise."""
    generator = torch.Generator().manual_seed(0)
    cues = torch.rand(n, n_masks, 10, generator=generator)
    clicks = torch.arange(n) % 2 + 1
    return Examples(cues, cues[..., 0].clone(), clicks, torch.arange(n) // 4)


def test_a_cue_that_tells_is_found(monkeypatch):
    monkeypatch.setattr(scores, "STEPS", 200)
    seen, unseen = scores.parted(telling())
    network = scores.fitted(seen, 0)
    for row in scores.table(unseen, network):
        assert row["learned"] > 0.95 * row["oracle"]
        assert row["by_hand"] < 0.8 * row["oracle"]


def test_the_same_seed_gives_the_same_network(monkeypatch):
    monkeypatch.setattr(scores, "STEPS", 5)
    first, again = (scores.fitted(telling(), 3) for _ in range(2))
    assert all(torch.equal(one, again[name]) for name, one in first.items())
    assert not torch.equal(first["first"], scores.fitted(telling(), 4)["first"])


def test_no_pair_is_on_both_sides():
    seen, unseen = scores.parted(telling())
    assert not set(seen.scene.tolist()) & set(unseen.scene.tolist())
    assert len(seen.iou) + len(unseen.iou) == 400


def test_the_loss_is_least_where_scores_order_the_masks_and_are_right():
    iou = torch.tensor([[0.2, 0.7, 0.5]])
    right = scores.loss(iou.logit(), iou)
    assert right < scores.loss(iou.flip(1).logit(), iou)
    assert right < scores.loss(torch.zeros_like(iou), iou)


def test_training_writes_weights_their_record_and_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr(scores, "STEPS", 3)
    monkeypatch.setattr(scores, "collected", lambda ndim, count, seed: telling())
    rows = scores.train_scores(tmp_path, seed=0, pairs={2: 4, 3: 4})
    check_record(tmp_path / scores.FILE)
    with safe_open(tmp_path / scores.FILE, framework="pt") as file:
        assert json.loads(file.metadata()["trained_on"]) == "synthetic images alone"
        assert file.get_tensor("3d.last").dtype == torch.float16
        assert {name.partition(".")[0] for name in file.keys()} == {"2d", "3d"}  # noqa: SIM118
    with (tmp_path / "mask_scores.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == len(rows) == 4


@pytest.mark.parametrize("n_masks", [6, 9])
def test_an_untrained_network_scores_any_pool(n_masks):
    cues = telling(8, n_masks).cues
    weights = scores.untrained(cues, torch.Generator().manual_seed(0))
    assert score_logits(cues, weights).shape == (8, n_masks)
