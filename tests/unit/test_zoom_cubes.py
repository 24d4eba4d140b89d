import pytest
import torch
from torch.nn.functional import interpolate, pad

from promptreg.models.zoom_cubes import Cube

SHAPE = (10, 23, 17)


def volume(channels=1):
    return torch.randn(channels, *SHAPE, generator=torch.Generator().manual_seed(0))


def padded_by_hand(data, cube):
    """The cube itself, voxel by voxel: what `seen` never makes."""
    found = torch.zeros(len(data), *(cube.side,) * 3)
    for z in range(SHAPE[0]):
        for y in range(SHAPE[1]):
            at = (z - cube.low[0], y - cube.low[1])
            if all(0 <= one < cube.side for one in at):
                line = pad(data[:, z, y], (-cube.low[2], cube.low[2] + cube.side - SHAPE[2]))
                found[:, at[0], at[1]] = line
    return found


@pytest.mark.parametrize("side", [7, 8])
def test_a_cube_has_its_voxel_in_the_middle(side):
    cube = Cube.about((4, 12, 9), side)
    data = torch.zeros(1, *SHAPE)
    data[0, 4, 12, 9] = 1
    assert cube.seen(data, side, "linear")[0, side // 2, side // 2, side // 2] == 1


@pytest.mark.parametrize("side", [8, 12, 27, 40])
@pytest.mark.parametrize("mode", ["linear", "area", "nearest"])
def test_cells_are_those_of_the_whole_cube_interpolated_at_once(side, mode):
    cube = Cube.about((1, 20, 9), side)
    name = "trilinear" if mode == "linear" else mode
    expected = interpolate(padded_by_hand(volume(2), cube)[None], (8, 8, 8), mode=name)[0]
    torch.testing.assert_close(cube.seen(volume(2), 8, mode), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("side", [8, 12, 40])
def test_what_is_pasted_is_the_interpolated_cube_within_the_volume(side):
    cube = Cube.about((1, 20, 9), side)
    cells = torch.randn(8, 8, 8, generator=torch.Generator().manual_seed(1))
    whole = torch.full(SHAPE, -5.0)
    cube.paste(whole, cells)
    fine = interpolate(cells[None, None], (side,) * 3, mode="trilinear")[0, 0]
    for z, y, x in ((1, 20, 9), (0, 18, 8), (3, 22, 12)):
        at = tuple(i - low for i, low in zip((z, y, x), cube.low, strict=True))
        assert whole[z, y, x] == pytest.approx(float(fine[at]), abs=1e-5)
    outside = torch.ones(SHAPE, dtype=torch.bool)
    outside[tuple(slice(max(low, 0), low + side) for low in cube.low)] = False
    assert (whole[outside] == -5).all()
