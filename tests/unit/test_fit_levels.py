from __future__ import annotations

import numpy as np
import torch

from promptreg.fit_levels import distance_layers, image_layers, mask_layers, pyramid
from promptreg.geometry import default_affine, resized
from promptreg.types import Grid, Image, Pair, RoiPairs

GRID = Grid((6, 64, 48), default_affine(3, [8.0, 1, 1]))


def box_rois(grid: Grid = GRID) -> RoiPairs:
    mask = torch.zeros(1, *grid.shape)
    mask[:, 2:4, 20:40, 16:32] = 1
    return RoiPairs(mask, mask, grid, grid, torch.ones(1))


def test_a_pyramid_halves_thin_axes_and_keeps_thick_slices() -> None:
    assert [grid.shape for grid in pyramid(GRID, max_cells=64, levels=3)] == [
        (6, 64, 48),
        (6, 32, 24),
        (6, 16, 12),
    ]


def test_a_pyramid_stops_at_eight_cells() -> None:
    grid = Grid((16, 16), default_affine(2))
    assert [level.shape for level in pyramid(grid, max_cells=200, levels=4)] == [
        (16, 16),
        (8, 8),
        (8, 8),
        (8, 8),
    ]


def test_masks_of_equal_images_agree_at_every_level() -> None:
    for grid in pyramid(GRID, max_cells=64, levels=3):
        layers = mask_layers(box_rois(), grid)
        torch.testing.assert_close(layers.moved(np.eye(4)), layers.fixed, atol=1e-4, rtol=0)


def test_a_start_of_one_cell_moves_the_masks_by_one_cell() -> None:
    layers = mask_layers(box_rois(), GRID)
    shift = np.eye(4)
    shift[0, 3] = 1
    torch.testing.assert_close(layers.moved(shift), layers.fixed.roll(-1, dims=3), atol=1e-4, rtol=0)


def test_moving_masks_beyond_the_fixed_field_of_view_are_still_reached() -> None:
    affine = GRID.affine.copy()
    affine[0, 3] += 500
    rois = box_rois()
    away = RoiPairs(rois.moving, rois.fixed, Grid(GRID.shape, affine), GRID, rois.weights)
    shift = np.eye(4)
    shift[0, 3] = 500
    layers = mask_layers(away, GRID)
    torch.testing.assert_close(layers.moved(shift), layers.fixed, atol=1e-3, rtol=0)
    assert layers.overlap(shift).all()
    assert not layers.overlap(np.eye(4)).any()


def test_distances_are_far_outside_beyond_the_field_of_view() -> None:
    layers = distance_layers(box_rois(), GRID)
    shift = np.eye(4)
    shift[0, 3] = 500
    assert (layers.moved(shift) == -1).all()
    assert layers.fixed.max() > 0


def test_image_layers_put_both_images_on_the_level() -> None:
    generator = torch.Generator().manual_seed(0)
    image = Image(torch.rand(3, *GRID.shape, generator=generator), GRID)
    level = resized(GRID, (6, 32, 24))
    layers = image_layers(Pair(image, image, np.eye(4)), level, "cpu")
    assert layers.fixed.shape == (1, *level.shape)
    torch.testing.assert_close(layers.moved(np.eye(4)), layers.fixed, atol=1e-4, rtol=0)
