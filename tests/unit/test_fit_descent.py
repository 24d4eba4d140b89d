from __future__ import annotations

import numpy as np
import pytest
import torch

from promptreg.config import Fit
from promptreg.fit_descent import descend
from promptreg.geometry import default_affine, world_coordinates
from promptreg.parametrizations import Affine, StationaryVelocity
from promptreg.types import Grid, RoiPairs

GRID = Grid((64, 64), default_affine(2), "px")
LEVELS = [
    GRID,
    Grid((32, 32), default_affine(2, [2.0, 2.0]) @ np.array([[1, 0, 0.25], [0, 1, 0.25], [0, 0, 1]])),
]
FAST = Fit(iterations=30, device="cpu")


def disc(x: float, y: float, radius: float = 12) -> torch.Tensor:
    distance = (world_coordinates(GRID) - torch.tensor([x, y])).norm(dim=-1)
    return (radius + 0.5 - distance).clamp(0, 1)[None]


def shifted(by: float, weight: float = 1) -> RoiPairs:
    return RoiPairs(disc(30 + by, 32), disc(30, 32), GRID, GRID, torch.tensor([weight]))


def no_images(grid: Grid, start: np.ndarray) -> None:
    return None


@pytest.mark.parametrize(("kind", "family"), [("affine", Affine), ("svf", StationaryVelocity)])
def test_a_shifted_region_is_found_in_every_family(kind: str, family: type) -> None:
    config = FAST.model_copy(update={"parametrization": kind})
    found = descend(shifted(6), no_images, config, grids=LEVELS, start=np.eye(3))
    assert isinstance(found.family, family)
    field = found.family.displacement(found.coefficients)
    inside = disc(30, 32)[0] > 0.5
    assert field[1][inside].mean().item() == pytest.approx(6, abs=0.7)
    assert field[0][inside].mean().item() == pytest.approx(0, abs=0.7)


def test_levels_are_taken_coarse_to_fine_and_timed() -> None:
    seconds: dict[str, float] = {}
    found = descend(shifted(6), no_images, FAST, grids=LEVELS, start=np.eye(3), seconds=seconds)
    levels = [level for level, _ in found.history]
    assert levels == sorted(levels, reverse=True)
    assert set(levels) == {0, 1}
    assert list(seconds) == ["level_1", "level_0"]


def test_nothing_to_compare_leaves_the_identity_and_no_history() -> None:
    found = descend(shifted(6, weight=0), no_images, FAST, grids=LEVELS, start=np.eye(3))
    assert not found.history
    assert not found.coefficients.any()


def test_the_start_counts_before_the_deformation() -> None:
    start = np.eye(3)
    start[0, 2] = 6
    found = descend(shifted(6), no_images, FAST, grids=LEVELS, start=start)
    assert found.family.displacement(found.coefficients).abs().max() < 0.1
