import hashlib
import io
import stat
import subprocess
import sys
import tarfile
import zipfile

import pytest

from promptreg import unpack as module
from promptreg.unpack import Unpacked, UnsafeArchive, unpack


@pytest.fixture
def folder(tmp_path):
    """An empty folder to unpack into, beside a file that must stay as it is."""
    (tmp_path / "secret").write_text("untouched")
    inside = tmp_path / "inside"
    inside.mkdir()
    return inside


def zipped(folder, *entries, name="a.zip"):
    """A zip file of (name, content); a name may be a ZipInfo."""
    path = folder.parent / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return path


def tarred(folder, *members, name="a.tar.gz"):
    """A tar file of (name, content), or of a TarInfo without content."""
    path = folder.parent / name
    with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def files(folder):
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("make", [zipped, tarred])
def test_files_come_out_as_they_went_in_with_size_and_hash(folder, make):
    archive = make(folder, ("Train/1/a.dcm", b"abc"), ("Train/b.png", b""))
    assert unpack(archive, folder) == [
        Unpacked("Train/1/a.dcm", 3, hashlib.sha256(b"abc").hexdigest()),
        Unpacked("Train/b.png", 0, hashlib.sha256(b"").hexdigest()),
    ]
    assert files(folder) == {"Train/1/a.dcm", "Train/b.png"}
    assert (folder / "Train/1/a.dcm").read_bytes() == b"abc"


def test_outer_folders_are_left_out_if_asked_and_so_is_what_a_mac_adds(folder):
    archive = zipped(
        folder,
        ("repo-1/labels/x", b"1"),
        ("repo-1/README", b"2"),
        ("top", b"3"),
        ("__MACOSX/repo-1/._x", b"4"),
    )
    unpack(archive, folder, strip=1)
    assert files(folder) == {"labels/x", "README"}


def test_folders_without_files_and_a_plain_tar_are_read(folder):
    directory = tarfile.TarInfo("empty")
    directory.type = tarfile.DIRTYPE
    unpack(tarred(folder, directory, ("a/b", b"x"), name="a.tar"), folder)
    assert files(folder) == {"a/b"}


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "a/../../secret",
        "/tmp/secret",
        "..\\secret",
        "C:\\secret",
        "a/..",
        "\\\\host\\x",
        "a\x1b",
    ],
)
def test_nothing_is_written_outside_the_folder(folder, make, name):
    with pytest.raises(UnsafeArchive, match="would lie outside the folder"):
        unpack(make(folder, ("good", b"1"), (name, b"evil")), folder)
    assert (folder.parent / "secret").read_text() == "untouched"
    assert files(folder) <= {"good"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_of_a_tar_are_refused(folder, kind):
    link = tarfile.TarInfo("link")
    link.type, link.linkname = kind, "../secret"
    with pytest.raises(UnsafeArchive, match="'link' is a link or device"):
        unpack(tarred(folder, link, ("link/x", b"evil")), folder)
    assert not any(folder.iterdir())


def test_links_of_a_zip_are_refused(folder):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(UnsafeArchive, match="'link' is a link or device"):
        unpack(zipped(folder, (link, "../secret")), folder)
    assert not any(folder.iterdir())


@pytest.mark.parametrize("make", [zipped, tarred])
def test_what_unpacks_to_a_multiple_of_its_size_is_refused_before_it_is_written(folder, make):
    archive = make(folder, *((f"zeros{n}", bytes(2_000_000)) for n in range(4)))
    assert archive.stat().st_size < 60_000
    with pytest.raises(UnsafeArchive, match=rf"{archive.name}: unpacks to .* times its size"):
        unpack(archive, folder)
    assert sum(one.stat().st_size for one in folder.rglob("*")) <= 200 * archive.stat().st_size


def test_what_is_more_than_the_disk_holds_is_refused(folder, monkeypatch):
    monkeypatch.setattr(module, "SPARED_BYTES", 1 << 62)
    with pytest.raises(UnsafeArchive, match="more than the disk holds"):
        unpack(zipped(folder, ("a", b"1")), folder)


def test_too_many_files_are_refused(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_FILES", 3)
    with pytest.raises(UnsafeArchive, match="in 4 files"):
        unpack(zipped(folder, *((f"f{n}", b"1") for n in range(5))), folder)


def test_a_zip_that_lies_about_the_size_of_a_file_is_refused(folder):
    archive = zipped(folder, ("a", b"x" * 1000))
    content = archive.read_bytes()
    archive.write_bytes(content.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(UnsafeArchive):
        unpack(archive, folder)


def test_two_files_of_one_name_are_refused(folder):
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = zipped(folder, ("a", b"1"), ("a", b"2"))
    with pytest.raises(UnsafeArchive, match="'a' is there already"):
        unpack(archive, folder)
    with pytest.raises(UnsafeArchive, match="is there already"):
        unpack(tarred(folder, ("b", b"1"), ("b/c", b"2")), folder)


def test_a_damaged_or_empty_archive_is_named_with_what_to_do(folder):
    whole = zipped(folder, ("a", bytes(range(256)) * 50)).read_bytes()
    damaged = bytearray(whole)
    damaged[40:60] = bytes(20)
    for content in (bytes(damaged), whole[:-30], b"<html>", b""):
        (folder.parent / "d.zip").write_bytes(content)
        with pytest.raises(UnsafeArchive, match=r"d\.zip: cannot be unpacked.* download it again"):
            unpack(folder.parent / "d.zip", folder)
    with pytest.raises(UnsafeArchive, match="holds no files"):
        unpack(zipped(folder), folder)
    gzipped = tarred(folder, ("a", bytes(range(256)) * 50))
    gzipped.write_bytes(gzipped.read_bytes()[:-40])
    with pytest.raises(UnsafeArchive, match=r"a\.tar\.gz"):
        unpack(gzipped, folder)


def test_a_folder_that_cannot_be_written_is_no_fault_of_the_archive(folder):
    with pytest.raises(OSError, match="exists"):
        unpack(zipped(folder, ("a", b"1")), folder.parent / "secret")


def test_importing_it_loads_no_torch():
    code = "import sys, promptreg.unpack; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
