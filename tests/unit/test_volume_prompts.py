import pytest
import torch
from small_med3d import SMALL, reference_med3d, small_med3d

POINTS = torch.tensor([[[3.0, 20.5, 11.0]], [[30.0, 2.0, 17.25]]])


@pytest.fixture(scope="module")
def ours():
    return small_med3d().prompt_encoder.requires_grad_(False)


@pytest.fixture(scope="module")
def theirs(ours):
    reference = reference_med3d().prompt_encoder.requires_grad_(False)
    reference.load_state_dict(ours.state_dict(), strict=True)
    return reference


@pytest.mark.parametrize("label", [0, 1])
def test_clicks_and_former_masks_are_coded_as_by_the_reference_implementation(ours, theirs, label):
    labels = torch.full((2, 1), label)
    former = torch.randn(2, 1, *[4 * SMALL.cells] * 3, generator=torch.Generator().manual_seed(0))
    tokens, dense = theirs((POINTS, labels), None, former)
    torch.testing.assert_close(ours.tokens(POINTS, labels), tokens, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.former(former), dense, atol=1e-4, rtol=1e-4)


def test_places_of_cells_are_coded_as_by_the_reference_implementation(ours, theirs):
    torch.testing.assert_close(ours.places(), theirs.get_dense_pe(), atol=1e-5, rtol=1e-5)


def test_a_click_is_coded_like_the_cell_whose_first_two_indices_are_swapped(ours):
    """The inconsistency of the trained model: a click (i, j, k) has the code of the cell (j, i, k)."""
    cell = torch.tensor([1, 5, 2])
    middle = (cell + 0.5) * SMALL.patch - 0.5
    kind = ours.point_embeddings[1].weight[0]
    code = ours.tokens(middle[None, None], torch.ones(1, 1, dtype=torch.long))[0, 0] - kind
    i, j, k = cell.tolist()
    torch.testing.assert_close(code, ours.places()[0, :, j, i, k], atol=1e-4, rtol=0)
    assert (code - ours.places()[0, :, i, j, k]).abs().max() > 0.1


def test_a_former_mask_of_zeros_is_not_the_absence_of_one(ours):
    zeros = ours.former(torch.zeros(1, 1, *[4 * SMALL.cells] * 3))
    assert (zeros - ours.no_mask_embed.weight[..., None, None, None]).abs().max() > 0.1
