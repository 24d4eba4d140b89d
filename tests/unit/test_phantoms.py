import numpy as np
import pytest
import torch

from promptreg.datasets import anatomy
from promptreg.datasets.phantoms import (
    Variation,
    in_view,
    labels_at,
    make_subject,
    render,
    scanner_grid,
    subject_landmarks,
    template_landmarks,
    waves,
)
from promptreg.geometry import jacobian_determinant, world_to_index

GRID = scanner_grid((24, 40, 40), (10.0, 8.0, 8.0), center=(15, -60, 300), tilt_deg=12)
TEMPLATES = (anatomy.abdomen, anatomy.pelvis, anatomy.thorax)


def test_an_ellipsoid_is_zero_on_its_surface_and_negative_inside():
    solid = anatomy.ellipsoid((1, 2, 3), (4, 5, 6), tilt_deg=90)
    points = np.array([[6, 2, 3], [1, 6, 3], [1, 2, 9], [1, 2, 3], [20, 2, 3]], dtype=np.float32)
    distance = solid(points)
    np.testing.assert_allclose(distance[:3], 0, atol=1e-5)
    assert distance[3] <= 0
    assert distance[4] > 10


def test_a_tube_measures_the_distance_to_its_path():
    solid = anatomy.tube([(0, 0, 0), (10, 0, 0), (10, 10, 0)], 2)
    points = np.array([[5, 3, 0], [12, 5, 0], [10, 14, 0]], dtype=np.float32)
    np.testing.assert_allclose(solid(points), [1, 0, 2], atol=1e-5)


def test_union_and_common_are_the_least_and_the_greatest_distance():
    left, right = anatomy.tube([(0, 0, 0), (1, 0, 0)], 1), anatomy.tube([(9, 0, 0), (10, 0, 0)], 1)
    points = np.array([[0.5, 0, 0]], dtype=np.float32)
    assert anatomy.union(left, right)(points) == pytest.approx(-1)
    assert anatomy.common(left, right)(points) == pytest.approx(7.5)


@pytest.mark.parametrize("make", TEMPLATES)
def test_every_annotated_organ_is_in_the_box(make):
    template = make()
    box = np.array(template.box_mm)
    points = np.random.default_rng(0).uniform(-box, box, (30000, 3)).astype(np.float32)
    counts = np.bincount(labels_at(template, points), minlength=7)
    assert sorted(template.label_names) == [1, 2, 3, 4, 5, 6]
    assert (counts[1:] > 20).all()


def test_right_is_on_the_patients_right_and_the_spine_is_behind():
    template = anatomy.abdomen()
    points = template_landmarks(template, per_label=30, seed=0)
    middle = {name: points[30 * (n - 1) : 30 * n].mean(axis=0) for n, name in template.label_names.items()}
    assert middle["right kidney"][0] < 0 < middle["left kidney"][0]
    assert middle["liver"][0] < middle["spleen"][0]
    assert middle["vertebrae"][1] > middle["aorta"][1]


@pytest.mark.parametrize("make", TEMPLATES)
def test_landmarks_of_a_subject_lie_in_the_organs_that_they_mark(make):
    template = make()
    grid = scanner_grid((48, 60, 60), (6.0, 6.0, 6.0), center=(15, -60, 300), tilt_deg=12)
    variation = Variation(seed=3, turn_deg=(4, -3, 8), size=1.05, shift_mm=(5, -4, 6), breath_mm=15)
    subject = make_subject(template, variation, grid)
    _, labels = render(subject, grid)
    points = template_landmarks(template, per_label=12, seed=1)
    landed = subject_landmarks(subject, points)
    assert in_view(landed, grid).mean() > 0.95
    index = world_to_index(grid, torch.from_numpy(landed)).round().long().numpy()
    index = np.clip(index, 0, np.array(grid.shape) - 1)
    expected = labels_at(template, points)
    assert (labels[tuple(index.T)] == expected).mean() > 0.8


def test_a_subject_carries_template_points_there_and_back():
    template = anatomy.thorax()
    subject = make_subject(template, Variation(seed=5, breath_mm=20, turn_deg=(5, 0, 9)), GRID)
    points = template_landmarks(template, per_label=5, seed=2)
    landed = torch.from_numpy(subject_landmarks(subject, points))
    from promptreg.geometry import apply_affine, transform_points

    back = transform_points(subject.to_template, apply_affine(np.linalg.inv(subject.to_world), landed))
    np.testing.assert_allclose(back.numpy(), points, atol=1e-3)
    assert jacobian_determinant(subject.to_template).min() > 0.1


def test_two_subjects_differ_in_shape_and_contrast_and_equal_seeds_do_not():
    template = anatomy.abdomen()
    first, again, other = (
        render(make_subject(template, Variation(seed=seed), GRID), GRID) for seed in (1, 1, 2)
    )
    torch.testing.assert_close(first[0].data, again[0].data, rtol=0, atol=0)
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[1] != other[1]).mean() > 0.005
    levels = [
        [float(image.data[0].numpy()[labels == n].mean()) for n in (1, 2, 3, 4)]
        for image, labels in (first, other)
    ]
    assert np.abs(np.subtract(*levels)).max() > 20


def test_waves_have_unit_variance_and_are_smooth():
    points = np.random.default_rng(0).uniform(-200, 200, (20000, 3)).astype(np.float32)
    values = waves(points, n_waves=30, shortest_mm=20, longest_mm=40, seed=1)
    assert abs(values.std() - 1) < 0.15
    near = waves(points + np.float32([0.5, 0, 0]), n_waves=30, shortest_mm=20, longest_mm=40, seed=1)
    assert np.abs(near - values).max() < 0.6
