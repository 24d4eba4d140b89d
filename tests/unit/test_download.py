import subprocess
import sys
import threading

import pytest
from range_server import offered

from promptreg.download import ATTEMPTS, DownloadFailed, download, read

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "file.bin"


def names(target):
    return sorted(one.name for one in target.parent.iterdir())


def test_a_file_arrives_whole_and_nothing_else_is_left(target):
    with offered(CONTENT) as offer:
        download(offer.address, target)
    assert target.read_bytes() == CONTENT
    assert names(target) == ["file.bin"]


def test_a_file_that_is_there_is_not_asked_for(target):
    target.parent.mkdir()
    target.write_bytes(b"here")
    with offered(CONTENT) as offer:
        download(offer.address, target)
    assert (target.read_bytes(), offer.asked, names(target)) == (b"here", [], ["file.bin"])


def test_a_transfer_that_breaks_is_gone_on_with_where_it_broke(target):
    with offered(CONTENT, breaks=[1000, 3000]) as offer:
        download(offer.address, target)
    assert target.read_bytes() == CONTENT
    assert offer.asked == ["", "bytes=1000-", "bytes=4000-"]


def test_a_later_call_goes_on_with_what_an_earlier_one_left(target):
    with offered(CONTENT, breaks=[1000, 0]) as offer:
        with pytest.raises(DownloadFailed, match=r"ended after 1000 of 10240 bytes; 1000 bytes are kept"):
            download(offer.address, target)
        assert names(target) == ["file.bin.part", "file.bin.part.version"]
        download(offer.address, target)
    assert offer.asked == ["", "bytes=1000-", "bytes=1000-"]
    assert target.read_bytes() == CONTENT
    assert names(target) == ["file.bin"]


def test_the_rest_of_another_version_is_never_joined_to_what_is_there(target):
    with offered(CONTENT, breaks=[1000, 0]) as offer:
        with pytest.raises(DownloadFailed):
            download(offer.address, target)
        offer.content, offer.version = CONTENT[::-1], '"v2"'
        download(offer.address, target)
    assert target.read_bytes() == CONTENT[::-1]


def test_without_a_version_a_broken_transfer_begins_anew(target):
    with offered(CONTENT, version="", breaks=[1000, 0]) as offer:
        with pytest.raises(DownloadFailed) as error:
            download(offer.address, target)
        assert "kept" not in str(error.value)
        assert names(target) == []
        download(offer.address, target)
    assert offer.asked == ["", "", ""]
    assert target.read_bytes() == CONTENT


def test_what_is_longer_than_the_file_begins_anew(target):
    target.parent.mkdir()
    (target.parent / "file.bin.part").write_bytes(CONTENT * 2)
    (target.parent / "file.bin.part.version").write_text('"v1"')
    with offered(CONTENT) as offer:
        download(offer.address, target)
    assert target.read_bytes() == CONTENT


def test_a_server_that_breaks_every_transfer_is_not_asked_for_ever(target):
    with (
        offered(CONTENT, breaks=[10] * 50) as offer,
        pytest.raises(DownloadFailed, match="50 bytes are kept"),
    ):
        download(offer.address, target)
    assert len(offer.asked) == ATTEMPTS


def test_a_file_that_is_refused_is_deleted(target):
    with offered(b"<html>") as offer, pytest.raises(DownloadFailed, match="did not give the scans: a page"):
        download(
            offer.address,
            target,
            lambda part: "a page" if b"<html>" in part.read_bytes() else "",
            "the scans",
        )
    assert names(target) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/x", "cannot download http://127.0.0.1:9/x: .*refused"),
        ("ftp://127.0.0.1/x", "begins with https://"),
        ("/etc/hostname", "begins with https://"),
    ],
)
def test_an_address_that_cannot_be_used_leaves_nothing(target, url, words):
    with pytest.raises(DownloadFailed, match=words):
        download(url, target)
    assert not target.parent.exists() or names(target) == []


def test_a_file_of_this_machine_is_copied(target, tmp_path):
    (tmp_path / "there.bin").write_bytes(CONTENT)
    download((tmp_path / "there.bin").as_uri(), target)
    assert target.read_bytes() == CONTENT


def test_of_several_that_want_a_file_one_downloads_it(target):
    with offered(CONTENT) as offer:
        several = [threading.Thread(target=download, args=(offer.address, target)) for _ in range(4)]
        for one in several:
            one.start()
        for one in several:
            one.join()
    assert offer.asked == [""]
    assert target.read_bytes() == CONTENT
    assert names(target) == ["file.bin"]


def test_a_small_page_is_read_at_once():
    with offered(b"{}") as offer:
        assert read(offer.address) == b"{}"
    with pytest.raises(DownloadFailed, match="cannot read http://127"):
        read("http://127.0.0.1:9/x")


def test_importing_it_loads_no_torch():
    code = "import sys, promptreg.download; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("url", ["https://me:hunter2@example.org/a.zip", "http://hunter2@example.org"])
def test_an_address_with_a_password_is_refused_and_shown_nowhere(target, url, caplog):
    for call in (lambda: download(url, target), lambda: read(url)):
        with pytest.raises(DownloadFailed, match=r"from example\.org: its address holds") as error:
            call()
        assert "hunter2" not in str(error.value) + caplog.text
    assert not target.parent.exists()
