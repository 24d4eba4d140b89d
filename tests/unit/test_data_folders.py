import json
import subprocess
import sys
import threading

import pytest
from published_layouts import WRITERS
from tiny_checkpoints import served
from tiny_sources import archive, packed, publish_sources, source

from promptreg import data_folders
from promptreg.data_folders import DataUnavailable, archives_folder, fetch, is_present, obstacle
from promptreg.file_list import read_list
from promptreg.registry import DATASETS
from promptreg.source_table import find_source
from promptreg.trust import lock_path


@pytest.fixture
def made(tmp_path):
    """A folder to serve, with the zip of a prostate data set in it; and the row of that file."""
    content, offered = tmp_path / "content", tmp_path / "offered"
    WRITERS["promis"](content)
    offered.mkdir()
    return offered, packed(content, offered / "a.zip")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def names(folder):
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("reader", sorted(set(WRITERS) - {"chaos_nifti"}))
def test_every_published_layout_is_downloaded_unpacked_and_read(tmp_path, monkeypatch, root, reader):
    content, offered = tmp_path / "content", tmp_path / "offered"
    WRITERS[reader](content)
    offered.mkdir()
    file = packed(content, offered / "a.zip")
    with served(offered) as address:
        row = archive(**file, url=f"{address}/a.zip")
        publish_sources(tmp_path, monkeypatch, source(reader=reader), archives=[row])
        folder = fetch("tiny", root)
    assert folder == root / "tiny"
    read = DATASETS[reader].load()
    assert read(str(folder)).pairs() == read(str(content)).pairs()
    assert [one.place for one in read_list(folder)] == sorted(
        one.relative_to(content).as_posix() for one in content.rglob("*") if one.is_file()
    )
    assert names(root) == ["archives", "tiny"]


def test_archives_of_a_data_set_are_unpacked_together_each_where_it_belongs(tmp_path, monkeypatch, root):
    content, offered = tmp_path / "content", tmp_path / "offered"
    WRITERS["picai"](content)
    offered.mkdir()
    (content / "repository-1").mkdir()
    (content / "picai_labels").rename(content / "repository-1" / "labels")
    images = packed(content / "images", offered / "images.zip")
    (content / "images").rename(tmp_path / "away")
    labels = packed(content, offered / "labels.zip")
    with served(offered) as address:
        rows = [
            archive(**images, url=f"{address}/images.zip", into="images"),
            archive(**labels, url=f"{address}/labels.zip", into="picai_labels", strip="2"),
        ]
        publish_sources(tmp_path, monkeypatch, source(reader="picai"), archives=rows)
        folder = fetch("tiny", root)
    assert names(folder) == [".promptreg-files.tsv", "images", "picai_labels"]
    pairs = DATASETS["picai"].load()(str(folder)).pairs()
    assert {one.group for one in pairs} == {"gland", "zones", "gland, same patient"}


def test_what_is_there_is_not_fetched_again(tmp_path, monkeypatch, root):
    publish_sources(tmp_path, monkeypatch, source(accept="gated"), archives=[archive()])
    (root / "tiny").mkdir(parents=True)
    assert not is_present(root / "tiny")
    (root / "tiny" / "x").touch()
    assert fetch("tiny", root) == root / "tiny"


def test_a_data_set_that_is_not_public_says_whom_to_ask_and_where_to_put_it(tmp_path, monkeypatch, root):
    publish_sources(tmp_path, monkeypatch, source(record="", obtain="ask the trial team"))
    with pytest.raises(DataUnavailable) as error:
        fetch("tiny", root)
    assert "not to be downloaded: ask the trial team; then put into" in str(error.value)
    assert f"{root / 'tiny'} a folder `prostate_mri` with scan/<id>_study_0.nii.gz" in str(error.value)


def test_an_archive_that_is_got_by_hand_is_asked_for_and_then_unpacked(tmp_path, monkeypatch, root, made):
    offered, file = made
    row = archive(**file, url="")
    publish_sources(tmp_path, monkeypatch, source(accept="gated", obtain="register"), archives=[row])
    place = archives_folder("tiny", root)
    with pytest.raises(DataUnavailable) as error:
        fetch("tiny", root)
    assert f"register (http://127.0.0.1:9/record); then put a.zip into {place} and run" in str(error.value)
    place.mkdir(parents=True)
    (offered / "a.zip").rename(place / "a.zip")
    assert is_present(fetch("tiny", root))
    assert (place / "a.zip").is_file()


def test_data_under_terms_are_fetched_after_consent_which_is_remembered(tmp_path, monkeypatch, root, made):
    offered, file = made
    with served(offered) as address:
        row = archive(**file, url=f"{address}/a.zip")
        terms = source(accept="noncommercial", licence="CC BY-NC-SA 4.0")
        publish_sources(tmp_path, monkeypatch, terms, archives=[row])
        tiny = find_source("tiny")
        assert "promptreg data fetch tiny --accept-licence" in obstacle(tiny, root)
        assert obstacle(tiny, root, ["tiny"]) == ""
        with pytest.raises(DataUnavailable, match=r"CC BY-NC-SA 4\.0 \(noncommercial\), is not accepted"):
            fetch("tiny", root)
        assert not root.exists()
        fetch("tiny", root, accept=True)
    assert obstacle(tiny, tmp_path / "another") == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "00" * 32}, "not the published 'a.zip'"),
        ({"bytes": "12", "sha256": ""}, "bytes came, expected 12"),
    ],
)
def test_another_file_than_the_published_one_is_refused(tmp_path, monkeypatch, root, made, changes, words):
    offered, file = made
    with served(offered) as address:
        row = archive(**file | changes, url=f"{address}/a.zip")
        publish_sources(tmp_path, monkeypatch, source(), archives=[row])
        with pytest.raises((ValueError, DataUnavailable), match=words):
            fetch("tiny", root)
    assert not is_present(root / "tiny")
    assert names(root) == ["archives"]


def test_an_archive_without_a_published_hash_is_trusted_once(tmp_path, monkeypatch, root, made):
    offered, file = made
    with served(offered) as address:
        row = archive(**file | {"sha256": "", "bytes": ""}, url=f"{address}/a.zip")
        publish_sources(tmp_path, monkeypatch, source(), archives=[row])
        folder = fetch("tiny", root)
    kept = archives_folder("tiny", root) / "a.zip"
    assert lock_path(kept).is_file()
    kept.write_bytes(kept.read_bytes() + b"more")
    folder.rename(root / "away")
    with pytest.raises(ValueError, match=r"is not the 'a\.zip' that was used first"):
        fetch("tiny", root)


def test_archives_of_something_else_leave_no_folder(tmp_path, monkeypatch, root, made):
    offered, file = made
    with served(offered) as address:
        row = archive(**file, url=f"{address}/a.zip")
        publish_sources(tmp_path, monkeypatch, source(reader="chaos"), archives=[row])
        with pytest.raises(
            ValueError, match=r"'tiny' do not hold the published layout, but prostate_mri: .*MR"
        ):
            fetch("tiny", root)
    assert names(root) == ["archives"]


def test_a_killed_unpacking_leaves_no_data_set_and_is_cleared_away(tmp_path, monkeypatch, root, made):
    offered, file = made
    row = archive(**file, url="")
    publish_sources(tmp_path, monkeypatch, source(), archives=[row])
    place = archives_folder("tiny", root)
    place.mkdir(parents=True)
    (offered / "a.zip").rename(place / "a.zip")
    orphan = root / ".unpacking-tiny-01234567"
    (orphan / "prostate_mri" / "scan").mkdir(parents=True)
    monkeypatch.setattr(data_folders, "unpack", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fetch("tiny", root)
    monkeypatch.undo()
    publish_sources(tmp_path, monkeypatch, source(), archives=[row])
    assert names(root) == ["archives"]
    fetch("tiny", root)
    assert names(root) == ["archives", "tiny"]


def test_of_several_processes_one_unpacks(tmp_path, monkeypatch, root, made):
    offered, file = made
    with served(offered) as address:
        publish_sources(tmp_path, monkeypatch, source(), archives=[archive(**file, url=f"{address}/a.zip")])
        several = [threading.Thread(target=fetch, args=("tiny", root)) for _ in range(3)]
        for one in several:
            one.start()
        for one in several:
            one.join()
    assert names(root) == ["archives", "tiny"]


def test_a_download_that_fails_says_how_to_do_it_by_hand(tmp_path, monkeypatch, root):
    publish_sources(tmp_path, monkeypatch, source(), archives=[archive()])
    with pytest.raises(DataUnavailable, match=r"cannot download http://127.* or by hand: download from the"):
        fetch("tiny", root)


def test_a_page_instead_of_an_archive_is_not_kept(tmp_path, monkeypatch, root, made):
    offered, _ = made
    (offered / "a.zip").write_text("\n<!DOCTYPE html> sign in")
    with served(offered) as address:
        row = archive(bytes="", url=f"{address}/a.zip")
        publish_sources(tmp_path, monkeypatch, source(), archives=[row])
        with pytest.raises(DataUnavailable, match=r"did not give a\.zip: a page came"):
            fetch("tiny", root)
    assert names(archives_folder("tiny", root)) == [".waiting"]


def test_a_file_that_is_known_by_a_pattern_is_looked_up_in_its_record(tmp_path, monkeypatch, root, made):
    offered, file = made
    (offered / "a.zip").rename(offered / "The_prostates.zip")
    (offered / "api" / "records").mkdir(parents=True)
    with served(offered) as address:
        entry = {
            "key": "The_prostates.zip",
            "size": int(file["bytes"]),
            "links": {"self": f"{address}/The_prostates.zip"},
        }
        (offered / "api" / "records" / "7").write_text(json.dumps({"files": [entry]}))
        row = archive(file="*rostate*.zip", bytes="", url=f"{address}/api/records/7")
        publish_sources(tmp_path, monkeypatch, source(), archives=[row])
        fetch("tiny", root)
    assert "The_prostates.zip" in names(archives_folder("tiny", root))
    assert obstacle(find_source("tiny"), root) == ""


def test_the_root_is_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("PROMPTREG_DATA", str(tmp_path))
    assert data_folders.data_root() == tmp_path
    monkeypatch.delenv("PROMPTREG_DATA")
    assert str(data_folders.data_root()) == "data"


def test_importing_it_loads_no_torch():
    code = "import sys, promptreg.data_folders; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
