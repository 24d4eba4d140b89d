import pytest
import torch
from safetensors.torch import save_file

from promptreg import checkpoints
from promptreg.models import mask_scores
from promptreg.models.mask_scores import foretold_iou, score_weights
from promptreg.nets.weightfile import write_record
from promptreg.training.scores import untrained


def some_cues(n=4, n_masks=6, n_cues=5):
    return torch.randn(n, n_masks, n_cues, generator=torch.Generator().manual_seed(0))


def weights(cues):
    return untrained(cues, torch.Generator().manual_seed(1))


def test_scores_are_finite_and_lie_between_0_and_1_for_cues_far_from_any_seen():
    cues = some_cues()
    scores = foretold_iou(1e6 * cues, weights(cues))
    assert scores.shape == (4, 6)
    assert scores.isfinite().all()
    assert 0 <= scores.min() <= scores.max() <= 1


def test_prompts_are_scored_one_by_one():
    cues = some_cues()
    together = foretold_iou(cues, weights(cues))
    torch.testing.assert_close(together[1:2], foretold_iou(cues[1:2], weights(cues)))
    assert foretold_iou(cues[:0], weights(cues)).shape == (0, 6)


def test_the_weights_of_the_package_are_intact_those_that_the_code_names_and_small():
    assert score_weights(2)["last"].shape == (16, 1)
    assert checkpoints.shipped_hash("mask_scores") == mask_scores.SHA256
    assert mask_scores.WEIGHTS.stat().st_size < 20_000


def test_a_damaged_file_is_refused_with_both_hashes(tmp_path):
    path = tmp_path / "mask_scores.safetensors"
    save_file({"2d.last": torch.zeros(3)}, path)
    write_record(path)
    assert list(mask_scores._shipped(path)) == ["2d.last"]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    mask_scores._shipped.cache_clear()
    with pytest.raises(ValueError, match="sha256"):
        mask_scores._shipped(path)
    mask_scores._shipped.cache_clear()
