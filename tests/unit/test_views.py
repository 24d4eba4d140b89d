import json

import numpy as np
import pytest
import torch

from promptreg.config import Views
from promptreg.geometry import (
    apply_affine,
    default_affine,
    index_to_world,
    resample,
    sample,
    visibility,
    world_coordinates,
    world_to_index,
)
from promptreg.types import Grid, Image
from promptreg.views import View, point_visible, sample_views, turned_views, view_grid, view_image

OBLIQUE = np.array(
    [[0.0, -0.6, 0.8, 10.0], [0.0, 0.8, 0.6, -20.0], [-4.0, 0.0, 0.0, 30.0], [0.0, 0.0, 0.0, 1.0]]
)
GRIDS = {
    "plane": Grid((64, 80), default_affine(2, (0.5, 0.5))),
    "anisotropic plane": Grid((64, 80), default_affine(2, (1.5, 1.0))),
    "oblique volume": Grid((6, 48, 40), OBLIQUE),
}
KINDS = ("flip", "rotation", "scaling", "random")


@pytest.fixture(params=GRIDS)
def grid(request) -> Grid:
    return GRIDS[request.param]


def _blob(grid: Grid) -> torch.Tensor:
    """(1, *shape) an off-centre ball in world units, half as wide as the image is short in plane."""
    sides = np.sort(grid.extent)
    offset = torch.as_tensor(grid.center) + 0.08 * float(sides[-2])
    distance = (world_coordinates(grid).double() - offset).norm(dim=-1)
    return (distance <= 0.25 * float(sides[-2])).float()[None]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_view_is_exactly_the_identity(grid, kind):
    image = Image(torch.rand(2, *grid.shape), grid)
    first = sample_views(grid, Views(kind=kind), 0)[0]
    assert np.array_equal(first.matrix, np.eye(grid.ndim + 1))
    assert view_grid(first, grid) is grid
    assert view_image(image, first) is image


@pytest.mark.parametrize("kind", KINDS)
def test_more_views_keep_the_earlier_ones_and_another_seed_changes_them(grid, kind):
    few, many, other = (
        sample_views(grid, Views(kind=kind, count=n), seed) for n, seed in ((4, 1), (9, 1), (9, 2))
    )
    assert len(many) == 9
    assert [view.record for view in few] == [view.record for view in many[:4]]
    assert [view.record for view in many] != [view.record for view in other]


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_written_as_json_rebuilds_the_view_exactly(grid, kind):
    for view in sample_views(grid, Views(kind=kind, count=7), 3):
        again = View.from_record(json.loads(json.dumps(view.record)), grid)
        assert again.kind == view.kind
        assert np.array_equal(again.matrix, view.matrix)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_seen_in_a_view_and_brought_back_is_the_mask(grid, kind):
    mask = _blob(grid)
    for view in sample_views(grid, Views(kind=kind, count=7, scale_min=0.8), 4):
        seen = view_grid(view, grid)
        back = resample(resample(mask, grid, seen), seen, grid)[0] > 0.5
        visible = visibility(seen, grid)
        truth = (mask[0] > 0.5) & visible
        back &= visible
        assert 2 * (back & truth).sum() / (back.sum() + truth.sum()) >= 0.98


def test_the_view_of_an_image_at_a_point_is_the_image_at_the_transformed_point(grid):
    field = world_coordinates(grid).movedim(-1, 0)
    for view in sample_views(grid, Views(count=7, scale_min=1.0), 5):
        seen = view_image(Image(field, grid), view)
        inside = visibility(grid, seen.grid) & (
            sample(torch.ones(1, *grid.shape), _index(grid, seen))[0] == 1
        )
        expected = apply_affine(view.matrix, world_coordinates(grid).double()).movedim(-1, 0)
        error = (seen.data - expected).abs().amax(0)
        assert error[inside].max() < 1e-3


def _index(grid: Grid, seen: Image) -> torch.Tensor:
    return world_to_index(grid, world_coordinates(seen.grid))


def test_flips_are_exact_reversals_and_their_own_inverses(grid):
    image = Image(torch.rand(2, *grid.shape, generator=torch.Generator().manual_seed(0)), grid)
    axes = [grid.ndim - 2, grid.ndim - 1]
    for flipped in ([axes[0]], [axes[1]], axes):
        view = View.from_record({"kind": "flip", "axes": flipped}, grid)
        seen = view_image(image, view)
        torch.testing.assert_close(
            seen.data, image.data.flip([axis + 1 for axis in flipped]), atol=1e-4, rtol=0
        )
        nearest = resample(image.data, image.grid, seen.grid, mode="nearest")
        assert torch.equal(nearest, image.data.flip([axis + 1 for axis in flipped]))
        np.testing.assert_allclose(view.matrix @ view.matrix, np.eye(grid.ndim + 1), atol=1e-12)


def test_a_quarter_turn_of_a_square_image_is_rot90():
    square = Grid((17, 17), default_affine(2, (0.7, 0.7)))
    image = Image(torch.rand(1, 17, 17, generator=torch.Generator().manual_seed(1)), square)
    seen = view_image(image, View.from_record({"kind": "rotation", "degrees": 90.0}, square))
    # x runs right and y down: the view reads at the turned point, so that objects turn the other way.
    torch.testing.assert_close(seen.data, image.data.rot90(1, (1, 2)), atol=1e-4, rtol=0)


def test_rotations_and_scalings_of_a_volume_keep_every_point_in_its_slice():
    volume = GRIDS["oblique volume"]
    corners = index_to_world(
        volume, torch.tensor([[k, y, x] for k in (0.0, 5.0) for y in (0.0, 47.0) for x in (0.0, 39.0)])
    )
    for view in sample_views(volume, Views(count=10), 6)[1:]:
        moved = world_to_index(volume, apply_affine(view.matrix, corners.double()))
        torch.testing.assert_close(
            moved[:, 0], torch.tensor([0.0] * 4 + [5.0] * 4).double(), atol=1e-9, rtol=0
        )


def test_rotations_are_rigid_in_world_units_and_scalings_scale_by_the_inverse_factor():
    for grid in GRIDS.values():
        turned = View.from_record({"kind": "rotation", "degrees": 33.0}, grid).matrix[:-1, :-1]
        np.testing.assert_allclose(turned @ turned.T, np.eye(grid.ndim), atol=1e-12)
        assert np.linalg.det(turned) == pytest.approx(1)
        scaled = View.from_record({"kind": "scaling", "factor": 2.0}, grid)
        assert np.linalg.det(scaled.matrix) == pytest.approx(0.25)


def test_every_view_keeps_the_middle_of_the_image(grid):
    for view in sample_views(grid, Views(count=7), 7):
        np.testing.assert_allclose((view.matrix @ [*grid.center, 1])[:-1], grid.center, atol=1e-9)


def test_flips_and_families_run_through_all_before_one_repeats(grid):
    flips = [tuple(v.record["axes"]) for v in sample_views(grid, Views(kind="flip", count=7), 8)[1:]]
    assert len(set(flips[:3])) == len(set(flips[3:])) == 3
    families = [v.kind for v in sample_views(grid, Views(kind="random", count=7), 8)[1:]]
    assert set(families[:3]) == set(families[3:]) == {"flip", "rotation", "scaling"}


def test_draws_stay_in_the_configured_ranges_and_are_log_uniform_in_scale():
    grid = GRIDS["plane"]
    settings = Views(kind="scaling", count=400, scale_min=0.5, scale_max=2.0)
    factors = np.array([v.record["factor"] for v in sample_views(grid, settings, 9)[1:]])
    assert factors.min() >= 0.5
    assert factors.max() <= 2.0
    assert np.median(factors) == pytest.approx(1, abs=0.1)
    turns = sample_views(grid, Views(kind="rotation", count=200, rotation_deg=30), 9)[1:]
    assert 25 < max(v.record["degrees"] for v in turns) <= 30


def test_beyond_the_field_of_view_lies_the_background_and_not_zero():
    grid = Grid((40, 40), default_affine(2))
    air = torch.full((1, 40, 40), -1000.0)
    air[:, 10:30, 10:30] = 40.0
    for record in ({"kind": "scaling", "factor": 0.5}, {"kind": "rotation", "degrees": 45.0}):
        seen = view_image(Image(air, grid), View.from_record(record, grid)).data
        assert seen[0, 0, 0] == -1000
        assert seen.max() <= 40.001


def test_a_shrinking_view_does_not_alias():
    grid = Grid((64, 64), default_affine(2))
    stripes = (torch.arange(64) % 2).float().expand(1, 64, 64)
    seen = view_image(Image(stripes, grid), View.from_record({"kind": "scaling", "factor": 0.5}, grid)).data
    assert seen[0, 20:44, 20:44].std() < 0.15


def test_a_point_is_visible_where_the_view_shows_it():
    grid = Grid((41, 41), default_affine(2))
    points = torch.tensor([[20.0, 20.0], [28.0, 20.0], [35.0, 20.0]])
    magnified = View.from_record({"kind": "scaling", "factor": 2.0}, grid)
    assert point_visible(points, magnified, grid).tolist() == [True, True, False]
    assert point_visible(points, View.from_record({"kind": "identity"}, grid), grid).all()


def test_a_scale_range_upside_down_is_an_error():
    with pytest.raises(ValueError, match=r"views.scale_min is 3.0, above views.scale_max, 2.5"):
        sample_views(GRIDS["plane"], Views(scale_min=3.0), 0)


def test_views_stay_in_the_world_when_the_array_is_flipped_and_transposed(grid):
    reverse = np.eye(grid.ndim + 1)
    reverse[-2, -2], reverse[-2, -1] = -1, grid.shape[-1] - 1
    order = [*range(grid.ndim)][::-1]
    permute = np.eye(grid.ndim + 1)[:, [*order, grid.ndim]]
    turned = Grid(tuple(grid.shape[axis] for axis in order), grid.affine @ reverse @ permute)
    for kind in KINDS:
        pairs = (sample_views(each, Views(kind=kind, count=7), 10) for each in (grid, turned))
        for view, other in zip(*pairs, strict=True):
            np.testing.assert_allclose(view.matrix, other.matrix, atol=1e-9)


def test_turns_divide_the_circle_and_volumes_have_none():
    found = turned_views(GRIDS["plane"], Views(turns=8))
    assert found[0].record == {"kind": "identity"}
    assert [one.record["degrees"] for one in found[1:]] == [45, 90, 135, 180, 225, 270, 315]
    assert len(turned_views(GRIDS["oblique volume"], Views(turns=8))) == 1
    assert len(turned_views(GRIDS["plane"], Views(turns=1))) == 1
