"""Published data sets on this machine: where they lie, how they get there, or what a user must do.

Each lies in a folder of its name below one root, `$PROMPTREG_DATA` or `data`; its archives, downloaded or put
there by hand, in `archives/<name>` below the root. A data set is there whole or not at all: archives are
unpacked beside it and checked by its reader first. Nothing is downloaded unless `fetch` is called. Imports no
torch.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from promptreg.datasets.base import DatasetReader
from promptreg.download import DownloadFailed, download
from promptreg.file_list import write_list
from promptreg.licences import accepted, record, refusal
from promptreg.registry import find
from promptreg.source_table import Archive, Source, find_source
from promptreg.trust import trusted_hash
from promptreg.unpack import Unpacked, unpack
from promptreg.zenodo import file_in_record

DATA_VARIABLE = "PROMPTREG_DATA"


class DataUnavailable(RuntimeError):
    """A data set is not here and cannot be got without the user; the message says what to do."""


def data_root() -> Path:
    """Return the folder below which published data sets lie."""
    return Path(os.environ.get(DATA_VARIABLE, "data")).expanduser()


def archives_folder(name: str, root: Path) -> Path:
    """Return where the archives of a data set lie, or are put by hand."""
    return root / "archives" / name


def is_present(folder: Path) -> bool:
    """Say whether there is a folder that holds anything; `promptreg.data_check` looks closer."""
    return folder.is_dir() and any(not one.name.startswith(".") for one in folder.iterdir())


def open_reader(source: Source, folder: Path) -> DatasetReader:
    """Open a folder with the reader of a data set."""
    reader: DatasetReader = find("dataset", source.reader).load()(str(folder))
    return reader


def obstacle(source: Source, root: Path, accept: Collection[str] = ()) -> str:
    """Say what a user must do before `fetch` can get a data set, "" if nothing."""
    absent = [one for one, file in local_archives(source, root).items() if file is None]
    if not source.archives or any(not one.url for one in absent):
        return f"'{source.name}' is not here and not to be downloaded: {instructions(source, root)}"
    if absent and not accepted(source, accept):
        return f"'{source.name}' is not here, and {refusal(source)}. Licence and terms: {source.record}"
    return ""


def instructions(source: Source, root: Path) -> str:
    """Say how a user gets a data set by hand, and where it goes."""
    layout = find("dataset", source.reader).load().layout
    where = f" ({source.record})" if source.record else ""
    unpacked = f"put into {root / source.name} {layout}"
    if not source.archives:
        return f"{source.obtain}{where}; then {unpacked}"
    files = ", ".join(one.file for one in source.archives)
    return (
        f"{source.obtain}{where}; then put {files} into {archives_folder(source.name, root)} and run "
        f"`{source.fetch_command}`, or {unpacked}"
    )


def fetch(name: str, root: Path, *, accept: bool = False) -> Path:
    """Bring a data set to its folder unless it is there, and return the folder.

    `accept` says that the user agrees to the licence of the data, which is remembered.

    Raises:
        DataUnavailable: it is not to be downloaded, its licence is not accepted, or a download fails.
        ValueError: a wrong hash, an archive that is damaged or unsafe, or one of something else.
    """
    source, folder = find_source(name), root / name
    if accept and source.accept:
        record(source)
    if is_present(folder):
        return folder
    if todo := obstacle(source, root):
        raise DataUnavailable(todo)
    with _alone(archives_folder(name, root)):
        if not is_present(folder):
            _unpack_all(source, root)
    return folder


def local_archives(source: Source, root: Path) -> dict[Archive, Path | None]:
    """Return the files of a data set that are here; a file is taken by the first row that it matches."""
    place = archives_folder(source.name, root)
    here = sorted(one.name for one in place.iterdir() if one.is_file()) if place.is_dir() else []
    found: dict[Archive, Path | None] = {}
    for archive in source.archives:
        name = next((one for one in here if fnmatchcase(one, archive.file)), None)
        if name is not None:
            here.remove(name)
        found[archive] = None if name is None else place / name
    return found


def _unpack_all(source: Source, root: Path) -> None:
    """Get all archives, unpack them together, check the layout, and give the folder its name."""
    for orphan in root.glob(f".unpacking-{source.name}-*"):
        shutil.rmtree(orphan)
    archives = [(one, _archive(one, source, root)) for one in source.archives]
    staging = root / f".unpacking-{source.name}-{uuid.uuid4().hex[:8]}"
    staging.mkdir(parents=True)
    try:
        files: list[Unpacked] = []
        for archive, file in archives:
            inner = staging / archive.into
            prefix = f"{archive.into}/" if archive.into else ""
            files += [
                Unpacked(f"{prefix}{one.place}", one.n_bytes, one.sha256)
                for one in unpack(file, inner, strip=archive.strip)
            ]
        _check_layout(source, staging)
        write_list(staging, sorted(files, key=lambda one: one.place))
        staging.replace(root / source.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_layout(source: Source, staging: Path) -> None:
    try:
        open_reader(source, staging).pairs()
    except (ValueError, OSError) as error:
        held = ", ".join(sorted(one.name for one in staging.iterdir()))
        reason = str(error).replace(str(staging), source.name)
        msg = f"the archives of '{source.name}' do not hold the published layout, but {held}: {reason}"
        raise ValueError(msg) from error


def _archive(archive: Archive, source: Source, root: Path) -> Path:
    """The file of an archive, downloaded if it is not here, after its hash has been checked."""
    file = local_archives(source, root)[archive] or _download(archive, source, root)
    if archive.n_bytes is not None and file.stat().st_size != archive.n_bytes:
        msg = f"{file} has {file.stat().st_size} bytes, expected {archive.n_bytes}; delete it"
        raise ValueError(f"{msg}, then {instructions(source, root)}")
    trusted_hash(file, archive.sha256, name=file.name, remedy=instructions(source, root))
    return file


def _download(archive: Archive, source: Source, root: Path) -> Path:
    """Download an archive; the name, size and hash of one known by a pattern are those of its record."""
    place = archives_folder(source.name, root)
    try:
        if archive.is_pattern:
            taken = [one.name for one in local_archives(source, root).values() if one]
            stated = file_in_record(archive.url, archive.file, taken)
            download(stated.url, place / stated.name, stated.defect, stated.name)
            return place / stated.name
        download(archive.url, place / archive.file, lambda part: _defect(archive, part), archive.file)
    except DownloadFailed as error:
        raise DataUnavailable(f"{error}; or by hand: {instructions(source, root)}") from error
    return place / archive.file


def _defect(archive: Archive, file: Path) -> str:
    """What is wrong with a downloaded archive by its size, "" if nothing."""
    n_bytes = file.stat().st_size
    if archive.n_bytes is not None and n_bytes != archive.n_bytes:
        return f"{n_bytes} bytes came, expected {archive.n_bytes}"
    with file.open("rb") as stream:
        first = stream.read(15)
    return f"a page came, it begins with {first!r}" if first.lstrip()[:1] == b"<" else ""


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from the archives of a data set."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".waiting").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
