import torch

from promptreg.synth.regions import compacted, region, region_sizes

LABELS = torch.tensor([[[0, 1, 2], [2, 3, 4]]])
PARENTS = torch.tensor([[0, 0, 1, 2, 0]])


def test_a_region_is_a_label_and_all_its_descendants():
    masks = region(LABELS, PARENTS, torch.tensor([[1, 2, 3, 4]]))
    assert masks.shape == (1, 4, 2, 3)
    assert masks.sum((2, 3)).tolist() == [[4, 3, 1, 1]]
    assert masks[0, 0].tolist() == [[False, True, True], [True, True, False]]


def test_one_label_for_each_map_gives_one_mask_for_each_map():
    both = region(LABELS.repeat(2, 1, 1), PARENTS.repeat(2, 1), torch.tensor([3, 2]))
    assert both.shape == (2, 2, 3)
    assert both.sum((1, 2)).tolist() == [1, 3]


def test_the_region_of_the_background_is_the_background_alone():
    assert region(LABELS, PARENTS, torch.tensor([0])).sum() == 1


def test_sizes_are_those_of_the_regions():
    every = torch.arange(5)[None]
    assert torch.equal(region_sizes(LABELS, PARENTS), region(LABELS, PARENTS, every).sum((2, 3)))


def test_a_small_label_joins_its_parent_and_ids_have_no_gaps():
    maps, parents = compacted([LABELS], PARENTS, min_cells=2)
    assert maps[0].tolist() == [[[0, 1, 2], [2, 2, 0]]]
    assert parents.tolist() == [[0, 0, 1]]


def test_a_label_stays_if_it_is_large_enough_in_one_of_the_maps():
    maps, parents = compacted([LABELS, torch.full_like(LABELS, 4)], PARENTS, min_cells=2)
    assert maps[0].tolist() == [[[0, 1, 2], [2, 2, 3]]]
    assert (maps[1] == 3).all()
    assert parents.tolist() == [[0, 0, 1, 0]]


def test_children_of_a_dropped_parent_go_to_its_parent():
    labels = torch.tensor([[[1, 1, 3, 3]]])
    chain = torch.tensor([[0, 0, 1, 1]])
    maps, parents = compacted([labels], chain, min_cells=2)
    assert maps[0].tolist() == [[[1, 1, 2, 2]]]
    assert parents.tolist() == [[0, 0, 1]]
