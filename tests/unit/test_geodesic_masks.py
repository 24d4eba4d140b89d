import numpy as np
import pytest
import torch

from promptreg.geometry import default_affine, world_coordinates
from promptreg.models.geodesic_masks import (
    FAR,
    geodesic_distance,
    geodesic_logits,
    level_sizes,
    path_cost,
)
from promptreg.types import Grid


def seeded(grid, *cells):
    seeds = torch.zeros(len(cells), *grid.shape, dtype=torch.bool)
    for prompt, cell in enumerate(cells):
        seeds[(prompt, *cell)] = True
    return seeds


@pytest.mark.parametrize(
    ("shape", "spacing", "excess"),
    [
        ((21, 31), (1.0, 1.0), 0.09),
        ((21, 31), (2.0, 1.0), 0.28),
        ((13, 13, 13), (1.0, 1.0, 1.0), 0.13),
        ((9, 13, 11), (3.0, 1.0, 1.0), 0.45),
    ],
)
def test_at_unit_cost_the_distance_is_euclidean_up_to_the_26_neighbours(shape, spacing, excess):
    grid = Grid(shape, default_affine(len(shape), spacing))
    cell = tuple(n // 3 for n in shape)
    distance = geodesic_distance(seeded(grid, cell), torch.ones(1, *shape), grid)[0]
    world = world_coordinates(grid)
    exact = (world - world[cell]).norm(dim=-1)
    assert distance[cell] == 0
    assert (distance >= exact - 1e-4).all()
    assert (distance <= (1 + excess) * exact + 1e-4).all()
    along = (*cell[:-1], slice(None))
    assert torch.allclose(distance[along], exact[along], atol=1e-4)


def test_the_distance_goes_round_a_wall():
    grid = Grid((21, 21), default_affine(2))
    cost = torch.ones(1, 21, 21)
    cost[0, :18, 10] = 1e3
    distance = geodesic_distance(seeded(grid, (2, 2)), cost, grid)[0]
    assert 33 < distance[2, 18] < 45


def test_prompts_of_a_batch_do_not_see_each_other():
    grid = Grid((15, 17), default_affine(2))
    cost = torch.rand(2, 15, 17, generator=torch.Generator().manual_seed(0)) + 0.1
    seeds = seeded(grid, (3, 3), (12, 9))
    together = geodesic_distance(seeds, cost, grid)
    for prompt in range(2):
        alone = geodesic_distance(seeds[prompt, None], cost[prompt, None], grid)
        assert torch.equal(together[prompt], alone[0])


def test_a_prompt_without_seed_is_far_from_everywhere():
    grid = Grid((6, 6), default_affine(2))
    assert (geodesic_distance(torch.zeros(1, 6, 6, dtype=torch.bool), torch.ones(1, 6, 6), grid) >= FAR).all()


def test_looking_unlike_the_seed_and_edges_cost_more():
    grid = Grid((10, 10), default_affine(2))
    appearance = torch.zeros(1, 10, 10)
    appearance[:, :, 5:] = 1
    edges = torch.zeros(10, 10)
    edges[0] = 3
    cost = path_cost(appearance, edges, seeded(grid, (5, 2)), longest=10.0)[0]
    assert cost[5, 2] == pytest.approx(0.1)
    assert cost[5, 7] == pytest.approx(0.5)
    assert cost[0, 2] == pytest.approx(3.1)


def test_a_disc_is_cut_at_its_boundary_and_a_rival_takes_its_half():
    grid = Grid((96, 96), default_affine(2))
    disc = (world_coordinates(grid) - 47.5).norm(dim=-1) < 20
    appearance = disc.float()[None]
    distance = torch.where(disc, 0.1, 1.0) * ((world_coordinates(grid) - 47.5).norm(dim=-1) + 1e-3)
    nobody = torch.full_like(distance, FAR)
    edges = torch.zeros_like(distance)
    masks = geodesic_logits(distance[None], nobody[None], appearance, edges, grid)[0] > 0
    overlap = (masks & disc).sum((1, 2)) * 2 / (masks.sum((1, 2)) + disc.sum())
    assert overlap.max() > 0.9
    rival = distance.clone()
    rival[:, :48] = 0
    shared = geodesic_logits(distance[None], rival[None], appearance, edges, grid)[0] > 0
    assert not shared[:, :, :48].any()


def test_level_sizes_grow_within_the_grid():
    for shape in ((128, 128), (5, 5), (1, 1, 1), (30, 40, 40)):
        sizes = level_sizes(Grid(shape, default_affine(len(shape)))).flatten()
        assert (sizes.diff() >= 0).all()
        assert sizes.min() >= 2
        assert sizes.max() <= max(np.prod(shape) // 2, 2)
