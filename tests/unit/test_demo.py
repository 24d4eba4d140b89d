import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from promptreg.datasets import demo_pictures, demo_rules
from promptreg.datasets.demo import GROUPS, UNLABELLED, VOLUMETRIC, Demo, build
from promptreg.datasets.demo_stereo import visible
from promptreg.geometry import inverse_transform_points, sample, warp, world_coordinates, world_to_index
from promptreg.types import Ddf

PICTURES = tuple(demo_pictures.RECIPES)


def ncc(first, second):
    first, second = first - first.mean(), second - second.mean()
    return float((first * second).mean() / (first.std() * second.std()))


def detail(data):
    """Return the grey values without what changes slowly, such as light."""
    grey = data.mean(0).numpy()
    return torch.from_numpy(grey - gaussian_filter(grey, 12))


def true_field(name):
    """Return the field, fixed to moving, that undoes the pull-back of a pair, and where it stays in view."""
    pair, recipe = build(name), demo_pictures.RECIPES[name]
    pull = demo_pictures.pull_back(recipe, pair.moving.grid)
    world = world_coordinates(pair.fixed.grid).double()
    moved = inverse_transform_points(pull, world.reshape(-1, 2), iterations=300).reshape(world.shape)
    index = world_to_index(pair.moving.grid, moved)
    seen = ((index >= 3) & (index <= torch.tensor(pair.moving.grid.shape) - 4)).all(-1)
    return Ddf((moved - world).movedim(-1, 0).float(), pair.fixed.grid), seen


@pytest.mark.parametrize("name", PICTURES)
def test_the_true_field_brings_moving_onto_fixed(name):
    pair = build(name)
    field, seen = true_field(name)
    moved = warp(pair.moving.data, pair.moving.grid, field, padding="border")
    before, after, fixed = (detail(data)[seen] for data in (pair.moving.data, moved, pair.fixed.data))
    assert abs(ncc(after, fixed)) > 0.85
    assert abs(ncc(before, fixed)) < 0.6


@pytest.mark.parametrize("name", [name for name in PICTURES if name not in UNLABELLED])
def test_the_true_field_brings_moving_labels_onto_fixed_labels(name):
    pair = build(name)
    field, seen = true_field(name)
    data = torch.from_numpy(pair.moving_labels).float()[None]
    moved = warp(data, pair.moving.grid, field, mode="nearest")[0].numpy()
    for label in pair.label_names:
        ours, theirs = (moved == label) & seen.numpy(), (pair.fixed_labels == label) & seen.numpy()
        assert theirs.sum() > 100
        assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) > 0.93


@pytest.mark.parametrize("name", PICTURES)
def test_the_true_field_brings_fixed_landmarks_onto_moving_landmarks(name):
    pair, recipe = build(name), demo_pictures.RECIPES[name]
    pull = demo_pictures.pull_back(recipe, pair.moving.grid)
    found = inverse_transform_points(pull, torch.from_numpy(pair.fixed_landmarks), iterations=300)
    np.testing.assert_allclose(found, pair.moving_landmarks, atol=1e-3)


@pytest.mark.parametrize("name", GROUPS)
def test_there_are_enough_landmarks_and_all_in_view(name):
    pair = build(name)
    for image, points in ((pair.moving, pair.moving_landmarks), (pair.fixed, pair.fixed_landmarks)):
        assert len(points) >= 20
        index = world_to_index(image.grid, torch.from_numpy(points)).numpy()
        assert ((index >= 0) & (index <= np.array(image.grid.shape) - 1)).all()
    distance = np.linalg.norm(pair.moving_landmarks - pair.fixed_landmarks, axis=1)
    assert distance.max() > 8


@pytest.mark.parametrize("name", VOLUMETRIC)
def test_landmarks_of_volumes_lie_in_the_same_organ_of_both(name):
    pair = build(name)
    found = []
    for image, labels, points in (
        (pair.moving, pair.moving_labels, pair.moving_landmarks),
        (pair.fixed, pair.fixed_labels, pair.fixed_landmarks),
    ):
        index = world_to_index(image.grid, torch.from_numpy(points))
        found.append(sample(torch.from_numpy(labels).float()[None], index, mode="nearest")[0].numpy())
    assert (found[0] == found[1]).mean() > 0.85
    assert set(found[0]) >= {1.0, 2.0, 3.0, 4.0}


@pytest.mark.parametrize("name", [name for name in GROUPS if name not in UNLABELLED])
def test_every_named_label_is_in_both_images(name):
    pair = build(name)
    for labels in (pair.moving_labels, pair.fixed_labels):
        assert set(np.unique(labels)) - {0} == set(pair.label_names)


def test_stereo_landmarks_look_alike_in_both_views():
    pair = build("stereo")
    assert (np.abs(pair.moving_landmarks[:, 1] - pair.fixed_landmarks[:, 1]) < 1e-9).all()
    assert (pair.moving_landmarks[:, 0] < pair.fixed_landmarks[:, 0]).all()
    steps = torch.stack(torch.meshgrid(*[torch.arange(-4.0, 5.0)] * 2, indexing="ij"), dim=-1).reshape(-1, 2)
    scores, shuffled = [], []
    patches = []
    for image, points in ((pair.moving, pair.moving_landmarks), (pair.fixed, pair.fixed_landmarks)):
        index = world_to_index(image.grid, torch.from_numpy(points)).float()
        patches.append(sample(image.data, index[:, None] + steps, padding="border").mean(0))
    for n, patch in enumerate(patches[0]):
        scores.append(ncc(patch, patches[1][n]))
        shuffled.append(ncc(patch, patches[1][n - 1]))
    assert np.median(scores) > 0.9
    assert np.median(scores) > np.median(shuffled) + 0.4


def test_a_pixel_behind_a_nearer_one_is_hidden():
    disparity = np.full((11, 60), 2.0)
    disparity[:, 30:45] = 12.0
    points = np.array([[5, 24], [5, 10], [5, 38], [5, 29], [5, 55]])
    np.testing.assert_array_equal(visible(disparity, points), [False, True, True, False, True])
    disparity[5, 10] = np.inf
    assert not visible(disparity, points)[1]


def test_the_largest_parts_come_first():
    mask = np.zeros((40, 40), dtype=bool)
    mask[2:10, 2:10] = mask[20:38, 20:38] = True
    mask[30, 3] = True
    labels = demo_rules.largest(mask, 5)
    assert labels[25, 25] == 1
    assert labels[5, 5] == 2
    assert labels.max() == 2


def test_an_unknown_id_and_a_path_are_errors():
    with pytest.raises(ValueError, match=r"unknown image or annotation 'liver_moving'; pairs are histology"):
        Demo().image("liver_moving")
    with pytest.raises(ValueError, match="needs no files"):
        Demo("somewhere")


def test_a_missing_picture_is_an_error_that_names_it():
    with pytest.raises(FileNotFoundError, match=r"nothing\.png: not in the installed scikit-image"):
        demo_pictures.load_picture("nothing.png")
