import torch
from toy_pairs import toy_pair

from promptreg import config
from promptreg.compass import compass_search
from promptreg.geometry import index_to_world, world_to_index


def test_the_compass_moves_towards_the_prompt_and_never_uphill():
    objective, _, points = toy_pair(2, 8, spread=5.0)
    start = objective.evaluate(points)
    found, steps = compass_search(objective, points, config.Newton())
    assert (found.residual <= start.residual).all()
    assert (found.residual[steps > 0] < start.residual[steps > 0]).all()
    assert found.residual.mean() < 0.5 * start.residual.mean()
    torch.testing.assert_close(objective.evaluate(found.points).residual, found.residual)


def test_a_prompt_that_already_matches_is_not_moved():
    objective, truth, _ = toy_pair(3, 3)
    found, steps = compass_search(objective, truth, config.Newton())
    assert torch.equal(found.points, truth)
    assert (steps == 0).all()


def test_the_reach_is_the_trust_radius_halved_twice():
    objective, _, points = toy_pair(2, 8, spread=12.0)
    found, _ = compass_search(objective, points, config.Newton(trust_cells=1.0))
    grid = objective.embedding.feature_grid
    moved = (world_to_index(grid, found.points) - world_to_index(grid, points)).abs()
    assert moved.sum(-1).max() <= 1.75 + 1e-9
    assert ((moved * 4 - (moved * 4).round()).abs() < 1e-6).all()


def test_the_compass_stays_in_the_field_of_view():
    objective, _, points = toy_pair(2, 4)
    corner = index_to_world(objective.embedding.image_grid, torch.zeros(2, dtype=torch.float64)).expand_as(
        points
    )
    found, _ = compass_search(objective, corner, config.Newton())
    assert (world_to_index(objective.embedding.image_grid, found.points) >= -1e-9).all()
