import itertools

import pytest
import torch
from toy_model import ToyModel

from promptreg import config
from promptreg.geometry import default_affine, index_to_world, world_to_index
from promptreg.newton import gauss_newton, joint_step, linearize, two_step
from promptreg.objective import Objective, clamp_to_view, improves
from promptreg.prototype import (
    cell_weights,
    gram,
    prototype,
    similarity,
    similarity_jacobian,
    tangent_jacobian,
)
from promptreg.types import Embedding, Grid, Image


def smooth_scene(*shape: int, seed: int = 0) -> torch.Tensor:
    """Smooth random colours (3, *shape) in double precision, periodic.

    One channel alone would leave a prompt free to slide along its level set.
    """
    data = torch.rand(3, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for _ in range(shape[0] // 2):
        for axis in range(1, data.ndim):
            data = (data.roll(1, axis) + 2 * data + data.roll(-1, axis)) / 4
    return data


def embed(model: ToyModel, data: torch.Tensor, spacing: list[float] | None = None) -> Embedding:
    return model.embed(Image(data, Grid(tuple(data.shape[1:]), default_affine(data.ndim - 1, spacing))))


def toy_pair(ndim: int, n_prompts: int, *, n_points: int = 1, spread: float = 0.8):
    """An objective whose solution is known, the solution, and starts within `spread` cells of it."""
    n = 24 if ndim == 2 else 10
    model = ToyModel(ndim, radius=4.0)
    embedding = embed(model, smooth_scene(*[n] * ndim), [2.0, 1.5, 1.0][:ndim])
    generator = torch.Generator().manual_seed(1)
    index = n / 4 + torch.rand(n_prompts, n_points, ndim, generator=generator, dtype=torch.float64) * n / 2
    truth = index_to_world(embedding.image_grid, index)
    labels = torch.ones(n_prompts, n_points, dtype=torch.long)
    unknown = torch.zeros(n_prompts, model.channels)
    target = Objective.of(model, embedding, unknown, labels).evaluate(truth).prototypes
    offset = (torch.rand(index.shape, generator=generator, dtype=torch.float64) - 0.5) * spread
    return (
        Objective.of(model, embedding, target, labels),
        truth,
        index_to_world(embedding.image_grid, index + offset),
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
