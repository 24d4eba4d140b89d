import pytest
import torch

from promptreg.geometry import default_affine, world_coordinates
from promptreg.models.colour_masks import N_WORDS, colour_logits, smoothness_weights, vocabulary
from promptreg.types import Grid


def scene(ndim, n=48):
    """A bright ball on a dark, slightly noisy ground: grid, ball, appearance."""
    grid = Grid((n,) * ndim, default_affine(ndim))
    ball = (world_coordinates(grid) - grid.center[0]).norm(dim=-1) < 0.15 * n
    noise = torch.randn(2, *grid.shape, generator=torch.Generator().manual_seed(0))
    return grid, ball, torch.stack([ball.float() * 3, ball.float()]) + 0.1 * noise


def clicked(grid, *positive):
    clicks = torch.zeros(len(positive), *grid.shape)
    near = torch.empty_like(clicks)
    cells = world_coordinates(grid).flip(-1)
    for prompt, cell in enumerate(positive):
        clicks[(prompt, *cell)] = 1
        near[prompt] = (cells - torch.tensor(cell)).norm(dim=-1)
    return clicks, near


def test_equal_looks_share_a_word_and_different_looks_do_not():
    appearance = torch.zeros(1, 8, 8)
    appearance[:, 4:] = 2
    words = vocabulary(appearance, torch.ones(8, 8, dtype=torch.bool))
    assert words[:4].unique().numel() == words[4:].unique().numel() == 1
    assert words[0, 0] != words[7, 7]
    assert 0 <= words.min() <= words.max() < N_WORDS


def test_smoothness_is_one_in_flat_regions_and_small_across_an_edge():
    appearance = torch.zeros(1, 6, 6)
    appearance[:, :, 3:] = 1
    down, right = smoothness_weights(appearance)
    assert (down == 1).all()
    assert right[0, 2] < 0.1
    assert right[0, 1] == 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_ball_of_one_look_is_found_from_one_click(ndim):
    grid, ball, appearance = scene(ndim, 48 if ndim == 2 else 24)
    words = vocabulary(appearance, torch.ones(grid.shape, dtype=torch.bool))
    clicks, near = clicked(grid, tuple(n // 2 for n in grid.shape))
    masks = colour_logits(words, smoothness_weights(appearance), near, clicks, grid)[0] > 0
    dims = tuple(range(1, ndim + 1))
    dice = 2 * (masks & ball).sum(dims) / (masks.sum(dims) + ball.sum())
    assert dice.max() > 0.9


def test_prompts_of_a_batch_do_not_see_each_other():
    grid, _, appearance = scene(2)
    words = vocabulary(appearance, torch.ones(grid.shape, dtype=torch.bool))
    weights = smoothness_weights(appearance)
    clicks, near = clicked(grid, (24, 24), (5, 40))
    together = colour_logits(words, weights, near, clicks, grid)
    for prompt in range(2):
        alone = colour_logits(words, weights, near[prompt, None], clicks[prompt, None], grid)
        assert torch.allclose(together[prompt], alone[0], atol=1e-4)
