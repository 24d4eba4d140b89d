import pytest
import torch

from promptreg.training.regions import chosen_regions, membership, region_masks, region_shares

PARENTS = torch.tensor([[0, 0, 1, 2, 0]])
"""Label 3 lies in 2, 2 in 1; 4 stands alone."""


def quarters():
    """A label map (1, 4, 4) of four 2 x 2 blocks: 1, 2 / 3, 4."""
    return torch.tensor([[1, 2], [3, 4]]).repeat_interleave(2, 0).repeat_interleave(2, 1)[None]


def drawing(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_region_is_a_label_with_all_its_descendants():
    member = membership(PARENTS)[0]
    regions = [member[:, region].nonzero().flatten().tolist() for region in range(5)]
    assert regions == [[0], [1, 2, 3], [2, 3], [3], [4]]


def test_parents_that_form_a_cycle_are_an_error():
    with pytest.raises(ValueError, match="cycle"):
        membership(torch.tensor([[0, 2, 1]]))


def test_the_share_of_a_region_includes_that_of_its_descendants():
    shares = region_shares(quarters(), membership(PARENTS))
    torch.testing.assert_close(shares, torch.tensor([[0.0, 0.75, 0.5, 0.25, 0.25]]))


def test_masks_show_the_regions_asked_for():
    masks = region_masks(quarters(), membership(PARENTS), torch.tensor([[2, 4]]))[0]
    assert masks[0, ::2, ::2].tolist() == [[0, 1], [1, 0]]
    assert masks[1, ::2, ::2].tolist() == [[0, 0], [0, 1]]


def test_chosen_regions_are_different_and_never_the_background():
    for seed in range(5):
        ids, valid = chosen_regions(quarters(), quarters(), membership(PARENTS), 3, drawing(seed))
        assert valid.all()
        assert len(set(ids[0].tolist())) == 3
        assert 0 not in ids


def test_a_region_that_one_image_does_not_show_is_not_chosen():
    second = quarters().masked_fill(quarters() == 4, 0)
    for seed in range(5):
        ids, valid = chosen_regions(quarters(), second, membership(PARENTS), 5, drawing(seed))
        assert sorted(ids[valid].tolist()) == [2, 3]


def test_too_few_regions_are_marked_as_such():
    ids, valid = chosen_regions(quarters(), quarters(), membership(PARENTS), 8, drawing())
    assert valid.sum() == 3
    assert (ids[~valid] == 0).all()


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_regions_are_drawn_by_their_area_to_a_power(power):
    labels = torch.zeros(1, 20, 20, dtype=torch.long)
    labels[:, :12] = 1
    labels[:, 12:, :5] = 2
    many = labels.expand(4000, -1, -1)
    member = membership(torch.zeros(1, 3, dtype=torch.long)).expand(4000, -1, -1)
    ids, _ = chosen_regions(many, many, member, 1, drawing(), area_power=power)
    expected = 240**power / (240**power + 40**power)
    assert (ids == 1).float().mean().item() == pytest.approx(expected, abs=0.03)
