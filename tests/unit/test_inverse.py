import pytest
import torch
from toy_model import ToyModel
from toy_pairs import embed, smooth_scene

from promptreg import config
from promptreg.geometry import index_to_world, world_to_index
from promptreg.inverse import choose_candidate, invert_prompts, region_size
from promptreg.objective import Objective
from promptreg.prototype import feature_at, similarity
from promptreg.starts import start_points
from promptreg.types import Candidates, Embedding

NEWTON = config.Newton(iterations=25)


class Coarse(ToyModel):
    """The toy model without derivatives."""

    differentiable = False


class Family(ToyModel):
    """Three candidates: the toy's mask, everything, and nothing; the second boasts."""

    def decode(self, embedding, points, labels):
        found = super().decode(embedding, points, labels)
        everything = torch.full_like(found.logits, 8.0)
        logits = torch.cat([found.logits, everything, -everything], dim=1)
        return Candidates(logits, torch.tensor([[0.6, 0.9, 1.0]]).expand(len(points), 3))


def _moving(model: ToyModel, embedding: Embedding, index: torch.Tensor):
    """World points, prototypes and labels of prompts (B, ndim) in index coordinates."""
    points = index_to_world(embedding.image_grid, index)[:, None]
    labels = torch.ones(len(index), 1, dtype=torch.long)
    nothing = torch.zeros(len(index), model.channels)
    return points, Objective.of(model, embedding, nothing, labels).evaluate(points).prototypes, labels


def _starts(moving: Embedding, fixed: Embedding, points: torch.Tensor, target: torch.Tensor, how: str):
    here = feature_at(moving.features, moving.feature_grid, points)
    local = similarity(fixed.features, here.flatten(0, 1))[:, None]
    labels = torch.ones(points.shape[:2], dtype=torch.long)
    region = similarity(fixed.features, target)
    return start_points(region, local, labels, fixed.feature_grid, how=how, n_starts=3, mapped=points)


def _prompts(ndim: int, n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(n // 3, 2 * n // 3, (4, ndim), generator=generator).double()


@pytest.mark.parametrize("eq1", ["peak", "gauss_newton", "two_step"])
@pytest.mark.parametrize("how", ["local", "gated", "same"])
@pytest.mark.parametrize(("ndim", "n"), [(2, 24), (3, 12)])
def test_an_image_searched_in_itself_returns_the_prompt(ndim, n, how, eq1):
    model = ToyModel(ndim, radius=4.0)
    embedding = embed(model, smooth_scene(*[n] * ndim))
    points, target, labels = _moving(model, embedding, _prompts(ndim, n))
    starts = _starts(embedding, embedding, points, target, how)
    found = invert_prompts(model, embedding, target, starts, labels, eq1=eq1, newton=NEWTON)
    torch.testing.assert_close(found.points, points, atol=1e-5, rtol=0)
    assert found.start_residual.max() < 1e-12


def test_an_image_searched_in_itself_from_class_peaks_returns_the_region():
    model = ToyModel(2, radius=4.0)
    embedding = embed(model, smooth_scene(24, 24))
    points, target, labels = _moving(model, embedding, _prompts(2, 24))
    starts = _starts(embedding, embedding, points, target, "similarity")
    found = invert_prompts(model, embedding, target, starts, labels, eq1="gauss_newton", newton=NEWTON)
    assert found.similarity.min() > 0.9
    assert (found.residual <= found.start_residual).all()


TRANSFORMS = {
    "shift": lambda t: t.roll((2, -1), (1, 2)),
    "flip": lambda t: t.flip(1),
    "rotation": lambda t: t.rot90(1, (1, 2)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize(("ndim", "n"), [(2, 24), (3, 12)])
def test_a_transformed_image_returns_the_transformed_prompt(ndim, n, name):
    model = ToyModel(ndim, radius=2.5)
    scene = smooth_scene(*[n] * ndim)
    moving, fixed = embed(model, scene), embed(model, TRANSFORMS[name](scene))
    index = _prompts(ndim, n)
    points, target, labels = _moving(model, moving, index)
    marks = torch.zeros(len(index), *scene.shape[1:])
    for row, cell in enumerate(index.long().tolist()):
        marks[(row, *cell)] = 1
    expected = TRANSFORMS[name](marks).nonzero()[:, 1:].double()
    starts = _starts(moving, fixed, points, target, "gated")
    generator = torch.Generator().manual_seed(0)
    offset = torch.rand(expected.shape, generator=generator, dtype=torch.float64) - 0.5
    nearby = index_to_world(fixed.image_grid, expected + offset)[:, None]
    for start in (starts, nearby[:, None]):
        found = invert_prompts(model, fixed, target, start, labels, eq1="gauss_newton", newton=NEWTON)
        error = (world_to_index(fixed.image_grid, found.points)[:, 0] - expected).norm(dim=1)
        assert error.max() <= 0.05


def test_a_model_without_derivatives_is_refined_by_the_compass():
    model = Coarse(2, radius=4.0)
    embedding = embed(model, smooth_scene(24, 24))
    points, target, labels = _moving(model, embedding, _prompts(2, 24))
    starts = (points + torch.tensor([2.0, 0.0]))[:, None]
    found = invert_prompts(model, embedding, target, starts, labels, eq1="gauss_newton", newton=NEWTON)
    torch.testing.assert_close(found.points, points)


def test_two_step_without_derivatives_is_an_error_that_says_what_to_use():
    model = Coarse(2)
    embedding = embed(model, smooth_scene(8, 8))
    points, target, labels = _moving(model, embedding, torch.full((1, 2), 4.0))
    with pytest.raises(ValueError, match=r"model 'toy' does not have: use eq1=gauss_newton"):
        invert_prompts(model, embedding, target, points[:, None], labels, eq1="two_step", newton=NEWTON)


def test_the_candidate_is_chosen_by_its_prototype_and_frozen():
    model = Family(2, radius=4.0)
    embedding = embed(model, smooth_scene(24, 24))
    points, target, labels = _moving(model, embedding, _prompts(2, 24))
    starts = torch.stack([points + 3.0, points], dim=1)
    found = invert_prompts(model, embedding, target, starts, labels, eq1="gauss_newton", newton=NEWTON)
    assert (found.candidate == 0).all()
    torch.testing.assert_close(found.points, points)


def test_results_do_not_depend_on_the_batch():
    model = ToyModel(2, radius=4.0)
    embedding = embed(model, smooth_scene(24, 24))
    points, target, labels = _moving(model, embedding, _prompts(2, 24))
    starts = torch.stack([points + 1.3, points - 0.7], dim=1)
    together = invert_prompts(model, embedding, target, starts, labels, eq1="gauss_newton", newton=NEWTON)
    for row in range(len(points)):
        one = slice(row, row + 1)
        alone = invert_prompts(
            model, embedding, target[one], starts[one], labels[one], eq1="gauss_newton", newton=NEWTON
        )
        torch.testing.assert_close(alone.points, together.points[one], atol=1e-6, rtol=0)


def test_the_lowest_energy_wins_among_masks_of_decent_score():
    energy = torch.tensor([[0.3, 0.2, 0.1, 0.0]])
    scores = torch.tensor([[1.0, 0.6, 0.4, 0.9]])
    empty = torch.tensor([[False, False, False, True]])
    sizes = torch.ones(1, 4)
    assert choose_candidate(energy, scores, empty, sizes=sizes, target_size=None).tolist() == [1]


def test_a_known_size_decides_between_masks_of_similar_energy():
    energy = torch.tensor([[0.10, 0.12], [0.0, 0.12]])
    sizes = torch.tensor([[10.0, 90.0], [10.0, 90.0]])
    options = torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool)
    chosen = choose_candidate(energy, *options, sizes=sizes, target_size=torch.tensor([100.0, 100.0]))
    assert chosen.tolist() == [1, 0]


def test_where_all_masks_are_empty_the_lowest_energy_is_kept():
    energy = torch.tensor([[0.3, 0.2]])
    empty = torch.ones(1, 2, dtype=torch.bool)
    assert choose_candidate(energy, energy, empty, sizes=energy, target_size=None).tolist() == [1]


def test_the_size_of_a_region_is_in_world_units():
    model = ToyModel(2)
    grid = embed(model, smooth_scene(4, 6), [2.0, 0.5]).mask_grid
    assert region_size(torch.full((1, 4, 6), 0.5), grid).tolist() == [12.0]


def test_no_prompts_are_an_error():
    model = ToyModel(2)
    embedding = embed(model, smooth_scene(8, 8))
    nothing = torch.zeros(0, 24), torch.zeros(0, 3, 1, 2), torch.ones(0, 1, dtype=torch.long)
    with pytest.raises(ValueError, match=r"nothing to invert: starts are \(0, 3, 1, 2\)"):
        invert_prompts(model, embedding, *nothing, eq1="peak", newton=NEWTON)
