"""Landmarks are read and written in the frame that is usual for their dimension."""

import numpy as np
import pytest
import torch
from itk_files import FLIPPED, written

from promptreg.geometry import apply_affine, default_affine, index_to_world
from promptreg.imageio import (
    read_image,
    read_landmarks,
    write_points,
)
from promptreg.types import Grid

GRID = Grid((4, 5), default_affine(2), "px")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_landmarks_in_2d_are_pixels_of_the_image(tmp_path):
    grid = Grid((4, 5), np.array([[0, 0.5, 10], [2.0, 0, 20], [0, 0, 1]]))
    (tmp_path / "p.csv").write_text("id,x,y\n0,4,1\n1,0.5,3\n")
    np.testing.assert_allclose(read_landmarks(tmp_path / "p.csv", grid), [[12, 22], [10.25, 26]])


def test_landmarks_in_3d_are_world_points_or_else_voxels(tmp_path, rng):
    grid = read_image(written(tmp_path, "a.mha", rng.random((3, 4, 5)))).grid
    point = apply_affine(grid.affine, torch.tensor([1.0, 2.5, 3.0], dtype=torch.float64)).numpy()
    (tmp_path / "p.csv").write_text("id,x,y,z\n0,{},{},{}\n".format(*point))
    (tmp_path / "v.tsv").write_text("id\ti\tj\tk\n0\t3\t2.5\t1\n")
    np.testing.assert_allclose(read_landmarks(tmp_path / "p.csv", grid), [point], atol=1e-6)
    np.testing.assert_allclose(read_landmarks(tmp_path / "v.tsv", grid), [point], atol=1e-6)


@pytest.mark.parametrize("ndim", [2, 3])
def test_written_points_come_back(tmp_path, rng, ndim):
    image = read_image(written(tmp_path, "a.mha", rng.random((6, 7, 8)), direction=FLIPPED))
    grid = image.grid if ndim == 3 else Grid((6, 7), default_affine(2, (2.0, 3.0)))
    points = index_to_world(grid, torch.from_numpy(rng.uniform(0, 5, (9, ndim)))).numpy()
    write_points(tmp_path / "p.csv", points, grid)
    np.testing.assert_allclose(read_landmarks(tmp_path / "p.csv", grid), points, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no landmarks"),
        ("id,x,y\n", "no landmarks"),
        ("id,x\n0,1\n", "no column y; found id, x"),
        ("id,x,y\n0,1,2\n1,two,3\n", "line 3"),
        ("id,x,y\n0,1,nan\n", "line 2"),
        ("id,x,y\n0,1\n", "line 2"),
        ("id,x,y\n0,-300,-200\n", "none of the 1 points lies inside"),
    ],
)
def test_bad_landmark_tables_are_errors_that_say_where(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_landmarks(tmp_path / "p.csv", GRID)


def test_landmarks_without_a_file_or_without_columns_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"p\.csv"):
        read_landmarks(tmp_path / "p.csv", GRID)
    (tmp_path / "p.csv").write_text("id,a,b\n0,1,2\n")
    with pytest.raises(ValueError, match="expected x, y, z"):
        read_landmarks(tmp_path / "p.csv", Grid((3, 4, 5), default_affine(3)))
