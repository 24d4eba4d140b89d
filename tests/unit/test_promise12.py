import pytest
from published_layouts import write_promise12

from promptreg.datasets.promise12 import Promise12, protocol


@pytest.fixture
def folder(tmp_path):
    write_promise12(tmp_path)
    return tmp_path


def test_pairs_stay_within_a_protocol_and_cases_of_the_test_are_left_out(folder):
    found = [(one.pair, one.moving_subject, one.fixed_subject) for one in Promise12(str(folder)).pairs()]
    assert found == [("case02_to_case00", "promise12-case02", "promise12-case00")]


def test_the_gland_is_read_with_the_voxels_of_the_header(folder):
    reader = Promise12(str(folder))
    (pair,) = reader.pairs()
    image = reader.image(pair.moving)
    assert image.grid.spacing.tolist() == [3.6, 0.625, 0.625]
    assert set(reader.labels(pair.annotations["moving_labels"], image.grid).flat) == {0, 1}


def test_a_protocol_is_the_matrix_and_the_voxel(folder):
    assert protocol(folder / "TrainingData_Part1" / "Case01.mhd") == (12, 9, 0.62, 0.62, 3.6)


def test_a_header_without_a_size_is_an_error_that_names_it(tmp_path):
    (tmp_path / "Case00.mhd").write_text("ObjectType = Image\nDimSize = 3 4\n")
    with pytest.raises(ValueError, match=r"Case00\.mhd: no header of a volume"):
        protocol(tmp_path / "Case00.mhd")


def test_a_missing_raw_file_fails_its_image_alone(folder):
    (folder / "TrainingData_Part1" / "Case00.raw").unlink()
    reader = Promise12(str(folder))
    (pair,) = reader.pairs()
    with pytest.raises(ValueError, match=r"Case00\.mhd: cannot be read"):
        reader.image(pair.fixed)
