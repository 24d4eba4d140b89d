import numpy as np
import pytest
import SimpleITK as sitk
import torch

from promptreg.geometry import (
    cell_indices,
    default_affine,
    index_to_world,
    resample,
    visibility,
    world_to_index,
)
from promptreg.models.volume_tiles import Tiling, canonical, respaced
from promptreg.types import Grid

OBLIQUE = np.array(
    [[0.1, 0.2, 1.5, -20.0], [-0.2, 1.6, -0.1, 35.0], [4.0, 0.1, 0.3, 7.0], [0.0, 0.0, 0.0, 1.0]]
)
SHAPES = {"one cube": (5, 8, 7), "exactly one cube": (8, 8, 8), "several cubes": (9, 21, 12)}


def volume(shape, *, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_canonical_axes_run_to_the_right_to_the_front_and_up():
    grid = canonical(Grid((8, 40, 52), OBLIQUE))
    assert grid.shape == (52, 40, 8)
    along = grid.affine[:-1, :-1] / grid.spacing
    assert (np.diag(along) * [-1, -1, 1] > 0.8).all()


def test_canonical_order_leaves_every_voxel_where_it_is_in_the_world():
    grid, data = Grid((4, 5, 6), OBLIQUE), volume((4, 5, 6))
    turned = canonical(grid)
    values = resample(data[None], grid, turned)[0]
    torch.testing.assert_close(values, data.permute(2, 1, 0).flip(0, 1), atol=1e-5, rtol=0)


def test_respacing_reads_a_volume_as_another_tool_does():
    grid, data = Grid((6, 11, 9), default_affine(3, (4.0, 0.9, 1.3))), volume((6, 11, 9))
    target = respaced(grid, 1.5)
    assert target.shape == (16, 7, 8)
    np.testing.assert_allclose(target.spacing, 1.5)
    source = sitk.GetImageFromArray(data.numpy())
    source.SetSpacing((1.3, 0.9, 4.0))
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(target.shape[::-1])
    resampler.SetOutputSpacing((1.5, 1.5, 1.5))
    resampler.SetOutputOrigin(tuple(0.5 * (1.5 - old) for old in (1.3, 0.9, 4.0)))
    expected = torch.from_numpy(sitk.GetArrayFromImage(resampler.Execute(source)))
    inside = visibility(grid, target)
    found = resample(data[None], grid, target, padding="border")[0]
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-4, rtol=0)


@pytest.mark.parametrize("case", SHAPES)
def test_every_voxel_lies_in_a_cube_and_the_rest_of_a_cube_is_zero(case):
    data = volume(SHAPES[case]).abs() + 1
    tiling = Tiling.of(Grid(SHAPES[case], default_affine(3)), 8)
    cubes = tiling.cut(data)
    assert len(cubes) == len(tiling.starts)
    seen = torch.zeros_like(data)
    for cube, start in zip(cubes, tiling.starts, strict=True):
        assert cube.shape == (8, 8, 8)
        index = (cell_indices(cube.shape) + start - torch.tensor(tiling.offset)).long()
        inside = ((index >= 0) & (index < torch.tensor(data.shape))).all(-1)
        where = tuple(index[inside].T)
        torch.testing.assert_close(cube[inside], data[where])
        assert (cube[~inside] == 0).all()
        seen[where] = 1
    assert seen.all()


def test_a_volume_that_fits_is_one_cube_with_the_volume_in_its_middle():
    tiling = Tiling.of(Grid((5, 8, 7), default_affine(3)), 8)
    assert tiling.counts == (1, 1, 1)
    assert tiling.offset == (2, 0, 1)


def test_the_nearest_cube_has_its_middle_within_a_quarter_of_a_side_of_an_inner_point():
    tiling = Tiling.of(Grid((9, 21, 12), default_affine(3)), 8)
    points = 2 + torch.rand(100, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor(
        [7.0, 19.0, 7.0]
    )
    number = tiling.nearest(points)
    middles = tiling.starts + 3.5
    distance = (points[:, None] - middles).abs().amax(-1)
    torch.testing.assert_close(distance[torch.arange(100), number], distance.amin(1))
    assert distance.amin(1).max() <= 2


@pytest.mark.parametrize("case", SHAPES)
def test_features_that_all_cubes_agree_on_are_blended_to_themselves(case):
    grid = Grid(SHAPES[case], OBLIQUE)
    tiling = Tiling.of(grid, 8)
    shape = [4 + 4 * m for m in tiling.counts]
    lattice = volume([3, *(n // 2 for n in shape)])
    tiles = torch.stack(
        [lattice[:, i : i + 4, j : j + 4, k : k + 4] for i, j, k in (tiling.starts // 2).tolist()]
    )
    blended = tiling.blended(tiles)
    cells, spans = tiling.cells(2, 2)
    kept = tuple(slice(first, end) for first, end in spans)
    torch.testing.assert_close(blended, lattice[:, *kept])
    assert blended.shape[1:] == cells.shape
    assert visibility(cells, grid).all()


@pytest.mark.parametrize("case", SHAPES)
def test_masks_are_placed_where_their_cube_is_in_the_world(case):
    grid = Grid(SHAPES[case], OBLIQUE)
    tiling = Tiling.of(grid, 8)
    data = volume(SHAPES[case])
    numbers = torch.arange(len(tiling.starts)).flip(0)
    cubes = torch.stack(tiling.cut(data))[numbers][:, None]
    placed = tiling.placed(cubes, numbers, 2, -20.0)
    cells, _ = tiling.cells(1, 2)
    assert placed.shape == (len(numbers), 1, *cells.shape)
    index = world_to_index(cells, index_to_world(grid, cell_indices(grid.shape))).round().long()
    for mask, number in zip(placed[:, 0], numbers, strict=True):
        start = tiling.starts[number] - torch.tensor(tiling.offset)
        voxels = cell_indices(grid.shape).long()
        inside = ((voxels >= start) & (voxels < start + 8)).all(-1)
        read = mask[tuple(index.movedim(-1, 0))]
        torch.testing.assert_close(read[inside], data[inside])
        assert (read[~inside] == -20).all()


def test_no_masks_are_placed_as_no_masks():
    tiling = Tiling.of(Grid((9, 21, 12), OBLIQUE), 8)
    cells, _ = tiling.cells(1, 2)
    placed = tiling.placed(torch.zeros(0, 1, 8, 8, 8), torch.zeros(0, dtype=torch.long), 2, -20.0)
    assert placed.shape == (0, 1, *cells.shape)
