import pytest
from published_layouts import WRITERS, write_chaos, write_promis, write_zurich_patches
from tiny_sources import archive, publish_sources, source

from promptreg.data_check import describe, layout_problems, subjects, verify
from promptreg.data_folders import archives_folder, open_reader
from promptreg.source_table import find_source


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The data set 'tiny' of prostates, three subjects, in a folder of its name."""
    publish_sources(
        tmp_path,
        monkeypatch,
        source(subjects="promis-p{10,7,8}"),
        archives=[archive(bytes="", url="")],
    )
    write_promis(tmp_path / "tiny")
    return find_source("tiny")


def test_a_folder_is_recorded_at_first_and_compared_from_then_on(tiny, tmp_path):
    folder = tmp_path / "tiny"
    first = verify(tiny, folder)
    assert (first.problems, first.n_files, first.recorded_now) == ((), 7, True)
    again = verify(tiny, folder)
    assert (again.problems, again.n_files, again.recorded_now) == ((), 7, False)
    mask = folder / "prostate_mri" / "mask" / "p7_study_0.nii.gz"
    content = bytearray(mask.read_bytes())
    content[-9] ^= 1
    mask.write_bytes(content)
    (problem,) = verify(tiny, folder).problems
    assert f"{mask} has the sha256" in problem


def test_a_missing_file_and_a_missing_subject_are_named(tiny, tmp_path):
    folder = tmp_path / "tiny"
    verify(tiny, folder)
    (folder / "prostate_mri" / "scan" / "p8_study_0.nii.gz").unlink()
    first, second = verify(tiny, folder).problems
    assert "1 of 3 subjects are missing: promis-p8" in first
    assert "scan/p8_study_0.nii.gz is missing" in second


def test_a_folder_with_a_problem_is_not_recorded_as_whole(tiny, tmp_path):
    folder = tmp_path / "tiny"
    (folder / "prostate_mri" / "scan" / "p8_study_0.nii.gz").unlink()
    found = verify(tiny, folder)
    assert (len(found.problems), found.recorded_now) == (1, False)
    assert not any(one.name.startswith(".") for one in folder.iterdir())


def test_an_absent_or_empty_folder_says_how_the_data_are_got(tiny, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "gone", tmp_path / "empty"):
        (problem,) = verify(tiny, folder).problems
        assert f"{folder} is absent or empty: download from the record" in problem


def test_another_layout_is_said_in_the_words_of_the_reader(tiny, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "holiday.jpg").touch()
    (problem,) = verify(tiny, tmp_path / "other").problems
    assert "expected a folder `prostate_mri` with scan/" in problem
    assert "found holiday.jpg" in problem


def test_a_damaged_record_is_named_with_what_to_do(tiny, tmp_path):
    (tmp_path / "tiny" / ".promptreg-files.tsv").write_text("x\n1\n")
    (problem,) = verify(tiny, tmp_path / "tiny").problems
    assert "delete that file to record the folder anew" in problem


def test_archives_that_are_kept_are_hashed_too(tiny, tmp_path):
    place = archives_folder("tiny", tmp_path)
    place.mkdir(parents=True)
    (place / "a.zip").write_bytes(b"first")
    assert verify(tiny, tmp_path / "tiny", tmp_path).problems == ()
    (place / "a.zip").write_bytes(b"other")
    (problem,) = verify(tiny, tmp_path / "tiny", tmp_path).problems
    assert "is not the 'a.zip' that was used first" in problem


@pytest.mark.parametrize("reader", sorted(set(WRITERS) - {"chaos_nifti"}))
def test_every_published_layout_is_whole_as_its_reader_sees_it(tmp_path, monkeypatch, reader):
    publish_sources(tmp_path, monkeypatch, source(reader=reader))
    WRITERS[reader](tmp_path / "tiny")
    assert list(layout_problems(find_source("tiny"), tmp_path / "tiny")) == []


def test_a_file_that_pairs_refer_to_is_missed(tmp_path, monkeypatch):
    publish_sources(tmp_path, monkeypatch, source(reader="zurich_patches"))
    folder = tmp_path / "tiny"
    write_zurich_patches(folder)
    (folder / "Zurich_patches/fold1/patch_tlevel1/A/test/zh7_01_02_T.png").unlink()
    (problem,) = layout_problems(find_source("tiny"), folder)
    assert "'A1_zh7_01_02_T' is listed, and a file of it is missing" in problem


def test_a_description_counts_subjects_images_pairs_labels_and_measures_grids(tmp_path, monkeypatch):
    publish_sources(tmp_path, monkeypatch, source(reader="chaos", licence="CC BY-NC-SA 4.0"))
    write_chaos(tmp_path / "tiny")
    said = dict(describe(find_source("tiny"), tmp_path / "tiny"))
    assert (said["subjects"], said["images"], said["pairs"]) == ("2", "6", "5")
    assert said["  T1 to T2, same subject"] == "2"
    assert said["with labels"] == "5 pairs"
    assert said["with landmarks"] == "0 pairs"
    assert said["labels"] == "liver, right kidney, left kidney, spleen"
    assert said["3D cells"] == "14 x 12 x 10..11"
    assert said["3D spacing"] == "1.5 x 1.5 x 7.7 mm"
    assert said["licence"] == "CC BY-NC-SA 4.0"
    assert said["citation"] == "nobody"


def test_the_description_of_absent_data_says_how_they_are_got(tiny, tmp_path):
    said = dict(describe(tiny, tmp_path / "gone"))
    assert "download from the record" in said["absent"]
    assert "pairs" not in said


def test_subjects_are_listed_once_in_the_order_of_the_pairs(tiny, tmp_path):
    assert sorted(subjects(open_reader(tiny, tmp_path / "tiny").pairs())) == [
        "promis-p10",
        "promis-p7",
        "promis-p8",
    ]
