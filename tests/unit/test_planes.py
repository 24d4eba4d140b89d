from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from promptreg.baselines.planes import PLANES, directions, predicted_by_planes

ALL = (0, 1, 2)


class Constant(nn.Module):
    """Moves every plane by the same (row, column), whatever it shows; counts the planes."""

    def __init__(self, row: float, column: float) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor([float(row), float(column)]))
        self.batches: list[int] = []

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        self.batches.append(len(moving))
        return self.shift.view(1, 2, 1, 1).expand(len(fixed), 2, *fixed.shape[2:])


class Brightness(nn.Module):
    """Moves rows by how much brighter the fixed cell is."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        difference = fixed - moving
        return torch.cat([difference, torch.zeros_like(difference)], dim=1)


def test_an_axis_moves_by_the_mean_of_the_two_directions_of_planes_that_hold_it() -> None:
    volume = torch.rand(1, 4, 6, 8)
    field = predicted_by_planes(Constant(3, 5), volume, volume, ALL)
    assert field.shape == (3, 4, 6, 8)
    # z is the row of both its planes, y a column and a row, x the column of both
    assert field.mean((1, 2, 3)).tolist() == pytest.approx([3, 4, 5])


def test_planes_go_back_to_the_places_that_they_were_cut_from() -> None:
    fixed = torch.zeros(1, 9, 9, 9)
    fixed[0, 2, 4, 6] = 1
    field = predicted_by_planes(Brightness(), torch.zeros_like(fixed), fixed, ALL)
    assert [int(i) for i in torch.unravel_index(field[0].argmax(), fixed.shape[1:])] == [2, 4, 6]
    assert field[2].abs().max() == 0


def test_many_planes_are_taken_in_batches() -> None:
    net = Constant(0, 0)
    volume = torch.rand(1, PLANES + 3, 4, 4)
    predicted_by_planes(net, volume, volume, ALL)
    assert net.batches == [PLANES, 3, 4, 4]


def test_planes_of_one_direction_move_nothing_across_them() -> None:
    volume = torch.rand(1, 4, 6, 8)
    field = predicted_by_planes(Constant(3, 5), volume, volume, [2])
    assert field.mean((1, 2, 3)).tolist() == pytest.approx([3, 5, 0])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((20, 20, 20), [0, 1, 2]), ((64, 64, 10), [2]), ((9, 64, 10), [0]), ((16, 16, 15), [2])],
)
def test_planes_with_a_short_side_are_not_read(shape: tuple[int, int, int], expected: list[int]) -> None:
    assert directions(shape, 16) == expected
