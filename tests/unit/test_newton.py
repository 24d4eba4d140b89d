import itertools

import pytest
import torch
from toy_pairs import toy_pair

from promptreg import config
from promptreg.geometry import index_to_world, world_to_index
from promptreg.newton import gauss_newton, joint_step, linearize, two_step
from promptreg.prototype import (
    gram,
    similarity,
    similarity_jacobian,
    tangent_jacobian,
)


@pytest.mark.parametrize(("ndim", "n_points"), [(2, 1), (2, 2), (3, 1)])
def test_the_linearization_agrees_with_finite_differences(ndim, n_points):
    objective, _, points = toy_pair(ndim, 2, n_points=n_points)
    jacobian = linearize(objective, points).jacobian
    assert jacobian.shape == (2, 24, n_points * ndim)
    step = 1e-5
    for column in range(n_points * ndim):
        index = torch.zeros(n_points * ndim, dtype=points.dtype)
        index[column] = step
        world = index.reshape(n_points, ndim) @ torch.as_tensor(
            objective.embedding.feature_grid.affine[:-1, :-1].T.copy()
        )
        ahead, behind = (objective.evaluate(points + s * world).prototypes for s in (1, -1))
        torch.testing.assert_close(jacobian[..., column], (ahead - behind) / (2 * step), atol=1e-6, rtol=1e-5)


def test_the_step_from_the_gram_matrix_equals_the_step_from_all_cells():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(6, 5, 7, generator=generator, dtype=torch.float64)
    prototypes, targets = torch.randn(2, 3, 6, generator=generator, dtype=torch.float64)
    jacobian = torch.randn(3, 6, 2, generator=generator, dtype=torch.float64)
    unit = torch.nn.functional.normalize
    error = unit(prototypes, dim=1) - unit(targets, dim=1)
    step = joint_step(tangent_jacobian(jacobian, prototypes), gram(features), error, torch.zeros(3).double())
    chain = similarity_jacobian(features, prototypes) @ jacobian
    change = (similarity(features, targets) - similarity(features, prototypes)).flatten(1)
    torch.testing.assert_close(step, torch.linalg.lstsq(chain, change[..., None]).solution[..., 0])


def test_the_two_step_increment_equals_the_two_pseudo_inverses_and_not_the_joint_step():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(6, 5, 7, generator=generator, dtype=torch.float64)
    prototypes, targets = torch.randn(2, 3, 6, generator=generator, dtype=torch.float64)
    jacobian = torch.randn(3, 6, 2, generator=generator, dtype=torch.float64)
    unit = torch.nn.functional.normalize
    error = unit(prototypes, dim=1) - unit(targets, dim=1)
    change = (similarity(features, targets) - similarity(features, prototypes)).flatten(1)
    first = torch.linalg.pinv(similarity_jacobian(features, prototypes), rtol=1e-10) @ change[..., None]
    expected = (torch.linalg.pinv(jacobian) @ first)[..., 0]
    step = two_step(jacobian, prototypes, gram(features), error)
    torch.testing.assert_close(step, expected)
    joint = joint_step(tangent_jacobian(jacobian, prototypes), gram(features), error, torch.zeros(3).double())
    assert (step - joint).norm() > 0.1 * joint.norm()


@pytest.mark.parametrize("ndim", [2, 3])
def test_gauss_newton_returns_to_the_prompt_from_nearby(ndim):
    objective, truth, points = toy_pair(ndim, 6)
    found, steps = gauss_newton(objective, points, config.Newton(iterations=25))
    grid = objective.embedding.feature_grid
    error = (world_to_index(grid, found.points) - world_to_index(grid, truth)).norm(dim=-1)
    assert error.max() < 0.05
    assert (steps > 0).all()


def test_two_points_are_solved_jointly():
    objective, _, points = toy_pair(2, 4, n_points=2)
    found, _ = gauss_newton(objective, points, config.Newton(iterations=25))
    assert (found.residual < 1e-2 * objective.evaluate(points).residual).all()


@pytest.mark.parametrize("kind", ["joint", "two_step"])
def test_neither_energy_nor_cosine_gets_worse_with_more_steps(kind):
    objective, _, points = toy_pair(2, 6, spread=6.0)
    runs = [gauss_newton(objective, points, config.Newton(iterations=n), kind=kind)[0] for n in (1, 2, 4, 8)]
    runs.insert(0, objective.evaluate(points))
    for before, after in itertools.pairwise(runs):
        assert (after.residual <= before.residual).all()
        assert (after.similarity >= before.similarity - 1e-6).all()


def test_one_step_stays_within_the_trust_radius_and_the_field_of_view():
    objective, _, points = toy_pair(2, 6, spread=6.0)
    edge = points.clone()
    edge[:, 0] = index_to_world(
        objective.embedding.image_grid, torch.tensor([0.0, 22.9], dtype=torch.float64)
    )
    grid = objective.embedding.feature_grid
    for start in (points, edge):
        found, _ = gauss_newton(objective, start, config.Newton(iterations=1, trust_cells=0.5))
        index = world_to_index(grid, found.points)
        assert (index - world_to_index(grid, start)).norm(dim=-1).max() <= 0.5 + 1e-9
        assert ((index >= -1e-9) & (index <= 23 + 1e-9)).all()


def test_prompts_of_a_batch_do_not_influence_each_other():
    objective, _, points = toy_pair(2, 4)
    together, steps = gauss_newton(objective, points, config.Newton(iterations=5))
    for item in range(4):
        row = torch.tensor([item])
        alone, count = gauss_newton(objective.rows(row), points[row], config.Newton(iterations=5))
        torch.testing.assert_close(alone.points, together.points[row])
        assert count == steps[row]
