from __future__ import annotations

import numpy as np
import pytest
import torch

from promptreg.config import Fit
from promptreg.fit_descent import Images
from promptreg.geometry import default_affine, limited, resample
from promptreg.image_start import image_start, improved, likeness
from promptreg.image_terms import ImageTerms
from promptreg.types import Grid, Image, Pair, RoiPairs

CPU = torch.device("cpu")
GRIDS = {2: Grid((80, 80), default_affine(2)), 3: Grid((16, 40, 40), default_affine(3, [4.0, 2, 2]))}
TRUTHS = {
    2: np.array([[1.1, 0.15, -4], [-0.05, 0.95, 6], [0, 0, 1]]),
    3: np.array([[1.05, 0.1, 0, -4], [-0.1, 1, 0, 5], [0, 0.05, 0.95, 3], [0, 0, 0, 1.0]]),
}
FIT = Fit(image_terms={"ncc": 3}, device="cpu")


def moved(fixed: Image, truth: np.ndarray, *, inverted: bool = False) -> Image:
    """The image that `truth` maps the fixed one onto, maybe of inverted contrast."""
    seen = Grid(fixed.grid.shape, np.linalg.inv(truth) @ fixed.grid.affine)
    data = resample(fixed.data, fixed.grid, seen, padding="border")
    return Image(1 - data if inverted else data, fixed.grid)


def no_regions(grid: Grid) -> RoiPairs:
    empty = torch.zeros(0, *grid.shape)
    return RoiPairs(empty, empty, grid, grid, torch.zeros(0))


def image_terms(pair: Pair) -> Images:
    return lambda grid, start: ImageTerms(pair, grid, start, {"ncc": 3})


def chosen(pair: Pair, candidates: dict[str, np.ndarray]) -> tuple[str, np.ndarray]:
    grid = pair.fixed.grid
    grids = [grid, grid, limited(grid, 20)]
    return image_start(candidates, no_regions(grid), pair, image_terms(pair), FIT, grids=grids)


def textured(ndim: int, seed: int = 0) -> Image:
    """An image of blobs."""
    noise = torch.randn(1, *[8] * ndim, generator=torch.Generator().manual_seed(seed))
    mode = {2: "bicubic", 3: "trilinear"}[ndim]
    return Image(torch.nn.functional.interpolate(noise[None], GRIDS[ndim].shape, mode=mode)[0], GRIDS[ndim])


@pytest.mark.parametrize("kind", ["ncc", "mi"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_images_tell_the_true_map_from_others(ndim: int, kind: str) -> None:
    fixed, grid, truth = textured(ndim), GRIDS[ndim], TRUTHS[ndim]
    pair = Pair(moved(fixed, truth, inverted=True), fixed, np.eye(ndim + 1))
    others = {"prealignment": np.eye(ndim + 1), "affine": truth, "initial": np.linalg.inv(truth)}
    alike = likeness(pair, others, grid, kind=kind, device=CPU)
    assert max(alike, key=alike.__getitem__) == "affine"


def test_a_map_that_looks_past_the_images_does_not_win_by_the_rest() -> None:
    fixed, grid = textured(2), GRIDS[2]
    noise = torch.randn(fixed.data.shape, generator=torch.Generator().manual_seed(1))
    data = fixed.data + 0.3 * noise
    data[..., -16:] = fixed.data[..., :16]
    shifted = np.eye(3)
    shifted[0, 2] = grid.shape[1] - 16
    pair = Pair(Image(data, grid), fixed, np.eye(3))
    starts = {"translation": shifted, "prealignment": np.eye(3)}
    alike = likeness(pair, starts, grid, kind="ncc", device=CPU)
    assert alike["prealignment"] > alike["translation"]


def farthest(start: np.ndarray, truth: np.ndarray) -> float:
    """How far apart two maps take a corner of the field of view."""
    ndim = len(truth) - 1
    corners = np.stack(np.meshgrid(*[[0, 79]] * ndim, [1])).reshape(ndim + 1, -1)
    return float(np.abs((start - truth) @ corners).max())


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_improved_start_nears_the_affine_motion_of_the_images(ndim: int) -> None:
    fixed, truth, grid = textured(ndim), TRUTHS[ndim], GRIDS[ndim]
    pair = Pair(moved(fixed, truth), fixed, np.eye(ndim + 1))
    start = improved(
        np.eye(ndim + 1), no_regions(grid), pair, image_terms(pair), FIT, grids=[grid, limited(grid, 20)]
    )
    assert farthest(start, truth) < 0.25 * farthest(np.eye(ndim + 1), truth)


def test_without_an_initial_map_a_start_is_taken_improved_where_the_images_clearly_say_so() -> None:
    fixed, truth = textured(2), TRUTHS[2]
    pair = Pair(moved(fixed, truth), fixed, np.eye(3))
    name, start = chosen(pair, {"prealignment": np.eye(3)})
    assert name == "prealignment"
    assert farthest(start, truth) < 0.25 * farthest(np.eye(3), truth)


def test_an_initial_map_is_not_improved() -> None:
    fixed, truth = textured(2), TRUTHS[2]
    pair = Pair(moved(fixed, truth), fixed, np.eye(3))
    near = truth.copy()
    near[:2, 2] += 1
    name, start = chosen(pair, {"prealignment": np.eye(3), "initial": near})
    assert name == "initial"
    assert start is near


def test_a_start_that_cannot_be_clearly_better_is_left_as_it_was() -> None:
    fixed, near = textured(2), np.eye(3)
    near[0, 2] = 0.5
    assert chosen(Pair(fixed, fixed, np.eye(3)), {"prealignment": near})[1] is near


def test_a_map_that_the_images_drive_wild_is_not_taken() -> None:
    fixed = textured(2)
    shrunk = np.diag([0.2, 0.2, 1.0])
    pair = Pair(fixed, fixed, np.eye(3))
    assert improved(shrunk, no_regions(GRIDS[2]), pair, image_terms(pair), FIT, grids=[GRIDS[2]]) is shrunk
