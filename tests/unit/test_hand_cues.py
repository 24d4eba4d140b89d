import pytest
import torch

from promptreg.geometry import default_affine, world_coordinates
from promptreg.models.colour_masks import smoothness_weights
from promptreg.models.hand_cues import Looks, hand_scores, shell
from promptreg.types import Grid


def grid_of(*shape):
    return Grid(shape, default_affine(len(shape), [1.0] * len(shape)))


def test_a_shell_is_three_cells_wide_and_outside():
    mask = torch.zeros(1, 1, 15, 15, dtype=torch.bool)
    mask[..., 7, 7] = True
    around = shell(mask)
    assert not (around & mask).any()
    assert around[0, 0, 7].nonzero().flatten().tolist() == [4, 5, 6, 8, 9, 10]


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_true_ball_scores_above_a_part_a_shifted_ball_and_a_sponge(ndim):
    n = 40 if ndim == 2 else 24
    grid = grid_of(*[n] * ndim)
    radius = (world_coordinates(grid) - (n - 1) / 2).norm(dim=-1)
    ball, part = radius < 0.2 * n, radius < 0.08 * n
    shifted = ball.roll(n // 6, -1)
    sponge = ball & (world_coordinates(grid).sum(-1).long() % 2 == 0)
    appearance = ball.float()[None] * 2
    masks = torch.stack([ball, part, shifted, sponge])[None]
    words = ball.long()
    looks = Looks(appearance, words, smoothness_weights(appearance))
    scores = hand_scores(masks, masks, looks, grid)[0]
    assert scores.argmax() == 0
    assert 0 <= scores.min() <= scores.max() <= 1
    assert scores[0] > 1.2 * scores[1:].max()
