import pytest
import torch

from promptreg.baselines.contrario import agreed_affine, least_squares_affine

TRUTH = torch.tensor([[0.8, -0.6, 30.0], [0.6, 0.8, -12.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
LIMITS = {"area": 200.0**2, "precision": 0.5, "farthest": 20.0, "seed": 3}


def matches(n_right, n_wrong, seed=0):
    """Points (N, 2) in a square of 200 and their places under the true map; the last ones at random."""
    draw = torch.Generator().manual_seed(seed)
    source = 200 * torch.rand(n_right + n_wrong, 2, generator=draw, dtype=torch.float64)
    target = source @ TRUTH[:2, :2].T + TRUTH[:2, 2]
    target[n_right:] = 200 * torch.rand(n_wrong, 2, generator=draw, dtype=torch.float64)
    return source, target


def test_the_map_is_found_where_four_matches_in_five_are_wrong():
    source, target = matches(40, 160)
    found = agreed_affine(source, target, **LIMITS)
    torch.testing.assert_close(found.matrix, TRUTH, atol=0.05, rtol=0)
    assert bool(found.agree[:40].all())
    assert int(found.agree[40:].sum()) <= 2


def test_matches_at_random_agree_on_no_map():
    for seed in range(5):
        assert agreed_affine(*matches(0, 120, seed), **LIMITS) is None


def test_three_matches_alone_are_no_evidence():
    assert agreed_affine(*matches(3, 0), **LIMITS) is None


def test_matches_of_a_mirrored_image_agree_on_no_map():
    source, _ = matches(60, 0)
    assert agreed_affine(source, source * torch.tensor([-1.0, 1.0]) + 200, **LIMITS) is None


def test_the_same_seed_finds_the_same_map():
    points = matches(30, 60)
    assert torch.equal(agreed_affine(*points, **LIMITS).matrix, agreed_affine(*points, **LIMITS).matrix)


@pytest.mark.parametrize("n", [3, 50])
def test_least_squares_of_exact_matches_is_the_map(n):
    torch.testing.assert_close(least_squares_affine(*matches(n, 0)), TRUTH)
