import pytest
import torch

from promptreg.geometry import default_affine, index_to_world, world_to_index
from promptreg.starts import gaussian_prior, peaks, start_map, start_points
from promptreg.types import Grid


def _grid(*shape: int, spacing: list[float] | None = None) -> Grid:
    return Grid(shape, default_affine(len(shape), spacing))


def _bumps(grid: Grid, *cells: tuple[int, ...]) -> torch.Tensor:
    maps = torch.zeros(1, *grid.shape)
    for height, cell in enumerate(reversed(cells), start=1):
        maps[(0, *cell)] = float(height)
    return maps


@pytest.mark.parametrize(("grid", "cell"), [(_grid(9, 7), (2, 5)), (_grid(4, 9, 7), (3, 2, 5))])
def test_the_highest_peak_is_the_centre_of_its_cell(grid, cell):
    found = peaks(_bumps(grid, cell), grid, n=1)
    assert world_to_index(grid, found)[0, 0].tolist() == pytest.approx(list(cell))


def test_peaks_come_in_descending_order_and_skip_neighbours():
    grid = _grid(20, 20)
    found = peaks(_bumps(grid, (3, 3), (4, 4), (3, 12), (15, 2)), grid, n=3, radius_cells=2)
    assert world_to_index(grid, found)[0].tolist() == [[3, 3], [3, 12], [15, 2]]


def test_the_best_peak_is_repeated_where_there_are_too_few():
    grid = _grid(3, 3)
    rows = torch.arange(9.0).reshape(1, 3, 3)
    found = peaks(rows, grid, n=12, radius_cells=3)
    assert found.shape == (1, 12, 2)
    assert (world_to_index(grid, found) == 2).all()


def test_peaks_of_a_batch_equal_peaks_one_by_one():
    grid = _grid(12, 10)
    maps = torch.rand(5, 12, 10, generator=torch.Generator().manual_seed(0))
    together = peaks(maps, grid, n=4)
    assert torch.equal(together, torch.cat([peaks(one[None], grid, n=4) for one in maps]))


def test_thick_slices_count_fewer_neighbours():
    grid = _grid(5, 9, 9, spacing=[8.0, 1.0, 1.0])
    found = peaks(_bumps(grid, (2, 4, 4), (3, 4, 4), (2, 5, 4)), grid, n=2, radius_cells=2)
    assert world_to_index(grid, found)[0].tolist() == [[2, 4, 4], [3, 4, 4]]


def test_the_prior_is_one_at_its_centre_and_falls_by_world_distance():
    grid = _grid(9, 9, spacing=[2.0, 1.0])
    center = index_to_world(grid, torch.tensor([[4.0, 4.0]]))
    prior = gaussian_prior(grid, center, 2.0)[0]
    assert prior[4, 4] == pytest.approx(1.0)
    assert prior[5, 4] == pytest.approx(float(torch.exp(torch.tensor(-0.5))))
    torch.testing.assert_close(prior[5, 4], prior[4, 6])


def test_the_gate_needs_both_similarities():
    similar, local = torch.tensor([[0.9, 0.9, -0.9]]), torch.tensor([[0.8, -0.8, -0.8]])
    assert start_map(similar, local, "gated").tolist() == [[pytest.approx(0.72), 0, 0]]


def test_the_prior_decides_where_nothing_is_similar():
    nothing = -torch.ones(1, 3)
    maps = start_map(nothing, nothing, how="gated", prior=torch.tensor([[0.1, 0.9, 0.2]]))
    assert maps.argmax() == 1


def test_a_start_without_a_map_is_an_error_that_names_the_maps():
    with pytest.raises(ValueError, match=r"'same' has no start map: expected one of similarity"):
        start_map(torch.ones(1, 3), torch.ones(1, 3), how="same")


def test_the_same_start_is_the_mapped_prompt():
    grid = _grid(4, 4)
    mapped = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(0))
    maps = torch.ones(2, 4, 4), torch.ones(2, 3, 4, 4)
    labels = torch.ones(2, 3, dtype=torch.long)
    found = start_points(*maps, labels, grid, how="same", n_starts=5, mapped=mapped)
    assert torch.equal(found, mapped[:, None])


def test_negative_points_follow_the_local_map_and_the_last_gated_start_too():
    grid = _grid(9, 9)
    region = 0.1 + _bumps(grid, (1, 1))
    local = torch.stack([0.1 + 0.5 * _bumps(grid, (7, 7)), 0.1 + 0.5 * _bumps(grid, (7, 1))], dim=1)
    labels = torch.tensor([[1, 0]])
    found = start_points(region, local, labels, grid, how="gated", n_starts=2, mapped=torch.zeros(1, 2, 2))
    index = world_to_index(grid, found)[0]
    assert found.shape == (1, 2, 2, 2)
    assert index[:, 0].tolist() == [[1, 1], [7, 7]]
    assert index[:, 1].tolist()[0] == [7, 1]
