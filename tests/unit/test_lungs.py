import numpy as np
import pytest

from promptreg.datasets.lungs import NAMES, left_and_right
from promptreg.types import Grid


def grid(shape, *, towards_left=True):
    """A grid whose last axis runs to the left of the patient (LPS x grows), or to the right."""
    affine = np.diag([1.0, 1.0, 1.0, 1.0])[:, [2, 1, 0, 3]]
    if not towards_left:
        affine[0, 2] = -1
    return Grid(shape, affine)


def two_lungs(shape=(4, 6, 20), bridge=False):
    mask = np.zeros(shape, dtype=np.uint8)
    mask[:, 1:5, 2:9] = 1
    mask[:, 1:5, 11:18] = 1
    if bridge:
        mask[1, 2, 9:11] = 1
    return mask


@pytest.mark.parametrize("bridge", [False, True])
@pytest.mark.parametrize("towards_left", [True, False])
def test_lungs_are_named_by_the_side_of_the_patient_however_the_axis_runs(towards_left, bridge):
    mask = two_lungs(bridge=bridge)
    labels = left_and_right(mask, grid(mask.shape, towards_left=towards_left))
    first, last = (1, 2) if towards_left else (2, 1)
    assert set(np.unique(labels[:, 1:5, 2:9])) == {first}
    assert set(np.unique(labels[:, 1:5, 11:18])) == {last}
    assert NAMES == {1: "right lung", 2: "left lung"}


def test_the_cut_adds_and_loses_no_voxel():
    mask = two_lungs(bridge=True) * 255
    labels = left_and_right(mask, grid(mask.shape))
    assert labels.dtype == np.int32
    assert np.array_equal(labels > 0, mask > 0)


def test_the_cut_is_where_least_of_the_middle_third_is_lung():
    mask = np.ones((2, 3, 12), dtype=np.uint8)
    mask[:, :2, 7] = 0
    mask[:, :, 0] = 0
    labels = left_and_right(mask, grid(mask.shape))
    assert set(np.unique(labels[:, :, 1:7])) == {1}
    assert set(np.unique(labels[:, :, 8:])) == {2}


def test_flipped_files_of_one_scan_are_cut_alike():
    rng = np.random.default_rng(0)
    mask = (rng.uniform(size=(3, 4, 13)) < 0.7).astype(np.uint8)
    there = left_and_right(mask, grid(mask.shape))
    back = left_and_right(mask[..., ::-1], grid(mask.shape, towards_left=False))
    assert np.array_equal(there, back[..., ::-1])
