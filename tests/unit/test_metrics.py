from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

from promptreg.config import Evaluate
from promptreg.consistency import dice_of_balls
from promptreg.geometry import affine_to_ddf, cell_indices, default_affine, jacobian_determinant
from promptreg.metrics import (
    dice,
    evaluate_pair,
    landmark_errors,
    regularity,
    surface_measures,
)
from promptreg.records import MetricRow
from promptreg.types import Ddf, Grid

REAL = Path(__file__).parents[2].parent / "shared" / "data"
NOTHING = {
    "moving_labels": None,
    "fixed_labels": None,
    "moving_landmarks": None,
    "fixed_landmarks": None,
    "label_names": {},
    "config": Evaluate(),
}


def grid(*shape: int, spacing: tuple[float, ...] | None = None, unit: str = "mm") -> Grid:
    return Grid(shape, default_affine(len(shape), spacing), unit)


def ball(shape: tuple[int, ...], center: tuple[float, ...], radius: float) -> torch.Tensor:
    return (cell_indices(shape) - torch.tensor(center)).norm(dim=-1) <= radius


def translation(*offset: float) -> np.ndarray:
    matrix = np.eye(len(offset) + 1)
    matrix[:-1, -1] = offset
    return matrix


def measure(ddf: Ddf, **given) -> dict[tuple[str, str], MetricRow]:
    rows = evaluate_pair(ddf, **(NOTHING | {"moving_grid": ddf.grid} | given))
    assert len({(row.label, row.metric) for row in rows}) == len(rows)
    return {(row.label, row.metric): row for row in rows}


def box(shape: tuple[int, ...], *bounds: tuple[int, int]) -> np.ndarray:
    labels = np.zeros(shape, np.int16)
    labels[tuple(slice(*bound) for bound in bounds)] = 1
    return labels


@pytest.mark.parametrize("shift", [0, 2, 5, 9])
def test_dice_of_displaced_balls_follows_the_law(shift):
    shape, radius = (48, 48, 60), 18.5
    first, second = ball(shape, (24, 24, 25), radius), ball(shape, (24, 24, 25 + shift), radius)
    assert float(dice(first, second)) == pytest.approx(dice_of_balls(shift, radius, 3), abs=0.01)


@pytest.mark.parametrize("shift", [0, 3, 11, 40, 90])
def test_dice_of_displaced_discs_follows_the_law(shift):
    first, second = ball((100, 200), (50, 50), 40.3), ball((100, 200), (50, 50 + shift), 40.3)
    assert float(dice(first, second)) == pytest.approx(dice_of_balls(shift, 40.3, 2), abs=0.01)


def test_shifted_cubes_have_the_closed_form_dice_and_tre_with_anisotropic_spacing():
    fixed_grid = grid(12, 30, 30, spacing=(5.0, 1.5, 0.5))
    labels = box(fixed_grid.shape, (2, 8), (5, 15), (5, 15))
    shifted = box(fixed_grid.shape, (3, 9), (5, 15), (5, 15))
    rows = measure(
        affine_to_ddf(np.eye(4), fixed_grid),
        moving_labels=shifted,
        fixed_labels=labels,
        label_names={1: "cube"},
        config=Evaluate(nsd_tolerance=4.9),
    )
    assert rows["cube", "dice"].value == pytest.approx(100 * 5 / 6)
    assert rows["cube", "centroid_tre"].value == pytest.approx(5.0)
    assert rows["cube", "centroid_tre_px"].value == pytest.approx(1.0)
    assert rows["cube", "centroid_tre_penalized"].value == pytest.approx(5.0)
    assert rows["cube", "hd95"].value == pytest.approx(5.0)
    assert rows["cube", "volume"].value == pytest.approx(600 * 3.75)
    assert rows["cube", "volume"].unit == "mm3"
    assert rows["cube", "nsd"].value < 100
    assert all(row.status == "ok" for row in rows.values())


def test_a_tolerance_above_the_shift_makes_the_surface_dice_whole():
    fixed_grid = grid(12, 20, 20, spacing=(5.0, 1.5, 0.5))
    first = torch.as_tensor(box(fixed_grid.shape, (2, 8), (5, 15), (5, 15)) == 1)
    second = torch.as_tensor(box(fixed_grid.shape, (2, 8), (6, 16), (5, 15)) == 1)
    distance, whole = surface_measures(first, second, grid=fixed_grid, config=Evaluate(nsd_tolerance=1.6))
    _, part = surface_measures(first, second, grid=fixed_grid, config=Evaluate(nsd_tolerance=1.4))
    assert distance == pytest.approx(1.5)
    assert whole == pytest.approx(1.0)
    assert part < 1


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_surface_measures_are_those_of_monai():
    fixed_grid, config = grid(10, 24, 24, spacing=(3.0, 1.0, 0.8)), Evaluate(nsd_tolerance=1.2)
    first, second = ball((10, 24, 24), (5, 11, 12), 4.2), ball((10, 24, 24), (5, 12, 10), 5.1)
    given = {"include_background": True, "spacing": fixed_grid.spacing.tolist()}
    pair = first[None, None].float(), second[None, None].float()
    distance, surface = surface_measures(first, second, grid=fixed_grid, config=config)
    assert distance == pytest.approx(float(compute_hausdorff_distance(*pair, percentile=95, **given)))
    assert surface == pytest.approx(float(compute_surface_dice(*pair, class_thresholds=[1.2], **given)))


def test_the_exact_field_brings_a_moved_box_home():
    fixed_grid, moving_grid = grid(20, 24, spacing=(2.0, 1.0)), grid(30, 40, spacing=(2.0, 1.0))
    rows = measure(
        affine_to_ddf(translation(7.0, 12.0), fixed_grid),
        moving_grid=moving_grid,
        moving_labels=box(moving_grid.shape, (10, 16), (12, 20)),
        fixed_labels=box(fixed_grid.shape, (4, 10), (5, 13)),
        moving_landmarks=np.array([[7.0, 12.0], [10.0, 16.0]]),
        fixed_landmarks=np.array([[0.0, 0.0], [3.0, 8.0]]),
    )
    assert rows["1", "dice"].value == 100
    assert rows["1", "hd95"].value == 0
    assert rows["1", "nsd"].value == 100
    assert rows["", "landmark_tre"].value == pytest.approx(np.hypot(0, 4) / 2, abs=1e-5)
    assert rows["", "landmark_tre_median"].value == pytest.approx(2.0, abs=1e-5)
    assert rows["", "landmark_tre_max"].value == pytest.approx(4.0, abs=1e-5)


def test_an_empty_warped_structure_counts_as_zero_overlap_and_says_so():
    fixed_grid = grid(20, 30, unit="px")
    labels = box(fixed_grid.shape, (5, 10), (5, 10))
    rows = measure(
        affine_to_ddf(translation(500.0, 0.0), fixed_grid), moving_labels=labels, fixed_labels=labels
    )
    structure = {metric: row for (label, metric), row in rows.items() if label == "1"}
    assert structure["dice"].value == 0
    assert structure["nsd"].value == 0
    assert all(math.isnan(structure[m].value) for m in ("centroid_tre", "centroid_tre_px", "hd95"))
    assert structure["centroid_tre_penalized"].value == pytest.approx(math.hypot(20, 30))
    assert {row.status for row in structure.values()} == {"empty"}
    assert all("no cell" in row.reason for row in structure.values())


def test_a_label_that_only_one_image_has_is_reported_absent():
    fixed_grid = grid(10, 10)
    labels = box(fixed_grid.shape, (2, 5), (2, 5))
    rows = measure(
        affine_to_ddf(np.eye(3), fixed_grid),
        moving_labels=labels,
        fixed_labels=labels * 2,
        label_names={1: "liver", 2: "spleen"},
    )
    assert "label 1 in the fixed" in rows["liver", "dice"].reason
    assert "label 2 in the moving" in rows["spleen", "dice"].reason
    assert {row.status for (label, _), row in rows.items() if label} == {"absent"}
    assert {metric for label, metric in rows if label == "liver"} >= {"dice", "centroid_tre", "hd95", "nsd"}


def test_annotations_of_one_image_alone_leave_a_row_that_says_so():
    fixed_grid = grid(6, 6)
    rows = measure(
        affine_to_ddf(np.eye(3), fixed_grid),
        fixed_labels=np.ones((6, 6), int),
        moving_landmarks=np.zeros((1, 2)),
    )
    assert "moving" in rows["", "dice"].reason
    assert "fixed" in rows["", "landmark_tre"].reason
    assert rows["", "dice"].status == rows["", "landmark_tre"].status == "absent"


def test_an_affine_field_has_its_own_determinant_and_no_folds():
    matrix = np.array([[1.2, 0.1, 3.0], [-0.2, 0.9, 1.0], [0, 0, 1]])
    determinant = jacobian_determinant(affine_to_ddf(matrix, grid(9, 12, spacing=(3.0, 0.7))))
    expected = np.linalg.det(matrix[:2, :2])
    torch.testing.assert_close(determinant, torch.full_like(determinant, expected), atol=1e-4, rtol=0)
    folds, sdlogj = regularity(determinant)
    assert folds == 0
    assert sdlogj == pytest.approx(0, abs=1e-4)


def test_a_reflected_field_folds_everywhere():
    folds, _ = regularity(jacobian_determinant(affine_to_ddf(np.diag([-1.0, 1, 1, 1]), grid(5, 6, 7))))
    assert folds == 100


def test_folds_are_counted_before_the_clipping_of_the_logarithm():
    folds, sdlogj = regularity(torch.tensor([1.0, 1.0, 0.0, math.e]))
    assert folds == 25
    assert sdlogj == pytest.approx(np.std([0, 0, math.log(1e-9), 1]))


def test_landmark_errors_of_a_translation_are_the_residual_offsets():
    fixed = torch.tensor([[1.0, 2.0, 3.0], [4.0, 4.0, 1.0]], dtype=torch.float64)
    errors = landmark_errors(affine_to_ddf(translation(1.0, 2.0, 2.0), grid(8, 8, 8)), fixed, fixed)
    torch.testing.assert_close(errors, torch.tensor([3.0, 3.0], dtype=torch.float64))


def test_unequal_landmark_tables_are_an_error_that_shows_both():
    with pytest.raises(ValueError, match=r"\(3, 2\) fixed and \(2, 2\) moving"):
        landmark_errors(affine_to_ddf(np.eye(3), grid(5, 5)), torch.zeros(3, 2), torch.zeros(2, 2))


def test_labels_of_another_shape_are_an_error_that_names_the_side():
    with pytest.raises(ValueError, match=r"fixed labels have shape \(4, 4\), expected \(5, 5\)"):
        measure(
            affine_to_ddf(np.eye(3), grid(5, 5)),
            moving_labels=np.ones((5, 5), int),
            fixed_labels=np.ones((4, 4), int),
        )


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="needs real pairs in ../shared/data")
def test_a_real_pair_has_the_overlap_stated_in_its_manifest():
    images = [sitk.ReadImage(str(REAL / f"abdomen_mr/chaos_t2_0{n}_label.nii.gz")) for n in (2, 1)]
    arrays = [sitk.GetArrayFromImage(image).astype(int) for image in images]
    moving, fixed = (
        grid(*array.shape, spacing=image.GetSpacing()[::-1])
        for array, image in zip(arrays, images, strict=True)
    )
    centers = affine_to_ddf(translation(*(moving.center - fixed.center)), fixed)
    names = {1: "liver", 2: "right kidney", 3: "left kidney", 4: "spleen"}
    rows = measure(
        centers, moving_grid=moving, moving_labels=arrays[0], fixed_labels=arrays[1], label_names=names
    )
    found = [rows[name, "dice"].value for name in names.values()]
    assert found == pytest.approx([54, 0, 4, 12], abs=0.51)
