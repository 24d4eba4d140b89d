import numpy as np
import pytest
from published_layouts import lungs, write_learn2reg, write_lung2020

from promptreg.datasets.learn2reg import Learn2Reg
from promptreg.datasets.lung2020 import Lung2020


@pytest.fixture
def released(tmp_path):
    write_lung2020(tmp_path)
    return Lung2020(str(tmp_path))


def test_inspiration_is_moved_onto_expiration_of_the_same_subject(released):
    pair = released.pairs()[0]
    assert (pair.moving, pair.fixed) == ("case_001_insp", "case_001_exp")
    assert pair.moving_subject == pair.fixed_subject == "lungct-0001"


def test_lungs_that_touch_are_right_and_left_of_the_patient(released):
    pair = released.pairs()[0]
    image = released.image(pair.fixed)
    labels = released.labels(pair.annotations["fixed_labels"], image.grid)
    np.testing.assert_array_equal(labels > 0, lungs("exp")[1] > 0)
    assert (labels[:, 5, :8] != 2).all()
    assert (labels[:, 5, 9:] != 1).all()


def test_keypoints_are_of_expiration_first_and_lie_in_the_world_of_each_image(released):
    pair = released.pairs()[0]
    for side, last in (("fixed", [5, 6, 6]), ("moving", [5, 6, 5.25])):
        grid = released.image(getattr(pair, side)).grid
        points = released.landmarks(pair.annotations[f"{side}_landmarks"], grid)
        np.testing.assert_allclose(
            points[-1], grid.affine[:3, 3] + np.array(last) * [1.75, 1.25, 1.75], atol=1e-5
        )


def test_the_repack_of_2021_flips_axes_and_nothing_else(released, tmp_path_factory):
    folder = tmp_path_factory.mktemp("repack")
    write_learn2reg(folder)
    repack = Learn2Reg(str(folder))
    old, new = released.pairs()[0], repack.pairs()[-1]
    labels = [
        reader.labels(pair.annotations["fixed_labels"], reader.image(pair.fixed).grid)
        for reader, pair in ((released, old), (repack, new))
    ]
    inside = [one > 0 for one in labels]
    np.testing.assert_array_equal(inside[0], inside[1][:, ::-1, ::-1])
    wrong = labels[0] != labels[1][:, ::-1, ::-1]
    assert wrong.sum() <= 1
    assert old.fixed_subject == new.fixed_subject
