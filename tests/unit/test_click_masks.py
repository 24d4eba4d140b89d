import pytest
import torch

from promptreg.geometry import default_affine
from promptreg.models.click_masks import marked, obedient
from promptreg.types import Grid


def grid_of(*shape):
    return Grid(shape, default_affine(len(shape)))


@pytest.mark.parametrize("shape", [(5, 7), (4, 5, 6)])
def test_clicked_cells_are_marked_in_their_own_prompt_only(shape):
    cells = torch.tensor([[[1] * len(shape), [3] * len(shape)], [[2] * len(shape), [0] * len(shape)]])
    chosen = torch.tensor([[True, True], [False, True]])
    mask = marked(cells, chosen, grid_of(*shape))
    assert mask.flatten(1).sum(1).tolist() == [2, 1]
    assert mask[(0, *[1] * len(shape))]
    assert mask[(0, *[3] * len(shape))]
    assert mask[(1, *[0] * len(shape))]


def test_only_the_part_with_the_positive_click_stays_and_its_hole_is_filled():
    mask = torch.zeros(1, 1, 20, 20, dtype=torch.bool)
    mask[..., 2:9, 2:9] = True
    mask[..., 5, 5] = False
    mask[..., 12:18, 12:18] = True
    positive = torch.zeros(1, 20, 20, dtype=torch.bool)
    positive[0, 3, 3] = True
    kept = obedient(mask, positive, torch.zeros_like(positive))[0, 0]
    assert kept[2:9, 2:9].all()
    assert int(kept.sum()) == 49


def test_a_negative_click_stays_out_even_as_a_hole():
    mask = torch.ones(1, 2, 9, 9, dtype=torch.bool)
    positive, negative = torch.zeros(2, 1, 9, 9, dtype=torch.bool)
    positive[0, 1, 1] = negative[0, 5, 5] = True
    kept = obedient(mask, positive, negative)
    assert not kept[:, :, 5, 5].any()
    assert int(kept[0, 0].sum()) == 80


def test_a_positive_click_outside_the_mask_is_taken_in():
    positive = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    positive[0, 1, 2, 3] = True
    kept = obedient(torch.zeros(1, 1, 4, 4, 4, dtype=torch.bool), positive, torch.zeros_like(positive))
    assert kept.nonzero().tolist() == [[0, 0, 1, 2, 3]]


def test_parts_of_different_prompts_are_never_joined():
    masks = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    positive = torch.zeros(2, 5, 5, dtype=torch.bool)
    positive[0, 2, 2] = True
    kept = obedient(masks, positive, torch.zeros_like(positive))
    assert kept[0].all()
    assert not kept[1, 0, 1:-1, 1:-1].any()
