from pathlib import Path

import numpy as np
import pytest
from published_layouts import chaos_labels, write_chaos, write_chaos_nifti

from promptreg.datasets.chaos import NAMES, Chaos
from promptreg.datasets.chaos_nifti import ChaosNifti

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "abdomen_mr"


@pytest.fixture
def folder(tmp_path):
    write_chaos_nifti(tmp_path)
    return tmp_path


def test_subjects_with_labels_are_paired_in_the_order_of_their_numbers(folder):
    (pair,) = ChaosNifti(str(folder)).pairs()
    assert (pair.pair, pair.group) == ("t2-10_to_t2-02", "T2-SPIR")


def test_labels_of_floating_point_are_the_organs(folder):
    reader = ChaosNifti(str(folder))
    (pair,) = reader.pairs()
    image = reader.image(pair.fixed)
    labels = reader.labels(pair.annotations["fixed_labels"], image.grid)
    np.testing.assert_array_equal(labels, chaos_labels(6, 2))
    assert reader.label_names(pair.pair) == NAMES


def test_subjects_are_those_of_the_dicom_release(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("dicom")
    write_chaos(other)
    (pair,) = ChaosNifti(str(folder)).pairs()
    first = Chaos(str(other)).pairs()[0]
    assert (pair.moving_subject, pair.fixed_subject) == (first.moving_subject, first.fixed_subject)


@pytest.mark.realdata
@pytest.mark.skipif(not REAL.is_dir(), reason="no real image pairs beside the project")
def test_real_volumes_of_the_repack_are_read_by_their_own_names(tmp_path):
    for file in REAL.glob("chaos_t2_*.nii.gz"):
        _, _, subject, kind = file.name.removesuffix(".nii.gz").split("_")
        (tmp_path / f"{kind}_{int(subject)}.nii.gz").symlink_to(file)
    reader = ChaosNifti(str(tmp_path))
    pairs = reader.pairs()
    n_subjects = len(reader.images)
    assert len(pairs) == n_subjects * (n_subjects - 1) / 2
    image = reader.image(pairs[0].fixed)
    labels = reader.labels(pairs[0].annotations["fixed_labels"], image.grid)
    assert set(np.unique(labels)) == {0, 1, 2, 3, 4}
