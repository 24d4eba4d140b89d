"""How far a registration and that of the same pair with its roles exchanged are from undoing each other."""

from __future__ import annotations

import torch
from torch import Tensor

from promptreg.geometry import transform_points, world_coordinates, world_to_index
from promptreg.types import Ddf


def inverse_errors(forward: Ddf, backward: Ddf, mask: Tensor) -> Tensor:
    """Return |B(F(p)) - p| in world units for the cells p of `mask` (*forward.grid.shape) bool, (N,).

    `forward` lies on the fixed and `backward` on the moving image's grid. Cells that `forward` takes out of
    the moving image are left out: nothing is known of the way back.
    """
    points = world_coordinates(forward.grid)[mask].double()
    moved = points + forward.displacement.movedim(0, -1)[mask].double()
    index = world_to_index(backward.grid, moved)
    upper = torch.tensor(backward.grid.shape, dtype=torch.float64) - 1
    inside = ((index >= 0) & (index <= upper)).all(1)
    return (transform_points(backward, moved[inside]) - points[inside]).norm(dim=1)
