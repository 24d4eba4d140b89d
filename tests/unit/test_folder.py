import os
import subprocess
import sys

import pytest
from published_layouts import WRITERS, write_promis

from promptreg.datasets.folder import Folder, number, stamp
from promptreg.datasets.promis import Promis
from promptreg.registry import DATASETS


def test_a_reader_without_a_folder_says_what_it_needs(tmp_path):
    with pytest.raises(ValueError, match=r"'promis' needs a folder: set `path` .*prostate_mri"):
        Promis(None)
    with pytest.raises(FileNotFoundError, match=r"gone: no such folder; .*config/sources.tsv"):
        Promis(str(tmp_path / "gone"))
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="file: is a file"):
        Promis(str(tmp_path / "file"))


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_of_something_else_is_an_error_that_says_what_was_expected_and_found(tmp_path, name):
    (tmp_path / "holiday.txt").touch()
    with pytest.raises(ValueError, match=r"expected .*, found holiday\.txt"):
        DATASETS[name].load()(str(tmp_path)).pairs()


@pytest.mark.parametrize("name", WRITERS)
def test_listing_needs_no_torch_and_reads_no_image(tmp_path, name):
    WRITERS[name](tmp_path)
    code = f"""import sys
from promptreg.registry import DATASETS
DATASETS[{name!r}].load()({str(tmp_path)!r}).pairs()
sys.exit(bool({{"torch", "SimpleITK", "scipy", "pandas"}} & set(sys.modules)))"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_image_that_is_not_listed_is_an_error(tmp_path):
    write_promis(tmp_path)
    with pytest.raises(ValueError, match="'promis' lists no image 'other'"):
        Promis(str(tmp_path)).image("other")


def test_a_data_set_without_landmarks_refuses_to_read_some(tmp_path):
    write_promis(tmp_path)
    with pytest.raises(ValueError, match="knows no landmarks"):
        Promis(str(tmp_path)).landmarks("x", None)


def test_the_stamp_of_a_folder_follows_every_file_in_it(tmp_path):
    assert stamp(tmp_path) == stamp(tmp_path / "gone") == "absent"
    (tmp_path / "a.dcm").write_text("a")
    (tmp_path / "b.dcm").write_text("b")
    before = stamp(tmp_path)
    assert stamp(tmp_path) == before
    os.utime(tmp_path / "b.dcm", ns=(0, 1))
    assert stamp(tmp_path) != before


def test_the_stamp_of_a_reference_to_several_places_needs_all_of_them(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    reader = Folder(str(tmp_path))
    reader.__dict__["images"] = {"one": "a"}
    assert reader.stamp("a|b#left") == f"{stamp(tmp_path / 'a')}+{stamp(tmp_path / 'b')}"
    assert reader.stamp("one") == stamp(tmp_path / "a")
    assert reader.stamp("a|gone") == "absent"


def test_slices_are_counted_by_the_last_number_in_their_names(tmp_path):
    assert number(tmp_path / "IMG-0004-00012.dcm") == 12
    assert number(tmp_path / "image_7.nii.gz") == 7
    assert number(tmp_path / "nothing.png") == -1
