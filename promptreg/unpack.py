"""Unpack archives of strangers: nothing leaves the folder, and nothing fills the disk. Imports no torch.

Refused are absolute names, "..", links, devices, two files of one name, encrypted files, and archives that
unpack to more than `MOST_TIMES` their size or than the disk holds. A refused archive leaves what was
unpacked before it was refused: unpack into a folder that is thrown away then.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

MOST_TIMES = 200
"""Images and label maps hardly shrink to less than a hundredth; bombs shrink to a thousandth and less."""
SPARED_BYTES = 100_000_000
MOST_FILES = 2_000_000
JUNK = ("__MACOSX", ".DS_Store")

_DRIVE = re.compile(r"[A-Za-z]:")
_AGAIN = "delete it and download it again"
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError, NotImplementedError)


class UnsafeArchive(ValueError):
    """An archive that is damaged, or that must not be unpacked; the message names it and says why."""


@dataclass(frozen=True)
class Unpacked:
    """A file that was unpacked: its place below the folder, size and hash."""

    place: str
    n_bytes: int
    sha256: str


def unpack(archive: Path, folder: Path, *, strip: int = 0) -> list[Unpacked]:
    """Unpack a zip or tar file into a folder, less its `strip` outer folders; return what came out.

    Raises:
        UnsafeArchive: see the module.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with _opened(archive) as members:
            found = list(_unpacked(members, archive, folder, strip))
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(archive, error) from error
    except _DAMAGED as error:
        raise _damaged(archive, error) from error
    if not found:
        raise UnsafeArchive(f"{archive}: holds no files; {_AGAIN}")
    return found


def _unpacked(
    members: Iterator[tuple[str, int, IO[bytes]]], archive: Path, folder: Path, strip: int
) -> Iterator[Unpacked]:
    """Write all files, as long as they are not too many or too large together."""
    free = shutil.disk_usage(folder).free - SPARED_BYTES
    most = min(MOST_TIMES * archive.stat().st_size, free)
    total = 0
    for number, (name, n_bytes, stream) in enumerate(members):
        place = _place(name, strip, archive)
        if place is None:
            continue
        total += n_bytes
        if total > most or number >= MOST_FILES:
            limit = "more than the disk holds" if most == free else f"{MOST_TIMES} times its size and more"
            raise UnsafeArchive(f"{archive}: unpacks to {total} bytes or more in {number + 1} files: {limit}")
        yield _write(stream, folder, place, n_bytes, archive)


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[tuple[str, int, IO[bytes]]]]:
    """Name, stated size and content of every file of an archive."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            yield _zip_members(opened, archive)
    else:
        with tarfile.open(archive) as opened_tar:
            yield _tar_members(opened_tar, archive)


def _zip_members(opened: zipfile.ZipFile, archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    for member in opened.infolist():
        if member.is_dir():
            continue
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise UnsafeArchive(f"{archive}: '{member.filename}' is a link or device; not unpacked")
        with opened.open(member) as stream:
            yield member.filename, member.file_size, stream


def _tar_members(opened: tarfile.TarFile, archive: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    for member in opened:
        if member.isdir():
            continue
        stream = opened.extractfile(member) if member.isreg() else None
        if stream is None:
            raise UnsafeArchive(f"{archive}: '{member.name}' is a link or device; not unpacked")
        yield member.name, member.size, stream


def _place(name: str, strip: int, archive: Path) -> PurePosixPath | None:
    """Where a file goes below the folder, None for what is left out; UnsafeArchive if outside."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(name) or not name.isprintable():
        raise UnsafeArchive(f"{archive}: '{name!a}' would lie outside the folder; not unpacked")
    if any(part in JUNK or part.startswith("._") for part in path.parts):
        return None
    kept = path.parts[strip:]
    return PurePosixPath(*kept) if kept else None


def _write(stream: IO[bytes], folder: Path, place: PurePosixPath, n_bytes: int, archive: Path) -> Unpacked:
    """Write one file of a stated size."""
    target = folder / place
    digest, written = hashlib.sha256(), 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as output:
            while block := stream.read(1 << 20):
                written += len(block)
                if written > n_bytes:
                    raise UnsafeArchive(f"{archive}: '{place}' is longer than the {n_bytes} bytes it states")
                digest.update(block)
                output.write(block)
    except (FileExistsError, NotADirectoryError):
        raise UnsafeArchive(f"{archive}: '{place}' is there already; two files have one name") from None
    if written != n_bytes:
        raise UnsafeArchive(f"{archive}: '{place}' has {written} bytes, {n_bytes} are stated")
    return Unpacked(place.as_posix(), written, digest.hexdigest())


def _damaged(archive: Path, error: Exception) -> UnsafeArchive:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return UnsafeArchive(f"{archive}: cannot be unpacked: {reason.rstrip(':')}; {_AGAIN}")
