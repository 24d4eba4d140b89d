import torch
from tiny_training import shifted_pair

from promptreg.synth import synth_pairs
from promptreg.training.batch import make_batch, partners


def drawing():
    return torch.Generator().manual_seed(0)


def test_partners_are_swapped_and_swapped_back():
    names = torch.tensor([1, 2, 3, -1, -2, -3])
    assert partners(names).tolist() == [-1, -2, -3, 1, 2, 3]
    assert torch.equal(partners(partners(names)), names)


def test_regions_are_shown_in_both_images_of_a_pair():
    batch = make_batch(shifted_pair(), 2, drawing())
    assert batch.valid.all()
    assert batch.truth.shape == (2, 2, 16, 16)
    for image in range(2):
        areas = batch.shares[image].sum((1, 2)).tolist()
        assert sorted(areas) == [9.0, 12.0]
    torch.testing.assert_close(batch.shares[0].sum((1, 2)), batch.shares[1].sum((1, 2)))


def test_points_go_from_first_to_second_and_back():
    batch = make_batch(shifted_pair(), 1, drawing())
    forward, back = (batch.targets - batch.points).unbind(0)
    assert (forward == torch.tensor([0.0, 3.0])).all()
    assert (back == torch.tensor([0.0, -3.0])).all()


def test_points_that_leave_the_partner_are_not_matched():
    batch = make_batch(shifted_pair(), 1, drawing())
    assert torch.equal(batch.matched[0], batch.targets[0, :, 1] <= 31)
    assert not batch.matched.all()


def test_points_of_pairs_without_dense_truth_are_not_matched():
    pairs = synth_pairs(6, (32, 32), seed=1)
    batch = make_batch(pairs, 2, drawing())
    assert torch.equal(batch.matched.any(1), pairs.exact.repeat(2))


def test_the_same_seed_gives_the_same_batch():
    pairs = synth_pairs(2, (32, 32), seed=1)
    one, two = (make_batch(pairs, 2, drawing()) for _ in range(2))
    assert torch.equal(one.truth, two.truth)
    assert torch.equal(one.points, two.points)
