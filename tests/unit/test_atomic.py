import os
import stat

import pytest
import torch
from safetensors.torch import save_file

from promptreg.atomic import replacing


def test_a_file_appears_whole_under_its_name_and_nothing_else_is_left(tmp_path):
    with replacing(tmp_path / "new" / "a.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"


def test_an_error_leaves_the_old_file_and_no_temporary_one(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def interrupted():
        with replacing(target) as temporary:
            temporary.write_text("ha")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        interrupted()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_writer_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(target):
        pass
    assert target.read_text() == "old"


def test_the_temporary_file_keeps_the_suffix_by_which_writers_choose_a_format(tmp_path):
    with replacing(tmp_path / "a.nii.gz") as temporary:
        temporary.touch()
        assert temporary.name.endswith("a.nii.gz")
        assert temporary.parent == tmp_path


@pytest.fixture
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077], indirect=True)
def test_a_file_may_be_read_by_whom_the_umask_says_however_it_was_written(tmp_path, umask):
    def private(path):
        path.touch(mode=0o600)

    def weights(path):
        save_file({"one": torch.ones(1)}, path)

    for name, write in (("plain", lambda path: path.write_text("a")), ("own", private), ("weights", weights)):
        with replacing(tmp_path / name) as temporary:
            write(temporary)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask
    assert len(list(tmp_path.iterdir())) == 3
