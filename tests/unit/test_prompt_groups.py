import torch

from promptreg.models.prompt_groups import by_length


def test_prompts_come_in_groups_of_one_length_with_their_padding_left_out():
    labels = torch.tensor([[1, 0, -1], [-1, -1, 1], [0, -1, 1], [1, -1, -1]])
    groups = [(rows.tolist(), columns.tolist()) for rows, columns in by_length(labels)]
    assert groups == [([1, 3], [[2], [0]]), ([0, 2], [[0, 1], [0, 2]])]


def test_no_prompts_are_one_group_without_rows():
    [(rows, columns)] = by_length(torch.zeros(0, 2, dtype=torch.long))
    assert rows.shape == (0,)
    assert columns.shape == (0, 2)
