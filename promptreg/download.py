"""Download a file so that a broken transfer is gone on with, and the file is there whole or not at all.

What has arrived lies beside the target as `<name>.part`; `<name>.part.version` says which version of the
file it is of, so that the rest of another version is never joined to it. One process downloads a file, others
wait for it. Imports no torch.
"""

from __future__ import annotations

import fcntl
import http.client
import logging
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

log = logging.getLogger("promptreg")

ATTEMPTS = 5
PATIENCE_S = 60.0
SCHEMES = ("http://", "https://", "file://")


class DownloadFailed(RuntimeError):
    """A file did not arrive, or something else did; the message says which address and what went wrong."""


def download(
    url: str, target: Path, check: Callable[[Path], str] = lambda _: "", what: str = "the file"
) -> None:
    """Bring the file at `url` to `target` unless it is there.

    `check` says what is wrong with the whole file, "" if nothing; a file that it refuses is deleted, and
    the error says that `what` was not given.

    Raises:
        DownloadFailed: no answer, a broken transfer (what has arrived is kept), or `check` refuses the file.
    """
    _refuse_credentials(url)
    if not url.startswith(SCHEMES):
        raise DownloadFailed(f"cannot download {url}: expected an address that begins with https://")
    part = target.with_name(f"{target.name}.part")
    with _alone(part) as stream:
        if target.is_file():
            part.unlink()
            return
        try:
            _receive_all(url, stream, _version_of(part))
        except (OSError, http.client.HTTPException) as error:
            raise DownloadFailed(f"cannot download {url}: {error}{_kept(part)}") from error
        if problem := check(part):
            _forget(part)
            raise DownloadFailed(f"{url} did not give {what}: {problem}")
        os.fsync(stream.fileno())
        part.replace(target)
        _version_of(part).unlink(missing_ok=True)


def read(url: str) -> bytes:
    """Return what a small page holds; DownloadFailed if it does not answer."""
    _refuse_credentials(url)
    try:
        with _open(url) as answer:
            content: bytes = answer.read()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadFailed(f"cannot read {url}: {error}") from error
    return content


def _refuse_credentials(url: str) -> None:
    """Addresses stand in logs and messages: none may hold a password."""
    place = urllib.parse.urlsplit(url).netloc
    if "@" in place:
        host = place.rpartition("@")[2]
        raise DownloadFailed(
            f"cannot download from {host}: its address holds a user's name or password, which would stand in "
            "logs; download the file by hand, or from an address without"
        )


def _receive_all(url: str, stream: BinaryIO, version: Path) -> None:
    """Receive a file in as many attempts as it takes, as long as each brings something."""
    for attempt in range(1, ATTEMPTS + 1):
        before = stream.seek(0, os.SEEK_END)
        log.info("downloading %s%s", url, f", going on at byte {before}" if before else "")
        try:
            return _receive(url, stream, version)
        except (OSError, http.client.HTTPException) as error:
            arrived = stream.seek(0, os.SEEK_END)
            if attempt == ATTEMPTS or arrived <= before:
                raise
            log.warning("%s: %s; trying again", url, error)


def _receive(url: str, stream: BinaryIO, version: Path) -> None:
    """Append what is missing of a file; OSError if the transfer ends early."""
    have = stream.seek(0, os.SEEK_END)
    known = version.read_text(encoding="ascii") if have and version.is_file() else ""
    rest = {"Range": f"bytes={have}-", "If-Range": known} if known else {}
    try:
        answer = _open(url, rest)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise
        stream.truncate(0)
        answer = _open(url)
    with answer:
        goes_on = f"{answer.headers.get('Content-Range')}".startswith(f"bytes {have}-")
        if not goes_on:
            stream.truncate(0)
            have = 0
            version.write_text(_stated_version(answer.headers), encoding="ascii")
        length = answer.headers.get("Content-Length")
        shutil.copyfileobj(answer, stream, 1 << 20)
        stream.flush()
    arrived = stream.seek(0, os.SEEK_END)
    if length is not None and arrived - have != int(length):
        raise ConnectionError(f"the transfer ended after {arrived} of {have + int(length)} bytes")


def _stated_version(headers: http.client.HTTPMessage) -> str:
    """What the server calls this version of the file, "" if nothing by which a rest can be asked for."""
    tag = headers.get("ETag") or ""
    return tag if tag.startswith('"') else headers.get("Last-Modified") or ""


def _open(url: str, headers: Mapping[str, str] | None = None) -> Any:
    request = urllib.request.Request(url, headers={"User-Agent": "promptreg", **(headers or {})})
    return urllib.request.urlopen(request, timeout=PATIENCE_S)


def _kept(part: Path) -> str:
    """Say what is kept of a broken transfer; what cannot be gone on with is deleted."""
    version = _version_of(part)
    kept = part.stat().st_size
    if not kept or not version.is_file() or not version.read_text(encoding="ascii"):
        _forget(part)
        return ""
    return f"; {kept} bytes are kept, the same command goes on from there"


def _version_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version_of(part).unlink(missing_ok=True)


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """Open an unfinished file at its end, once no other process has it."""
    part.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with part.open("ab") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # Who had it before may have moved or deleted the file that is locked here.
            if part.exists() and part.stat().st_ino == os.fstat(stream.fileno()).st_ino:
                yield stream
                return
