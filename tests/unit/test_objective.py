import torch
from toy_pairs import toy_pair

from promptreg.geometry import default_affine, index_to_world, world_to_index
from promptreg.objective import clamp_to_view, improves
from promptreg.prototype import cell_weights, prototype, similarity
from promptreg.types import Grid


def test_the_objective_is_the_sum_of_squared_similarity_differences():
    objective, truth, points = toy_pair(2, 3)
    found = objective.evaluate(points)
    grids = objective.embedding.mask_grid, objective.embedding.feature_grid
    regions = [
        prototype(objective.features, cell_weights(objective.probabilities(p), *grids))
        for p in (points, truth)
    ]
    maps = [similarity(objective.features, g).flatten(1) for g in regions]
    torch.testing.assert_close(found.residual, (maps[0] - maps[1]).square().sum(1))
    assert (found.residual > 0).all()
    assert objective.evaluate(truth).residual.max() < 1e-20


def test_points_outside_are_moved_to_the_edge_and_points_inside_are_untouched():
    grid = Grid((4, 6), default_affine(2, [2.0, 0.5]))
    index = torch.tensor([[-3.0, 2.2], [1.7, 9.0], [1.3, 4.1]])
    clamped = world_to_index(grid, clamp_to_view(index_to_world(grid, index), grid))
    torch.testing.assert_close(clamped, torch.tensor([[0.0, 2.2], [1.7, 5.0], [1.3, 4.1]]))


def test_a_step_that_lowers_the_energy_but_also_the_cosine_is_refused():
    objective, _, points = toy_pair(2, 2)
    current = objective.evaluate(points)
    better = type(current)(
        points, current.probabilities, current.prototypes, current.residual / 2, current.similarity
    )
    assert improves(better, current).all()
    worse = type(current)(
        points, current.probabilities, current.prototypes, current.residual / 2, current.similarity - 0.1
    )
    assert not improves(worse, current).any()
