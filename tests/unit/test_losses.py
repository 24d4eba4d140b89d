import math

import pytest
import torch

from promptreg.training.losses import intersection_over_union, mask_loss, segmentation_loss


def half():
    """A region (8, 8) that is the left half."""
    truth = torch.zeros(8, 8)
    truth[:, :4] = 1
    return truth


def test_undecided_masks_cost_what_the_formulas_say():
    found = mask_loss(torch.zeros(8, 8), half(), balanced=1.0).item()
    focal, entropy, dice = 0.25 * math.log(2), math.log(2), 1 - (2 * 16 + 1) / (32 + 32 + 1)
    assert found == pytest.approx(2 * focal + entropy + dice, abs=1e-5)


def test_a_perfect_mask_costs_nothing_and_its_opposite_much():
    certain = 40 * (2 * half() - 1)
    assert mask_loss(certain, half(), balanced=1.0).item() < 1e-4
    assert mask_loss(-certain, half(), balanced=1.0).item() > 20


def test_the_balanced_part_weighs_a_small_region_as_much_as_its_surroundings():
    truth = torch.zeros(16, 16)
    truth[3, 3] = 1
    logits = torch.zeros(16, 16)
    missing, spilling = logits.clone(), logits.clone()
    missing[truth == 1] = -2
    spilling[truth == 0] = 2
    parts = [
        mask_loss(x, truth, balanced=1.0) - mask_loss(x, truth, balanced=0.0) for x in (missing, spilling)
    ]
    torch.testing.assert_close(parts[0], parts[1])


def test_iou_of_known_masks():
    found = torch.full((8, 8), -1.0)
    found[:, 2:6] = 1
    assert intersection_over_union(found, half()).item() == pytest.approx(1 / 3)
    assert intersection_over_union(torch.full((8, 8), -1.0), torch.zeros(8, 8)).item() == 0


def case(masks, scores=(0.0, 0.0, 0.0, 0.0)):
    return torch.stack(masks)[None, None], torch.tensor(scores)[None, None], half()[None, None]


def test_of_one_click_the_best_meaning_counts_and_of_several_the_first_mask():
    good, bad = 40 * (2 * half() - 1), -40 * (2 * half() - 1)
    logits, scores, truth = case([bad, bad, good, bad])
    valid = torch.ones(1, 1, dtype=torch.bool)
    one, _ = segmentation_loss(logits, scores, truth, valid, valid, balanced=1.0)
    several, _ = segmentation_loss(logits, scores, truth, ~valid, valid, balanced=1.0)
    assert one < 0.05 * several
    logits, scores, truth = case([good, bad, bad, bad])
    several, _ = segmentation_loss(logits, scores, truth, ~valid, valid, balanced=1.0)
    assert several < 1e-4


def test_predicted_ious_are_compared_with_the_actual_ones():
    good, bad = 40 * (2 * half() - 1), -40 * (2 * half() - 1)
    logits, scores, truth = case([bad, good, bad, good], (0.5, 1.0, 0.0, 0.5))
    valid = torch.ones(1, 1, dtype=torch.bool)
    assert segmentation_loss(logits, scores, truth, valid, valid, balanced=1.0)[1].item() == pytest.approx(
        0.25 / 3
    )
    assert segmentation_loss(logits, scores, truth, ~valid, valid, balanced=1.0)[1].item() == pytest.approx(
        0.25
    )


def test_prompts_that_are_not_valid_count_for_nothing():
    good, bad = 40 * (2 * half() - 1), -40 * (2 * half() - 1)
    logits = torch.stack([torch.stack([m] * 4) for m in (good, bad)])[None]
    truth, scores = half().expand(1, 2, 8, 8), torch.ones(1, 2, 4)
    valid = torch.tensor([[True, False]])
    loss, _ = segmentation_loss(logits, scores, truth, valid, valid, balanced=1.0)
    assert loss < 1e-4
