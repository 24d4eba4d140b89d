import hashlib
import json

import pytest
from tiny_checkpoints import served

from promptreg.download import DownloadFailed
from promptreg.zenodo import RecordFile, file_in_record

CONTENT = b"patches"


def entry(name, **changes):
    return {
        "key": name,
        "size": len(CONTENT),
        "checksum": f"md5:{hashlib.md5(CONTENT).hexdigest()}",
        "links": {"self": f"https://zenodo.org/api/records/7/files/{name}/content"},
    } | changes


@pytest.fixture
def found(tmp_path, monkeypatch):
    """Look for a pattern in a record with these entries."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def look(page, pattern, taken=()):
        (tmp_path / "api" / "records").mkdir(parents=True, exist_ok=True)
        (tmp_path / "api" / "records" / "7").write_text(page if isinstance(page, str) else json.dumps(page))
        with served(tmp_path) as address:
            return file_in_record(f"{address}/api/records/7", pattern, taken)

    return look


def test_the_one_file_of_a_pattern_is_found_with_size_hash_and_address(found):
    page = {"id": 7, "files": [entry("Balvan_patches.zip"), entry("Zurich_patches.zip")]}
    one = found(page, "*urich*.zip")
    assert (one.name, one.n_bytes) == ("Zurich_patches.zip", 7)
    assert one.md5 == hashlib.md5(CONTENT).hexdigest()
    assert one.url.endswith("/files/Zurich_patches.zip/content")


def test_files_that_are_taken_do_not_count(found):
    page = {"files": [entry("a.zip"), entry("b.zip")]}
    assert found(page, "*.zip", ["a.zip"]).name == "b.zip"


def test_several_or_none_are_an_error_that_lists_the_record(found):
    page = {"files": [entry("a.zip"), entry("b.zip"), entry("README.md")]}
    with pytest.raises(
        DownloadFailed, match=r"2 files are '\*\.zip', .* it holds a\.zip, b\.zip, README\.md"
    ):
        found(page, "*.zip")
    with pytest.raises(DownloadFailed, match="0 files are"):
        found(page, "*.tar")
    with pytest.raises(DownloadFailed, match="it holds nothing"):
        found({"files": []}, "*.zip")


def test_a_name_that_would_lead_elsewhere_is_not_taken(found):
    with pytest.raises(DownloadFailed, match="expected one"):
        found({"files": [entry("../../up.zip")]}, "*.zip")


@pytest.mark.parametrize("page", ["<html>", "[]", {"files": [{"key": "a.zip"}]}, {"status": 404}])
def test_a_page_that_is_no_record_is_an_error(found, page):
    with pytest.raises(DownloadFailed, match="is no record of Zenodo"):
        found(page, "*.zip")


def test_a_file_of_another_size_or_hash_is_refused(tmp_path):
    file = tmp_path / "a.zip"
    file.write_bytes(CONTENT)
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert RecordFile("a.zip", "", 7, md5).defect(file) == ""
    assert RecordFile("a.zip", "", 7, "").defect(file) == ""
    assert "has 7 bytes, the record states 8" in RecordFile("a.zip", "", 8, md5).defect(file)
    assert f"has the md5 {md5}, the record states 00" in RecordFile("a.zip", "", 7, "00").defect(file)
