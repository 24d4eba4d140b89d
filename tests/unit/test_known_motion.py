import numpy as np
import pytest
import torch

from promptreg.config import Misalign
from promptreg.datasets.known_motion import (
    misalign_image,
    misalign_labels,
    misalign_points,
    misalignment_matrix,
    random_deformation,
)
from promptreg.geometry import (
    default_affine,
    index_to_world,
    inverse_transform_points,
    jacobian_determinant,
    world_coordinates,
    world_to_index,
)
from promptreg.types import Grid, Image

FLAT = Grid((60, 80), default_affine(2, (1.5, 1.0)))
OBLIQUE = Grid(
    (20, 40, 50),
    np.array([[0, -0.6, 0.8, 30], [0, 0.8, 0.6, -90], [2.5, 0, 0, 400], [0, 0, 0, 1.0]]),
)


def blob(grid, index):
    """Return an image with one soft spot at an index, the label map of the spot, and its world position."""
    center = index_to_world(grid, torch.tensor(index))
    distance = (world_coordinates(grid) - center).norm(dim=-1)
    data = 20 + 100 * torch.exp(-((distance / 4) ** 2))
    return Image(data[None], grid), (distance < 5).int().numpy(), center.double().numpy()[None]


def center_of_mass(weights, grid):
    world = world_coordinates(grid).double().reshape(-1, grid.ndim).numpy()
    return (world * weights.reshape(-1, 1)).sum(0) / weights.sum()


@pytest.mark.parametrize(("grid", "index"), [(FLAT, (22.0, 50.0)), (OBLIQUE, (8.0, 24.0, 21.0))])
@pytest.mark.parametrize("seed", range(5))
def test_image_labels_and_landmarks_move_together(grid, index, seed):
    image, labels, points = blob(grid, index)
    matrix = misalignment_matrix(grid, Misalign(shift=0.06), seed)
    moved = misalign_image(image, matrix)
    landed = misalign_points(points, matrix)
    weights = (moved.data[0] - 20).clamp(min=0).double().numpy()
    assert np.linalg.norm(landed - points) > 1
    np.testing.assert_allclose(center_of_mass(weights, grid), landed[0], atol=0.2)
    label_weights = misalign_labels(labels, grid, matrix).astype(float)
    np.testing.assert_allclose(center_of_mass(label_weights, grid), landed[0], atol=0.4 * grid.spacing.max())


@pytest.mark.parametrize("grid", [FLAT, OBLIQUE])
def test_a_misalignment_is_a_similarity_within_its_limits(grid):
    limits = Misalign(rotation_deg=17, scale=1.25, shift=0.15)
    for seed in range(30):
        matrix = misalignment_matrix(grid, limits, seed)
        linear = matrix[:-1, :-1]
        factor = np.linalg.det(linear) ** (1 / grid.ndim)
        assert 0.8 <= factor <= 1.25
        rotation = linear / factor
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(grid.ndim), atol=1e-10)
        cosine = (np.trace(rotation) - (grid.ndim - 2)) / 2
        assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))) <= 17 + 1e-6
        moved = world_to_index(grid, torch.from_numpy(misalign_points(grid.center[None], matrix))).numpy()[0]
        fraction = (moved - (np.array(grid.shape) - 1) / 2) / np.array(grid.shape)
        assert (np.abs(fraction) <= 0.15 + 1e-6).all()


def test_no_misalignment_changes_nothing():
    image, labels, _ = blob(FLAT, (22.0, 50.0))
    matrix = misalignment_matrix(FLAT, Misalign(rotation_deg=0, scale=1, shift=0), 3)
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-12)
    torch.testing.assert_close(misalign_image(image, matrix).data, image.data, atol=1e-3, rtol=0)
    np.testing.assert_array_equal(misalign_labels(labels, FLAT, matrix), labels)


def test_what_enters_the_view_is_the_background_of_each_channel():
    data = torch.stack([torch.full((60, 80), 240.0), torch.full((60, 80), -1000.0)])
    data[:, 20:40, 30:50] = 7
    matrix = np.array([[1, 0, 30], [0, 1, 0], [0, 0, 1.0]])
    moved = misalign_image(Image(data, FLAT), matrix).data
    torch.testing.assert_close(moved[:, :, :25].amin((1, 2)), torch.tensor([240.0, -1000.0]))
    torch.testing.assert_close(moved[:, :, :25].amax((1, 2)), torch.tensor([240.0, -1000.0]))


def test_equal_seeds_give_equal_motion_and_others_do_not():
    first, again, other = (misalignment_matrix(OBLIQUE, Misalign(), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    fields = [random_deformation(FLAT, 5, 10, seed).displacement for seed in (1, 1, 2)]
    torch.testing.assert_close(fields[0], fields[1], rtol=0, atol=0)
    assert not torch.allclose(fields[0], fields[2])


@pytest.mark.parametrize(("grid", "amplitude", "smoothness"), [(FLAT, 8, 10), (OBLIQUE, 6, 9)])
def test_a_random_deformation_has_its_amplitude_and_no_folds(grid, amplitude, smoothness):
    for seed in range(4):
        field = random_deformation(grid, amplitude, smoothness, seed)
        longest = field.displacement.norm(dim=0).max()
        assert 0.6 * amplitude < longest <= amplitude * 1.001
        assert jacobian_determinant(field).min() > 0.05


def test_the_opposite_amplitude_is_the_inverse():
    forward, backward = (random_deformation(FLAT, amplitude, 10, 5) for amplitude in (6, -6))
    points = index_to_world(FLAT, torch.tensor([[20.0, 30.0], [31.0, 44.0], [40.0, 22.0]]))
    from promptreg.geometry import transform_points

    there_and_back = transform_points(backward, transform_points(forward, points))
    torch.testing.assert_close(there_and_back, points, atol=0.1, rtol=0)
    torch.testing.assert_close(
        inverse_transform_points(forward, points), transform_points(backward, points), atol=0.1, rtol=0
    )
