import itertools

import pytest
import torch

from promptreg.geometry import default_affine
from promptreg.models.click_examples import (
    FOLLOWED,
    MOST_CLICKS,
    PROMPTS,
    best_dice,
    clicked_examples,
    correction,
    first_clicks,
    regions_at,
    synthetic_images,
)
from promptreg.types import Grid

PLANE = Grid((20, 20), default_affine(2))


def square(*corners, side=20):
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[corners[0] : corners[1], corners[2] : corners[3]] = True
    return mask


def nested():
    """An organ, label 1, with a part, label 2, and another organ, label 3."""
    labels = square(2, 12, 2, 12).long()
    labels[square(4, 8, 4, 8)] = 2
    labels[square(14, 19, 14, 19)] = 3
    return labels[None], torch.tensor([0, 0, 1, 0])


def test_the_correction_of_a_mask_that_misses_the_most_is_a_positive_click_in_the_middle_of_that_part():
    cell, label = correction(square(0, 0, 0, 0), square(3, 8, 10, 15), PLANE)
    assert label == 1
    assert cell.tolist() == [5, 12]


def test_the_correction_of_a_mask_that_spills_the_most_is_a_negative_click():
    truth = square(2, 7, 2, 7)
    cell, label = correction(truth | square(10, 19, 10, 19), truth & ~square(2, 3, 2, 7), PLANE)
    assert label == 0
    assert cell.tolist() == [14, 14]


def test_a_perfect_mask_is_corrected_by_padding():
    assert correction(square(2, 7, 2, 7), square(2, 7, 2, 7), PLANE)[1] == -1


def test_the_depth_of_an_error_ends_at_the_edge_of_the_image():
    assert correction(square(0, 0, 0, 0), square(0, 5, 0, 5), PLANE)[0].tolist() == [2, 2]


def test_a_click_in_a_part_lies_in_the_part_and_in_its_organ():
    labels, parents = nested()
    levels = regions_at(labels, parents, torch.tensor([[5, 5], [15, 15]]))
    assert torch.equal(levels[0, 0], square(4, 8, 4, 8))
    assert torch.equal(levels[0, 1], square(2, 12, 2, 12))
    assert torch.equal(levels[1, 0], square(14, 19, 14, 19))
    assert not levels[1, 1].any()


def test_the_truth_is_the_level_that_agrees_with_all_clicks_best():
    labels, parents = nested()
    organ, part = square(2, 12, 2, 12), square(4, 8, 4, 8)
    masks = torch.stack([organ, part])[None]
    cells = torch.tensor([[[5, 5], [10, 10]]])
    levels = regions_at(labels, parents, cells[:, 0])
    small = 2 * 16 / (16 + 100)
    assert best_dice(masks, levels, cells, torch.tensor([[1, -1]])).tolist() == [[1, 1]]
    assert best_dice(masks, levels, cells, torch.tensor([[1, 1]]))[0].tolist() == pytest.approx([1, small])
    assert best_dice(masks, levels, cells, torch.tensor([[1, 0]]))[0].tolist() == pytest.approx([small, 1])


def test_first_clicks_lie_in_their_regions_which_are_repeated_by_the_seed():
    labels, parents = nested()
    wanted, cells = first_clicks(labels, parents, torch.Generator().manual_seed(0))
    assert len(wanted) == PROMPTS
    assert all(one[tuple(cell[0])] for one, cell in zip(wanted, cells, strict=True))
    again = first_clicks(labels, parents, torch.Generator().manual_seed(0))
    assert torch.equal(wanted, again[0])
    assert torch.equal(cells, again[1])


def test_a_synthetic_image_gives_examples_of_one_to_five_clicks_the_same_each_time():
    image, labels, parents, draw = next(synthetic_images(0))
    first = clicked_examples(image, labels, parents, seed=draw)
    again = clicked_examples(*next(synthetic_images(0))[:3], seed=draw)
    assert len(first.cues) == PROMPTS + FOLLOWED * (MOST_CLICKS - 1)
    assert first.dice.shape == first.cues.shape[:2]
    assert first.cues.isfinite().all()
    assert 0 <= first.dice.min() <= first.dice.max() <= 1
    assert first.dice.max() > 0.5
    assert torch.equal(first.cues, again.cues)
    assert torch.equal(first.dice, again.dice)


def test_the_stream_holds_both_sides_of_planar_and_of_volume_pairs_and_volumes_lose_slices():
    found = list(itertools.islice(synthetic_images(1), 6))
    assert [image.grid.ndim for image, *_ in found] == [2, 2, 2, 2, 3, 3]
    assert all(image.data.shape[1:] == labels.shape == image.grid.shape for image, labels, *_ in found)
    thick = found[5][0].grid
    assert thick.spacing[0] == 64 / thick.shape[0] == 2
