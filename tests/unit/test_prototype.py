import pytest
import torch

from promptreg.geometry import default_affine, index_to_world, resized
from promptreg.prototype import (
    cell_weights,
    feature_at,
    gram,
    prototype,
    prototype_jacobian,
    similarity,
    similarity_jacobian,
    tangent_jacobian,
)
from promptreg.types import Grid

SHAPES = [(4, 6), (3, 4, 2)]


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_cell_weights_are_the_covered_share_of_each_cell(shape):
    cells = Grid(shape, default_affine(len(shape), [3.0, 2.0, 1.0][: len(shape)]))
    mask_grid = resized(cells, [4 * n for n in shape])
    mask = torch.zeros(1, *mask_grid.shape)
    mask[0, :6] = 1
    weights = cell_weights(mask, mask_grid, cells)
    assert weights.shape == (1, *shape)
    torch.testing.assert_close(weights[0, 0], torch.ones(shape[1:]))
    torch.testing.assert_close(weights[0, 1], torch.full(shape[1:], 0.5))
    assert weights[0, 2:].abs().max() == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_cell_weights_of_a_mask_with_a_smaller_field_of_view_agree_with_the_padded_mask(shape):
    cells = Grid(shape, default_affine(len(shape)))
    fine = resized(cells, [4 * n for n in shape])
    mask = torch.rand(2, *fine.shape, generator=torch.Generator().manual_seed(0))
    mask[:, :4] = 0
    shifted = default_affine(len(shape))
    shifted[:-1, -1] = index_to_world(fine, torch.tensor([4.0] + [0.0] * (len(shape) - 1))).numpy()
    shifted[:-1, :-1] = fine.affine[:-1, :-1]
    cropped = Grid((fine.shape[0] - 4, *fine.shape[1:]), shifted)
    torch.testing.assert_close(cell_weights(mask[:, 4:], cropped, cells), cell_weights(mask, fine, cells))


def test_cell_weights_read_a_mask_on_a_flipped_grid_in_the_world():
    cells = Grid((4, 4), default_affine(2))
    fine = resized(cells, (8, 8))
    affine = fine.affine.copy()
    affine[:-1, -1] = index_to_world(fine, torch.tensor([7.0, 0.0], dtype=torch.float64)).numpy()
    affine[:-1, 0] *= -1
    mask = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1))
    flipped = cell_weights(mask.flip(1), Grid((8, 8), affine), cells)
    torch.testing.assert_close(flipped, cell_weights(mask, fine, cells))


def test_the_prototype_of_one_cell_is_its_feature_and_of_nothing_is_zero():
    features = _random(5, 4, 6)
    weights = torch.zeros(2, 4, 6, dtype=torch.float64)
    weights[0, 2, 3] = 0.3
    found = prototype(features, weights)
    torch.testing.assert_close(found[0], features[:, 2, 3])
    assert (found[1] == 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_similarity_ignores_positive_factors_on_cells_and_prototypes(shape):
    features, prototypes = _random(5, *shape), _random(3, 5, seed=1)
    expected = similarity(features, prototypes)
    factors = _random(*shape, seed=2).exp()
    torch.testing.assert_close(similarity(features * factors, 7.0 * prototypes), expected)
    assert expected.abs().max() <= 1


def test_features_are_read_at_world_points():
    grid = Grid((4, 6), default_affine(2, [2.0, 3.0]))
    features = _random(5, 4, 6)
    points = index_to_world(grid, torch.tensor([[[2.0, 3.0], [0.0, 5.0]]], dtype=torch.float64))
    expected = torch.stack([features[:, 2, 3], features[:, 0, 5]])[None]
    torch.testing.assert_close(feature_at(features, grid, points), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_prototype_jacobian_equals_autograd(shape):
    features, logits = _random(5, *shape), _random(2, *shape, seed=1)
    slopes = _random(2, 3, *shape, seed=2)

    def moved(prompt: torch.Tensor) -> torch.Tensor:
        steps = torch.einsum("bd...,bd->b...", slopes, prompt)
        return prototype(features, (logits + steps).sigmoid())

    weights = logits.sigmoid()
    closed = prototype_jacobian(features, weights, slopes * (weights * (1 - weights))[:, None])
    full = torch.func.jacrev(moved)(torch.zeros(2, 3, dtype=torch.float64))
    torch.testing.assert_close(closed, torch.stack([full[b, :, b] for b in range(2)]), atol=1e-6, rtol=0)


def test_the_similarity_jacobian_equals_autograd_and_annihilates_the_prototype():
    features, prototypes = _random(5, 4, 6), _random(3, 5, seed=1)
    closed = similarity_jacobian(features, prototypes)
    full = torch.func.jacrev(lambda g: similarity(features, g).flatten(1))(prototypes)
    torch.testing.assert_close(closed, torch.stack([full[b, :, b] for b in range(3)]), atol=1e-6, rtol=0)
    assert torch.einsum("bnc,bc->bn", closed, prototypes).abs().max() < 1e-12


def test_the_gram_matrix_turns_sums_over_cells_into_quadratic_forms():
    features, prototypes = _random(5, 4, 6), _random(2, 5, seed=1)
    unit = torch.nn.functional.normalize(prototypes, dim=1)
    error = unit[0] - unit[1]
    maps = similarity(features, prototypes)
    torch.testing.assert_close(error @ gram(features) @ error, (maps[0] - maps[1]).square().sum())


def test_the_tangent_jacobian_is_the_derivative_of_the_unit_prototype():
    prototypes, jacobian = _random(2, 5), _random(2, 5, 3, seed=1)

    def unit(step: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(prototypes + torch.einsum("bcd,bd->bc", jacobian, step), dim=1)

    full = torch.func.jacrev(unit)(torch.zeros(2, 3, dtype=torch.float64))
    expected = torch.stack([full[b, :, b] for b in range(2)])
    torch.testing.assert_close(tangent_jacobian(jacobian, prototypes), expected)
