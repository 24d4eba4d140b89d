import numpy as np
import pytest
import torch

from promptreg.geometry import default_affine
from promptreg.models.video_frames import Clicks, Frames
from promptreg.types import Embedding, Grid


def embedding(shape, spacing, *, cells=(4, 4)):
    """An embedded volume whose features count the slices across its coarsest axis."""
    axis = int(np.argmax(spacing))
    grid = Grid(shape, default_affine(3, spacing))
    n_slices = shape[axis]
    numbers = torch.arange(n_slices).float().view(-1, 1, 1).expand(-1, *cells)
    features = numbers.movedim(0, axis)[None]
    extras = {"middle": torch.zeros(n_slices, 1, 8, 8), "fine": torch.zeros(n_slices, 1, 16, 12)}
    return Embedding(features, grid, grid, grid, extras)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_frames_are_the_slices_across_the_coarsest_axis_and_masks_go_back_along_it(axis):
    spacing = [1.0, 1.0, 1.0]
    spacing[axis] = 5.0
    frames = Frames.of(embedding((6, 7, 8), spacing))
    assert frames.levels.coarse[:, 0, 0, 0].tolist() == list(range((6, 7, 8)[axis]))
    masks = torch.arange(len(frames)).view(1, -1, 1, 1).expand(2, -1, 16, 12)
    expected = [16, 12]
    expected.insert(axis, len(frames))
    assert frames.stacked(masks).shape == (2, *expected)
    assert frames.stacked(masks).select(1 + axis, 3).unique().tolist() == [3]


def test_a_planar_image_is_one_frame():
    grid = Grid((20, 30), default_affine(2))
    extras = {"middle": torch.zeros(1, 8, 8), "fine": torch.zeros(1, 16, 16)}
    frames = Frames.of(Embedding(torch.zeros(3, 4, 4), grid, grid, grid, extras))
    assert len(frames) == 1
    assert frames.nearest(torch.tensor([[3.0, 29.0]])).tolist() == [0]
    assert frames.stacked(frames.nowhere(5, -20.0)).shape == (5, 16, 16)


def test_points_lie_on_their_nearest_slices_within_the_volume():
    frames = Frames.of(embedding((6, 7, 8), [1.0, 5.0, 1.0]))
    points = torch.tensor([[2.0, -3.0, 4.0], [1.0, 2.6, 5.0], [0.0, 40.0, 7.0]])
    assert frames.nearest(points).tolist() == [0, 3, 6]
    assert frames.in_plane(points).tolist() == [[2.0, 4.0], [1.0, 5.0], [0.0, 7.0]]


def test_a_prompt_starts_on_the_frame_of_its_first_positive_point():
    clicks = Clicks.of(
        torch.zeros(2, 3, 2), torch.tensor([[4, 2, 3], [5, 5, 1]]), torch.tensor([[0, 1, 1], [1, -1, 1]])
    )
    assert clicks.start.tolist() == [2, 5]
    assert clicks.on(torch.tensor([4, 5])).tolist() == [[0, -1, -1], [1, -1, -1]]
    assert clicks.on(torch.tensor([3, 1])).tolist() == [[-1, -1, 1], [-1, -1, 1]]


def test_only_positive_points_further_on_keep_a_region_going():
    clicks = Clicks.of(torch.zeros(1, 3, 2), torch.tensor([[2, 4, 0]]), torch.tensor([[1, 1, 0]]))
    assert [bool(clicks.beyond(torch.tensor([n]), 1)) for n in (2, 3, 4, 5)] == [True, True, False, False]
    assert not clicks.beyond(torch.tensor([1]), -1)


def test_a_region_from_elsewhere_has_no_clicks():
    clicks = Clicks.none(torch.tensor([3, 1]))
    assert clicks.places.shape == (2, 0, 2)
    assert clicks.on(torch.tensor([3, 1])).shape == (2, 0)
    assert not clicks.beyond(torch.tensor([0, 0]), 1).any()
