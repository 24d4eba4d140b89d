import numpy as np
import pytest
import torch

from promptreg.datasets.anatomy import abdomen
from promptreg.datasets.cohort_subjects import PLANE_MM, planar, variation, volumetric
from promptreg.geometry import sample, world_to_index

MAKERS = {2: (planar, "plane-03"), 3: (volumetric, "volume-03")}


@pytest.fixture(params=MAKERS)
def built(request):
    make, name = MAKERS[request.param]
    return make(name)


def test_landmarks_lie_in_the_organs_that_they_were_drawn_in(built):
    index = world_to_index(built.image.grid, torch.from_numpy(built.landmarks))
    found = sample(torch.from_numpy(built.labels).float()[None], index, mode="nearest")[0].numpy()
    drawn = np.repeat(sorted(abdomen().label_names), len(found) // len(abdomen().label_names))
    assert (found == drawn).mean() > 0.8


def test_every_named_organ_is_shown(built):
    assert set(np.unique(built.labels)) - {0} == set(abdomen().label_names)
    assert built.image.data.shape[1:] == built.labels.shape == built.image.grid.shape


def test_a_subject_is_a_function_of_its_name():
    one, same, other = planar("plane-01"), planar("plane-01"), planar("plane-02")
    assert torch.equal(one.image.data, same.image.data)
    assert np.array_equal(one.landmarks, same.landmarks)
    assert (one.labels != other.labels).mean() > 0.02
    assert len(one.landmarks) == len(other.landmarks)


def test_motion_in_the_plane_stays_in_the_plane():
    drawn = variation("plane-05")
    assert drawn.turn_deg[:2] == (0.0, 0.0)
    assert drawn.shift_mm[2] == drawn.breath_mm == 0.0
    # A point of the image is looked up at one height of the template, so its landmarks are found in 2D.
    assert planar("plane-05").landmarks.shape[1] == 2
    assert PLANE_MM < 0
