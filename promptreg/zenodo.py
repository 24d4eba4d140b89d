"""Find a file in a record of Zenodo by a pattern of its name, as the record's page for programs lists it.

For records whose file names are not known here. Imports no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from promptreg.download import DownloadFailed, read
from promptreg.tsv import PLAIN


@dataclass(frozen=True)
class RecordFile:
    """A file of a record; `md5` is "" where the record states no such hash."""

    name: str
    url: str
    n_bytes: int
    md5: str

    def defect(self, file: Path) -> str:
        """Return what is wrong with a downloaded file by size and hash, "" if nothing."""
        if file.stat().st_size != self.n_bytes:
            return f"{file} has {file.stat().st_size} bytes, the record states {self.n_bytes}"
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if self.md5 and found != self.md5:
            return f"{file} has the md5 {found}, the record states {self.md5}"
        return ""


def file_in_record(address: str, pattern: str, taken: Collection[str] = ()) -> RecordFile:
    """Return the one file of the record at `address` (.../api/records/N) that matches a pattern.

    Files in `taken` are left out.

    Raises:
        DownloadFailed: no answer, no record, or not exactly one such file; lists what the record holds.
    """
    try:
        listed = [_file(entry) for entry in json.loads(read(address))["files"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DownloadFailed(f"{address} is no record of Zenodo: {type(error).__name__} {error}") from None
    found = [one for one in listed if fnmatchcase(one.name, pattern) and one.name not in taken]
    if len(found) != 1 or not PLAIN.fullmatch(found[0].name):
        names = ", ".join(one.name for one in listed) or "nothing"
        raise DownloadFailed(f"{address}: {len(found)} files are '{pattern}', expected one; it holds {names}")
    return found[0]


def _file(entry: dict[str, object]) -> RecordFile:
    """One entry of the list: key, size, checksum "md5:...", links.self."""
    links = entry["links"]
    if not isinstance(links, dict):
        raise TypeError("links")
    kind, _, digest = str(entry.get("checksum", "")).partition(":")
    return RecordFile(
        str(entry["key"]), str(links["self"]), int(str(entry["size"])), digest if kind == "md5" else ""
    )
