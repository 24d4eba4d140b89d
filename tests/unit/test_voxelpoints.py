import numpy as np
import pytest

from promptreg.datasets.voxelpoints import read_voxel_points
from promptreg.types import Grid

AFFINE = np.array([[0, 0, 2.0, 5], [0, 3.0, 0, -7], [4.0, 0, 0, 1], [0, 0, 0, 1]])
"""Array order (z, y, x) to world x, y, z: voxels of 2 x 3 x 4 mm."""


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "points.csv"
        path.write_text(text, encoding="utf-8-sig")
        return path

    return write


def test_i_j_k_count_voxels_along_x_y_z_of_the_file(written):
    found = read_voxel_points(written("0,0,0\n1,2,3\n0.5,0,0\n"), Grid((9, 9, 9), AFFINE))
    assert found.tolist() == [[5, -7, 1], [7, -1, 13], [6, -7, 1]]


def test_the_columns_of_one_image_of_two_are_read(written):
    path = written("0,0,0,1,1,1\n2,2,2,3,3,3\n")
    grid = Grid((9, 9, 9), np.diag([1.0, 1, 1, 1])[:, [2, 1, 0, 3]])
    assert read_voxel_points(path, grid, first=0, columns=6).tolist() == [[0, 0, 0], [2, 2, 2]]
    assert read_voxel_points(path, grid, first=3, columns=6).tolist() == [[1, 1, 1], [3, 3, 3]]


def test_empty_lines_do_not_count(written):
    assert len(read_voxel_points(written("0,0,0\n\n1,1,1\n\n"), Grid((9, 9, 9), AFFINE))) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y,z\n0,0,0\n", "line 1 holds 'x,y,z'; expected 3 numbers and no header"),
        ("0,0,0\n1,1\n", "line 2 holds '1,1'"),
        ("0,0,0\n1,1,1,1\n", "line 2 holds '1,1,1,1'"),
        ("", "no points"),
        ("0,0,nan\n", "holds NaN"),
    ],
)
def test_a_table_that_cannot_be_used_is_named_with_the_line(written, text, words):
    with pytest.raises(ValueError, match=r"points\.csv") as error:
        read_voxel_points(written(text), Grid((9, 9, 9), AFFINE))
    assert words in str(error.value)


def test_an_absent_table_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        read_voxel_points(tmp_path / "gone.csv", Grid((9, 9, 9), AFFINE))
