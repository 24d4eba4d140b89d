from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from promptreg.config import Fit
from promptreg.ddf import FitResult, fit_ddf
from promptreg.geometry import apply_affine, default_affine, transform_points, world_coordinates
from promptreg.types import Embedding, Grid, Image, Pair, RoiPairs

FAST = Fit(iterations=30, device="cpu")


def balls(grid: Grid, centers: list[list[float]], radii: list[float]) -> Tensor:
    """Soft balls (K, *grid.shape) with world centres and radii."""
    world = world_coordinates(grid).double()
    edge = float(grid.spacing.min())
    distances = [(world - torch.tensor(c, dtype=torch.float64)).norm(dim=-1) for c in centers]
    return torch.stack(
        [((r - d) / edge + 0.5).clamp(0, 1) for d, r in zip(distances, radii, strict=True)]
    ).float()


def make_pair(moving_grid: Grid, fixed_grid: Grid, prealignment: np.ndarray | None = None) -> Pair:
    images = [Image(torch.zeros(1, *grid.shape), grid) for grid in (moving_grid, fixed_grid)]
    return Pair(*images, np.eye(fixed_grid.ndim + 1) if prealignment is None else prealignment)


def rois_of(moving: Tensor, fixed: Tensor, moving_grid: Grid, fixed_grid: Grid) -> RoiPairs:
    return RoiPairs(moving, fixed, moving_grid, fixed_grid, torch.ones(len(moving)))


def shifted_disc(shift: float) -> tuple[RoiPairs, Pair]:
    """A disc of radius 20 px on 128 x 128 cells, moved by `shift` px along x."""
    grid = Grid((128, 128), default_affine(2), "px")
    moving, fixed = balls(grid, [[40 + shift, 64]], [20]), balls(grid, [[40, 64]], [20])
    return rois_of(moving, fixed, grid, grid), make_pair(grid, grid)


def error_inside(result: FitResult, fixed: Tensor, truth: list[float]) -> Tensor:
    error = (result.ddf.displacement - torch.tensor(truth).view(-1, *[1] * (fixed.ndim - 1))).norm(dim=0)
    return error[(fixed > 0.5).any(0)]


def test_identical_masks_give_no_displacement_and_no_folds() -> None:
    rois, pair = shifted_disc(0)
    result = fit_ddf(rois, pair, FAST)
    assert result.start_kind == "prealignment"
    assert result.ddf.displacement.abs().max() < 0.1
    assert result.folds_percent == 0
    assert result.roi_dice == pytest.approx(1)


@pytest.mark.parametrize("shift", [6, 16, 36, 46])
def test_a_translated_disc_gives_its_translation_within_a_pixel(shift: float) -> None:
    rois, pair = shifted_disc(shift)
    result = fit_ddf(rois, pair, FAST)
    assert error_inside(result, rois.fixed, [shift, 0]).max() < 1
    assert result.folds_percent == 0
    assert result.roi_dice.min() > 0.99


@pytest.mark.parametrize("shift", [6, 16, 36])
def test_an_overlapping_disc_is_found_even_without_a_start(shift: float) -> None:
    rois, pair = shifted_disc(shift)
    result = fit_ddf(rois, pair, Fit(start="none", device="cpu"))
    assert error_inside(result, rois.fixed, [shift, 0]).mean() < 1
    assert result.folds_percent == 0


def test_signed_distances_reach_a_disjoint_disc_without_a_start() -> None:
    rois, pair = shifted_disc(46)
    result = fit_ddf(rois, pair, Fit(start="none", loss="sdf", device="cpu"))
    assert result.roi_dice_start == pytest.approx(0)
    assert result.roi_dice.min() > 0.9
    assert result.folds_percent == 0


def test_a_large_region_does_not_dominate_a_small_one() -> None:
    grid = Grid((96, 96), default_affine(2), "px")
    fixed = balls(grid, [[34, 48], [78, 48]], [24, 5])
    moving = balls(grid, [[34, 48], [78, 53]], [24, 5])
    result = fit_ddf(
        rois_of(moving, fixed, grid, grid), make_pair(grid, grid), Fit(start="none", device="cpu")
    )
    assert result.roi_dice_start[1] < 0.5
    assert result.roi_dice.min() > 0.9


def test_a_region_of_zero_weight_changes_nothing() -> None:
    rois, pair = shifted_disc(16)
    far = balls(rois.fixed_grid, [[100, 20]], [10])
    padded = RoiPairs(
        torch.cat([rois.moving, far]),
        torch.cat([rois.fixed, far.flip(1)]),
        rois.moving_grid,
        rois.fixed_grid,
        torch.tensor([1.0, 0.0]),
    )
    alone, with_ignored = fit_ddf(rois, pair, FAST), fit_ddf(padded, pair, FAST)
    torch.testing.assert_close(alone.ddf.displacement, with_ignored.ddf.displacement, atol=1e-3, rtol=0)
    assert with_ignored.roi_dice.shape == (2,)


@pytest.mark.parametrize("n_regions", [0, 2])
def test_no_usable_region_returns_the_start_alone_and_says_so(n_regions: int) -> None:
    grid = Grid((40, 40), default_affine(2), "px")
    shift = np.eye(3)
    shift[:2, 2] = 3, -2
    empty = torch.zeros(n_regions, 40, 40)
    result = fit_ddf(rois_of(empty, empty, grid, grid), make_pair(grid, grid, shift), FAST)
    assert not result.fitted
    assert result.start_kind == "prealignment"
    assert np.isnan(result.roi_dice).all()
    torch.testing.assert_close(
        result.ddf.displacement.mean((1, 2)), torch.tensor([3.0, -2.0]), atol=1e-4, rtol=0
    )


def test_images_that_take_part_are_registered_even_without_any_region() -> None:
    rois, blank = shifted_disc(6)
    grid = rois.fixed_grid
    images = [Image(discs, grid) for discs in (rois.moving, rois.fixed)]
    pair = replace(blank, moving=images[0], fixed=images[1])
    empty = torch.zeros(0, *grid.shape)
    result = fit_ddf(
        rois_of(empty, empty, grid, grid), pair, FAST.model_copy(update={"image_terms": {"ncc": 3}})
    )
    assert result.fitted
    assert error_inside(result, rois.fixed, [6, 0]).mean() < 1


def test_without_regions_a_global_affine_prior_is_the_start() -> None:
    grid = Grid((40, 40), default_affine(2), "px")
    prior = np.eye(3)
    prior[:2, 2] = 5, 1
    empty = torch.zeros(0, 40, 40)
    result = fit_ddf(rois_of(empty, empty, grid, grid), make_pair(grid, grid), FAST, initial=prior)
    assert result.start_kind == "initial"
    assert result.ddf.displacement[0].mean() == pytest.approx(5, abs=1e-4)


def test_the_same_fit_twice_is_the_same_field() -> None:
    rois, pair = shifted_disc(16)
    settings = Fit(start="none", iterations=10, device="cpu")
    torch.testing.assert_close(
        fit_ddf(rois, pair, settings).ddf.displacement,
        fit_ddf(rois, pair, settings).ddf.displacement,
        atol=0,
        rtol=0,
    )


def oblique_grid(shape: tuple[int, ...], spacing: list[float], angle: float, center: list[float]) -> Grid:
    """A grid with the world point `center` in its middle, turned about the last world axis (2D: in plane)."""
    ndim = len(shape)
    turn = np.eye(ndim)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    affine = default_affine(ndim, spacing)
    affine[:-1, :-1] = turn @ affine[:-1, :-1]
    affine[:-1, -1] = np.array(center) - affine[:-1, :-1] @ (np.array(shape) - 1) / 2
    return Grid(shape, affine)


@pytest.mark.parametrize("parametrization", ["affine", "ffd", "svf", "ddf"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_every_parametrization_registers_oblique_anisotropic_grids(parametrization: str, ndim: int) -> None:
    shapes = {2: ((48, 40), (44, 52)), 3: ((12, 36, 32), (14, 30, 36))}[ndim]
    fixed_grid = oblique_grid(shapes[0], [3.0, 1.2, 1.0][3 - ndim :], 0.3, [5.0, -7.0, 30.0][:ndim])
    moving_grid = oblique_grid(shapes[1], [2.5, 1.0, 1.3][3 - ndim :], -0.2, [25.0, 3.0, 10.0][:ndim])
    prealignment = np.eye(ndim + 1)
    prealignment[:-1, -1] = moving_grid.center - fixed_grid.center
    c, m = fixed_grid.center, moving_grid.center
    fixed = balls(fixed_grid, [c - 6, c + 6], [7, 6])
    moving = balls(moving_grid, [m - 6 + 2, m + 6 + 4], [7.5, 6.5])
    pair = make_pair(moving_grid, fixed_grid, prealignment)
    settings = Fit(parametrization=parametrization, start="none", device="cpu", iterations=40)
    result = fit_ddf(rois_of(moving, fixed, moving_grid, fixed_grid), pair, settings)
    assert result.roi_dice.mean() > result.roi_dice_start.mean()
    assert result.roi_dice.min() > 0.85
    assert result.folds_percent < (1 if parametrization == "ddf" else 0.1)


def test_flipped_and_transposed_arrays_with_matching_affines_give_the_same_world_field() -> None:
    grid = oblique_grid((60, 48), [1.0, 1.5], 0.2, [10.0, 20.0])
    pair = make_pair(grid, grid)
    c = grid.center
    # Four regions that share a motion: the closed-form start must be turned as well, not the descent alone.
    off = np.array([9.0, -11])
    centers, growth = [c - 8, c + 9, c + off, c - off], 1.1
    fixed = balls(grid, centers, [8, 7, 6, 6])
    moving = balls(grid, [c + growth * (one - c) + 5 for one in centers], [9, 7, 6, 7])
    settings = Fit(iterations=15, device="cpu")
    straight = fit_ddf(rois_of(moving, fixed, grid, grid), pair, settings)

    to_straight = np.array([[0.0, -1, 59], [1, 0, 0], [0, 0, 1]])
    turned_grid = Grid((48, 60), grid.affine @ to_straight, grid.unit)
    turned_masks = [masks.flip(1).transpose(1, 2) for masks in (moving, fixed)]
    turned = fit_ddf(
        rois_of(*turned_masks, turned_grid, turned_grid), make_pair(turned_grid, turned_grid), settings
    )
    points = torch.tensor(np.stack([c - 8, c, c + 9, c + np.array([6, -9])]))
    torch.testing.assert_close(
        transform_points(straight.ddf, points), transform_points(turned.ddf, points), atol=0.05, rtol=0
    )


def test_a_violent_compression_stays_diffeomorphic_on_a_finer_native_grid() -> None:
    grid = Grid((160, 160), default_affine(2), "px")
    fixed = balls(grid, [[60, 80], [100, 80]], [34, 6])
    moving = balls(grid, [[60, 80], [80, 80]], [6, 34])
    settings = Fit(start="none", weight=1e-4, max_cells=64, device="cpu")
    result = fit_ddf(rois_of(moving, fixed, grid, grid), make_pair(grid, grid), settings)
    assert result.roi_dice.mean() > result.roi_dice_start.mean() + 0.2
    assert result.folds_percent == 0


@pytest.mark.parametrize("term", ["ncc", "mi", "mind", "features"])
def test_an_image_term_aligns_what_the_regions_do_not_show(term: str) -> None:
    grid = Grid((64, 64), default_affine(2), "px")
    parts = balls(grid, [[20, 44], [44, 44], [32, 20], [50, 16]], [6, 8, 7, 5])
    texture = parts.sum(0)
    colors = torch.stack([texture, 0.8 * texture, 0.6 * texture])
    images = [Image(colors.roll(3, dims=2), grid), Image(colors, grid)]
    region = balls(grid, [[10, 10]], [4])
    pair, rois = Pair(*images, np.eye(3)), rois_of(region, region, grid, grid)
    settings = Fit(image_terms={term: 2}, weight=0.01, device="cpu")
    embeddings = [Embedding(features, grid, grid, grid) for features in (parts.roll(3, dims=2), parts)]
    result = fit_ddf(rois, pair, settings, embeddings=(embeddings[0], embeddings[1]))
    plain = fit_ddf(rois, pair, settings.model_copy(update={"image_terms": {}}))
    inside = balls(grid, [[32, 20]], [7]) > 0.5
    assert plain.ddf.displacement[0][inside[0]].abs().max() < 0.1
    assert result.ddf.displacement[0][inside[0]].mean() > 1.5


def test_a_volume_of_one_slice_is_fitted() -> None:
    grid = Grid((1, 40, 40), default_affine(3, [5, 1, 1]))
    fixed, moving = balls(grid, [[18, 20, 0]], [8]), balls(grid, [[24, 20, 0]], [8])
    result = fit_ddf(rois_of(moving, fixed, grid, grid), make_pair(grid, grid), FAST)
    assert result.roi_dice.min() > 0.95


def test_wrong_shapes_and_negative_weights_are_refused_with_what_was_expected() -> None:
    rois, pair = shifted_disc(0)
    with pytest.raises(ValueError, match=r"fixed regions have shape \(1, 5, 5\); expected \(1, 128, 128\)"):
        fit_ddf(replace(rois, fixed=torch.zeros(1, 5, 5)), pair, FAST)
    with pytest.raises(ValueError, match="none negative"):
        fit_ddf(replace(rois, weights=torch.tensor([-1.0])), pair, FAST)


def test_the_field_contains_the_prealignment_and_the_start() -> None:
    grid = Grid((64, 64), default_affine(2), "px")
    truth = np.array([[1.1, -0.1, 8], [0.1, 1.1, 2], [0, 0, 1]])
    centers = np.array([[18.0, 20], [44, 18], [20, 44], [42, 40], [30, 30]])
    moved = apply_affine(truth, torch.tensor(centers)).numpy()
    fixed = balls(grid, list(centers), [5] * 5)
    moving = balls(grid, list(moved), [5.5] * 5)
    shift = np.eye(3)
    shift[:2, 2] = 10, 10
    result = fit_ddf(rois_of(moving, fixed, grid, grid), make_pair(grid, grid, shift), FAST)
    assert result.start_kind in {"similarity", "affine"}
    error = transform_points(result.ddf, torch.tensor(centers)) - torch.tensor(moved)
    assert error.norm(dim=1).max() < 0.7
    assert set(result.seconds_by_phase) == {"start", "level_0", "level_1", "level_2", "finish"}
    assert len(result.history) > 3
