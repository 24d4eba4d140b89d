import torch

from promptreg.models.prompt_groups import by_length, decoded_in_groups


def test_prompts_come_in_groups_of_one_length_with_their_padding_left_out():
    labels = torch.tensor([[1, 0, -1], [-1, -1, 1], [0, -1, 1], [1, -1, -1]])
    groups = [(rows.tolist(), columns.tolist()) for rows, columns in by_length(labels)]
    assert groups == [([1, 3], [[2], [0]]), ([0, 2], [[0, 1], [0, 2]])]


def test_no_prompts_are_one_group_without_rows():
    [(rows, columns)] = by_length(torch.zeros(0, 2, dtype=torch.long))
    assert rows.shape == (0,)
    assert columns.shape == (0, 2)


def test_prompts_decoded_in_groups_come_back_in_their_order_without_padding():
    points = torch.rand(5, 3, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 0, -1], [-1, -1, 1], [0, -1, 1], [1, -1, -1], [1, 1, 0]])
    seen = []

    def decode(rows, at, signs):
        seen.extend(rows.tolist())
        assert (signs != -1).all()
        return torch.stack([at.sum((1, 2)), signs.sum(1)], dim=1)

    found = decoded_in_groups(decode, points, labels, per_chunk=1, none=torch.zeros(0, 2))
    real = labels != -1
    expected = torch.stack([(points.sum(-1) * real).sum(1), (labels * real).sum(1)], dim=1)
    torch.testing.assert_close(found, expected)
    assert sorted(seen) == [*range(5)]


def test_no_prompts_are_decoded_into_no_results():
    nothing, labels = torch.zeros(0, 1, 3), torch.zeros(0, 1, dtype=torch.long)
    found = decoded_in_groups(lambda *_: labels[0], nothing, labels, per_chunk=2, none=torch.zeros(0, 1, 4))
    assert found.shape == (0, 1, 4)
