"""The pre-alignment as a method."""

import numpy as np
import torch

from promptreg.baselines.identity import Identity
from promptreg.config import Baselines
from promptreg.geometry import apply_affine, default_affine, transform_points
from promptreg.types import Grid, Image, Pair


def test_the_identity_maps_points_as_the_pre_alignment_does(tmp_path):
    fixed = Grid((4, 6, 8), default_affine(3, (3.0, 1.0, 0.5)))
    moving = Grid((5, 7, 9), default_affine(3, (2.0, 1.5, 1.0)))
    matrix = np.eye(4)
    matrix[:3] = [[1.0, 0.1, 0, 4.0], [-0.1, 1.0, 0, -3.0], [0, 0, 1.1, 2.0]]
    pair = Pair(
        Image(torch.zeros(1, *moving.shape), moving), Image(torch.zeros(3, *fixed.shape), fixed), matrix
    )
    ddf = Identity().register(pair, Baselines(), tmp_path)
    points = torch.tensor([[1.0, 2.0, 3.0], [0.5, 4.0, 8.0]], dtype=torch.float64)
    assert ddf.grid is fixed
    torch.testing.assert_close(transform_points(ddf, points), apply_affine(matrix, points), atol=1e-5, rtol=0)
    assert list(tmp_path.iterdir()) == []
