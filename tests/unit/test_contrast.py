import math

import pytest
import torch
from torch.nn.functional import normalize

from promptreg.training.contrast import peak_loss, point_loss, prototypes, region_loss

SCALE = torch.tensor(10.0)


def random_map(seed=0, side=8, channels=16):
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(1, channels, side, side, generator=generator), dim=1)


def blocks():
    """Two regions (1, 2, 8, 8): the upper left and the lower right quarter."""
    shares = torch.zeros(1, 2, 8, 8)
    shares[0, 0, :4, :4] = 1
    shares[0, 1, 4:, 4:] = 1
    return shares


def painted(shares):
    """An embedding in which each region, and the rest, has a direction of its own."""
    rest = 1 - shares.sum(1, keepdim=True)
    return torch.cat([shares, rest], dim=1)


VALID = torch.ones(1, 2, dtype=torch.bool)


def test_the_prototype_of_a_region_with_one_look_is_that_look():
    found = prototypes(painted(blocks()), blocks())
    torch.testing.assert_close(found[0], torch.eye(3)[:2])


def test_a_prototype_weighs_cells_by_the_share_that_lies_inside():
    embedding = torch.zeros(1, 2, 1, 2)
    embedding[0, 0, 0, 0] = embedding[0, 1, 0, 1] = 1
    found = prototypes(embedding, torch.tensor([[[[3.0, 4.0]]]]) / 4)[0, 0]
    torch.testing.assert_close(found, torch.tensor([0.6, 0.8]))


def test_equal_looks_everywhere_find_a_region_by_chance():
    embedding = torch.zeros(1, 4, 8, 8)
    embedding[:, 0] = 1
    loss = peak_loss(prototypes(embedding, blocks()), embedding, blocks(), VALID, SCALE)
    assert loss.item() == pytest.approx(math.log(4), abs=1e-4)


def test_distinct_looks_find_their_region():
    embedding = painted(blocks())
    loss = peak_loss(prototypes(embedding, blocks()), embedding, blocks(), VALID, SCALE)
    assert loss.item() == pytest.approx(math.log(1 + 48 / 16 * math.exp(-10)), abs=1e-5)


def test_equal_prototypes_are_told_apart_by_chance_and_distinct_ones_surely():
    same = torch.ones(1, 2, 4) / 2
    assert region_loss(same, same, blocks(), VALID, SCALE).item() == pytest.approx(math.log(2), abs=1e-5)
    distinct = torch.eye(4)[None, :2]
    assert region_loss(distinct, distinct, blocks(), VALID, SCALE).item() < 1e-3


def test_regions_that_overlap_are_no_negatives():
    same = torch.ones(1, 2, 4) / 2
    nested = blocks()[:, :1].expand(1, 2, 8, 8)
    assert region_loss(same, same, nested, VALID, SCALE).item() == pytest.approx(0, abs=1e-5)


def test_regions_of_other_pairs_are_negatives():
    same = torch.ones(3, 1, 4) / 2
    shares = blocks()[:, :1].expand(3, 1, 8, 8)
    loss = region_loss(same, same, shares, torch.ones(3, 1, dtype=torch.bool), SCALE)
    assert loss.item() == pytest.approx(math.log(3), abs=1e-5)


def test_points_of_an_image_are_found_in_itself_and_not_elsewhere():
    embedding = random_map()
    cells = torch.tensor([[[1, 2], [6, 5], [3, 3]]])
    points = 4.0 * cells + 1.5
    valid = torch.ones(1, 3, dtype=torch.bool)
    right = point_loss(embedding, embedding, points, points, valid, torch.tensor(30.0))
    wrong = point_loss(embedding, embedding, points, points.flip(1), valid, torch.tensor(30.0))
    assert right < 0.01
    assert wrong > 5


def test_a_target_between_cells_is_shared_by_them():
    embedding = torch.zeros(1, 2, 1, 4)
    embedding[0, 0] = 1
    point, target = torch.tensor([[[1.5, 1.5]]]), torch.tensor([[[1.5, 7.5]]])
    loss = point_loss(embedding, embedding, point, target, torch.ones(1, 1, dtype=torch.bool), SCALE)
    assert loss.item() == pytest.approx(math.log(4), abs=1e-5)


def test_what_is_not_valid_costs_nothing():
    embedding = random_map()
    none = torch.zeros(1, 2, dtype=torch.bool)
    protos = prototypes(embedding, blocks())
    assert peak_loss(protos, embedding, blocks(), none, SCALE).item() == 0
    assert region_loss(protos, protos, blocks(), none, SCALE).item() == 0
    points = torch.rand(1, 2, 2)
    assert point_loss(embedding, embedding, points, points, none, SCALE).item() == 0
