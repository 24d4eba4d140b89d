import numpy as np
import pytest
import torch

from promptreg.geometry import default_affine, world_to_index
from promptreg.prompts import check_points, prompt_region, sample_prompts
from promptreg.types import Grid, Image

OBLIQUE = np.array(
    [[0.0, -0.6, 0.8, 10.0], [0.0, 0.8, 0.6, -20.0], [-4.0, 0.0, 0.0, 30.0], [0.0, 0.0, 0.0, 1.0]]
)


@pytest.fixture
def image() -> Image:
    return Image(torch.zeros(1, 40, 60), Grid((40, 60), default_affine(2, (0.5, 0.5))), "case")


@pytest.fixture
def volume() -> Image:
    return Image(torch.zeros(1, 8, 30, 30), Grid((8, 30, 30), OBLIQUE), "volume")


def _whole(image: Image) -> torch.Tensor:
    return torch.ones(image.grid.shape, dtype=torch.bool)


def _closest(points: torch.Tensor) -> float:
    return float(torch.cdist(points, points).fill_diagonal_(torch.inf).min())


def test_prompts_keep_their_distance_in_world_units(image, volume):
    for picture in (image, volume):
        points = sample_prompts(picture, _whole(picture), count=12, min_distance=0.15, seed=1)
        assert points.shape == (12, picture.grid.ndim)
        assert points.dtype == torch.float64
        assert _closest(points) >= 0.15 * picture.grid.extent.max()


def test_prompts_lie_on_cells_of_the_region_away_from_the_edge(volume):
    region = torch.rand(volume.grid.shape, generator=torch.Generator().manual_seed(0)) > 0.7
    index = world_to_index(volume.grid, sample_prompts(volume, region, count=20, min_distance=0.05, seed=2))
    cells = index.round().long()
    torch.testing.assert_close(index, cells.double(), atol=1e-9, rtol=0)
    assert region[tuple(cells.T)].all()
    assert (cells >= 1).all()
    assert (cells < torch.tensor(volume.grid.shape) - 1).all()


def test_the_first_prompts_of_a_larger_draw_are_those_of_a_smaller_one(image):
    region = torch.zeros(image.grid.shape, dtype=torch.bool)
    region[10:16, 10:16] = True
    large = sample_prompts(image, region, count=50, min_distance=0.1, seed=3)
    for count in (1, 4, 9, 36, 40):
        small = sample_prompts(image, region, count=count, min_distance=0.1, seed=3)
        assert torch.equal(small, large[:count])


def test_the_same_seed_draws_the_same_prompts_and_another_seed_others(image):
    first, second, other = (
        sample_prompts(image, _whole(image), count=5, min_distance=0.1, seed=seed) for seed in (4, 4, 5)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_a_region_too_small_for_the_distance_still_yields_every_prompt_on_another_cell(image):
    region = torch.zeros(image.grid.shape, dtype=torch.bool)
    region[20, 20:25] = True
    points = sample_prompts(image, region, count=5, min_distance=0.5, seed=6)
    assert len(points.unique(dim=0)) == 5
    again = sample_prompts(image, region, count=11, min_distance=0.5, seed=6)
    assert len(again) == 11
    assert len(again.unique(dim=0)) == 5


def test_a_region_at_the_very_edge_is_used_where_there_is_no_other(image):
    region = torch.zeros(image.grid.shape, dtype=torch.bool)
    region[0, 0] = True
    assert sample_prompts(image, region, count=1, min_distance=0.1, seed=0).tolist() == [[0.0, 0.0]]


def test_prompts_are_uniform_over_the_region(image):
    left = torch.zeros(image.grid.shape, dtype=torch.bool)
    left[2:-2, 2:17] = True
    region = left.clone()
    region[2:-2, 30:45] = True
    points = [sample_prompts(image, region, count=1, min_distance=0.1, seed=seed) for seed in range(400)]
    index = world_to_index(image.grid, torch.cat(points))
    assert (index[:, 1] < 20).double().mean() == pytest.approx(0.5, abs=0.08)
    assert index[:, 0].mean() == pytest.approx(19.5, abs=1.7)


def test_an_empty_region_is_an_error_that_names_the_image(image):
    with pytest.raises(ValueError, match="no cell of case"):
        sample_prompts(image, ~_whole(image), count=3, min_distance=0.1, seed=0)


def test_inside_and_outside_split_the_body_by_the_labels():
    data = torch.zeros(1, 40, 40)
    data[:, 8:32, 8:32] = 100
    image = Image(data, Grid((40, 40), default_affine(2)))
    labels = np.zeros((40, 40), int)
    labels[12:20, 12:20] = 3
    inside, outside = (prompt_region(image, labels, where) for where in ("inside", "outside"))
    assert torch.equal(inside, torch.as_tensor(labels == 3))
    assert not (inside & outside).any()
    assert torch.equal(inside | outside, prompt_region(image))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "case has no labels"),
        (np.zeros((40, 60), int), "case has an empty label map"),
        (np.ones((4, 4), int), "expected that of the image"),
    ],
)
def test_labels_that_are_needed_and_unusable_are_an_error(image, labels, message):
    with pytest.raises(ValueError, match=message):
        prompt_region(image, labels, "inside")


def test_points_of_the_user_pass_unchanged_or_are_named_with_their_index(volume):
    inside = volume.grid.center.tolist()
    torch.testing.assert_close(
        check_points([inside], volume.grid), torch.tensor([inside], dtype=torch.float64)
    )
    with pytest.raises(ValueError, match=r"prompt 1 at world \[1000.0, .* from \[0, 0, 0\] to \[7, 29, 29\]"):
        check_points([inside, [1000.0, 0.0, 0.0]], volume.grid)
    with pytest.raises(ValueError, match=r"prompt 0 has 2 coordinates, expected 3 \(x, y, z\)"):
        check_points([[1.0, 2.0]], volume.grid)


@pytest.mark.parametrize("flips", [(1,), (0, 2), (0, 1, 2)])
def test_prompts_stay_in_the_world_when_the_array_is_flipped_and_transposed(volume, flips):
    region = torch.rand(volume.grid.shape, generator=torch.Generator().manual_seed(0)) > 0.5
    reverse = np.eye(4)
    for axis in flips:
        reverse[axis, axis], reverse[axis, 3] = -1, volume.grid.shape[axis] - 1
    permute = np.eye(4)[:, [1, 0, 2, 3]]
    grid = Grid((30, 8, 30), volume.grid.affine @ reverse @ permute)
    other = Image(torch.zeros(1, *grid.shape), grid)
    expected = sample_prompts(volume, region, count=9, min_distance=0.1, seed=5)
    found = sample_prompts(other, region.flip(flips).transpose(0, 1), count=9, min_distance=0.1, seed=5)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)
