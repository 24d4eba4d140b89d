import pytest
import torch

from promptreg.nets.sampling import read_at, tents, to_cells


def plane(height, width):
    """A map (1, 2, H, W) of its own index coordinates."""
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return torch.stack([y, x])[None]


def test_a_map_of_coordinates_is_read_as_the_point_itself():
    cells = torch.tensor([[[0.0, 0.0], [1.25, 3.5], [4.0, 6.0]]])
    torch.testing.assert_close(read_at(plane(5, 7), cells), cells)


def test_points_outside_are_read_at_the_border():
    cells = torch.tensor([[[-3.0, 2.0], [9.0, 9.0]]])
    torch.testing.assert_close(read_at(plane(5, 7), cells), torch.tensor([[[0.0, 2.0], [4.0, 6.0]]]))


def test_a_map_of_one_cell_can_be_read_anywhere():
    found = read_at(torch.full((1, 1, 1, 1), 3.0), torch.tensor([[[0.4, -1.0]]]))
    assert found.item() == 3.0


def test_reading_is_the_product_with_tents():
    generator = torch.Generator().manual_seed(0)
    maps, cells = (
        torch.rand(2, 3, 5, 7, generator=generator),
        8 * torch.rand(2, 9, 2, generator=generator) - 1,
    )
    weighed = torch.einsum("bnh,bchw,bnw->bnc", tents(cells[..., 0], 5), maps, tents(cells[..., 1], 7))
    torch.testing.assert_close(read_at(maps, cells), weighed)


def test_the_weights_of_a_position_sum_to_one():
    torch.testing.assert_close(tents(torch.linspace(-1, 9, 30), 8).sum(-1), torch.ones(30))


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_the_centre_of_a_cell_is_the_mean_of_its_pixels(stride):
    pixels = torch.arange(3 * stride, 4 * stride).float()
    assert to_cells(pixels.mean(), stride).item() == 3.0


def test_derivatives_by_the_points_are_the_slopes_of_the_map():
    cells = torch.tensor([[[1.3, 2.6]]])
    slope = torch.func.jvp(lambda c: read_at(plane(5, 7), c), (cells,), (torch.ones_like(cells),))[1]
    torch.testing.assert_close(slope, torch.ones(1, 1, 2))
