"""The one writer and reader of zarr stores: complete or absent, signed, checksummed, three inodes each.

A store is a folder of two files: `data.zip`, a zarr store in an uncompressed zip archive with one group an
image or pair, and `signature.json`, which is written last. Both are written in a temporary sibling that is
then renamed. Every chunk and every metadata file carries a CRC-32; the signature lists all of them, because
zarr reads a missing chunk as fill values without a word.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore, ZipStore

from promptreg.provenance import Signature, versions

SIGNATURE = "signature.json"
DATA = "data.zip"
_META = "zarr.json"
_UNCOMPRESSED = {"features"}
_REMEDY = "delete the store and run again"


class StoreError(RuntimeError):
    """A store that is absent, incomplete, damaged, or made from something else."""


class Writer:
    """Adds groups to a store that is being created."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.reasons: dict[str, tuple[str, str]] = {}
        """Status and reason of the groups without a result."""
        root: dict[str, Any] = {}
        zarr.create_group(MemoryStore(root), zarr_format=3)
        self._add(_META, root[_META])

    def put(
        self, group: str, variables: Mapping[str, tuple[tuple[str, ...], np.ndarray]], /, **attrs: Any
    ) -> None:
        """Write one group: `variables` maps a name to (dimension names, array); `attrs` must be JSON."""
        dataset = xr.Dataset({name: (dims, np.asarray(array)) for name, (dims, array) in variables.items()})
        dataset.attrs = {"status": "ok", "reason": "", **attrs}
        encoding = {name: _encoding(str(name), variable) for name, variable in dataset.data_vars.items()}
        parts: dict[str, Any] = {}
        dataset.to_zarr(
            MemoryStore(parts), group=group, mode="w", encoding=encoding, consolidated=False, zarr_format=3
        )
        for name in sorted(parts):
            if name != _META:
                self._add(name, parts[name])
        if dataset.attrs["status"] != "ok":
            self.reasons[group] = (dataset.attrs["status"], dataset.attrs["reason"])

    def fail(self, group: str, reason: str, status: str = "failed", /, **attrs: Any) -> None:
        """Record that a pair or image has no result, and why."""
        self.put(group, {}, **{**attrs, "status": status, "reason": reason})

    def _add(self, name: str, content: Any) -> None:
        """Add a file, dated as no file is, so that equal groups give equal bytes."""
        self._archive.writestr(zipfile.ZipInfo(name), content.to_bytes())


class Store:
    """A complete store, opened for reading."""

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self.signature = Signature(**record["signature"])
        self.versions: dict[str, str] = record["versions"]
        self.groups: list[str] = record["groups"]

    def attrs(self, group: str) -> dict[str, Any]:
        """Return a group's attributes; `status` and `reason` are always among them."""
        self._check(group)
        try:
            with zipfile.ZipFile(self.path / DATA) as archive:
                found: dict[str, Any] = json.loads(archive.read(f"{group}/{_META}"))["attributes"]
        except Exception as error:
            msg = f"store {self.path}, group {group}: {error}; {_REMEDY}"
            raise StoreError(msg) from error
        return found

    def get(self, group: str) -> xr.Dataset:
        """Read a group into memory. Raises StoreError where a chunk fails its checksum."""
        self._check(group)
        try:
            with (
                closing(ZipStore(self.path / DATA, mode="r")) as data,
                xr.open_zarr(data, group=group, consolidated=False, chunks=None) as dataset,
            ):
                return dataset.load()
        except Exception as error:
            msg = f"store {self.path}, group {group}: {error}; {_REMEDY}"
            raise StoreError(msg) from error

    def _check(self, group: str) -> None:
        if group not in self.groups:
            msg = f"store {self.path} has no group '{group}'; it holds {', '.join(self.groups) or 'none'}"
            raise StoreError(msg)


@contextmanager
def create(path: str | Path, signature: Signature) -> Iterator[Writer]:
    """Create a store at `path`; on leaving without error it appears there at once, otherwise nothing does.

    An existing complete store with the same signature is replaced; one with another signature raises
    StoreError, so that no result is lost by a mistyped path. What a killed writer of this path left is
    removed, so a path has one writer at a time.
    """
    path = Path(path)
    if path.exists():
        _refuse_foreign(path, signature)
    path.parent.mkdir(parents=True, exist_ok=True)
    for orphan in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        shutil.rmtree(orphan, ignore_errors=True)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.partial"
    temporary.mkdir()
    try:
        with (temporary / DATA).open("xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                writer = Writer(archive)
                yield writer
            _flush(file)
        _seal(temporary, signature, writer.reasons)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def open_store(path: str | Path, kind: str | None = None) -> Store:
    """Open a complete store and check that nothing is missing, cut short or altered in its metadata."""
    path = Path(path)
    record = read_record(path)
    try:
        store, listed, sealed = Store(path, record), record["files"], record["digest"]
    except (KeyError, TypeError) as error:
        msg = f"store {path}: no readable {SIGNATURE} ({error}); {_REMEDY}"
        raise StoreError(msg) from error
    _verify(path, listed)
    if store.signature.digest != sealed:
        msg = f"store {path}: {SIGNATURE} was altered after it was written; {_REMEDY}"
        raise StoreError(msg)
    if kind is not None and store.signature.kind != kind:
        msg = f"store {path}: expected kind '{kind}', found '{store.signature.kind}'"
        raise StoreError(msg)
    return store


def read_record(path: str | Path) -> dict[str, Any]:
    """Read the signature file alone: what a store was made from, its groups, and `reasons` of those that
    have no result. Looks at no data.
    """
    try:
        record = json.loads((Path(path) / SIGNATURE).read_text())
    except (OSError, ValueError) as error:
        msg = f"store {path}: no readable {SIGNATURE} ({error}); {_REMEDY}"
        raise StoreError(msg) from error
    if not isinstance(record, dict):
        msg = f"store {path}: no readable {SIGNATURE} (expected an object); {_REMEDY}"
        raise StoreError(msg)
    return record


def verify(path: str | Path) -> None:
    """Read everything in a store; StoreError that names what is damaged."""
    open_store(path)
    try:
        with zipfile.ZipFile(Path(path) / DATA) as archive:
            bad = archive.testzip()
    except Exception as error:
        msg = f"store {path}: {DATA} was damaged after it was written ({error}); {_REMEDY}"
        raise StoreError(msg) from error
    if bad is not None:
        msg = f"store {path}: {bad} was altered after it was written; {_REMEDY}"
        raise StoreError(msg)


def require(store: Store, **params: Any) -> None:
    """Raise StoreError unless the store was made with these parameters."""
    for key, wanted in params.items():
        found = store.signature.params.get(key)
        if found != wanted:
            msg = f"store {store.path}: made with {key}={found!r}, needed {wanted!r}; delete it and run again"
            raise StoreError(msg)


def _refuse_foreign(path: Path, signature: Signature) -> None:
    found = open_store(path).signature
    if found.digest != signature.digest:
        msg = (
            f"{path} already holds a '{found.kind}' store made from other inputs or settings; "
            "delete it or choose another path"
        )
        raise StoreError(msg)


def _encoding(name: str, variable: xr.DataArray) -> dict[str, Any]:
    """One chunk an array; features stay uncompressed, since compression hardly shrinks them."""
    checksum = Crc32cCodec()
    compressors = [checksum] if name in _UNCOMPRESSED else [ZstdCodec(level=3), checksum]
    encoding: dict[str, Any] = {"compressors": compressors}
    if variable.ndim and variable.size:
        encoding["chunks"] = variable.shape
    return encoding


def _seal(root: Path, signature: Signature, reasons: Mapping[str, tuple[str, str]]) -> None:
    with zipfile.ZipFile(root / DATA) as archive:
        files = {one.filename: (one.file_size, one.CRC) for one in archive.infolist()}
    record = {
        "signature": {name: getattr(signature, name) for name in ("kind", "params", "inputs", "code")},
        "digest": signature.digest,
        "versions": versions(),
        "groups": sorted(name.split("/")[0] for name in files if name.count("/") == 1),
        "reasons": dict(reasons),
        "files": files,
    }
    with (root / SIGNATURE).open("w") as handle:
        json.dump(record, handle, indent=1, sort_keys=True)
        _flush(handle)


def _flush(handle: Any) -> None:
    """Have the kernel put a file on the disk before it gets its name: a crash must not leave it empty."""
    handle.flush()
    os.fsync(handle.fileno())


def _verify(path: Path, listed: Mapping[str, list[int]]) -> None:
    """Compare the archive with what was listed, and read all metadata, which checks their CRC."""
    try:
        with zipfile.ZipFile(path / DATA) as archive:
            found = {one.filename: [one.file_size, one.CRC] for one in archive.infolist()}
            for name in listed:
                if name.endswith(_META) and found.get(name) == listed[name]:
                    archive.read(name)
    except Exception as error:  # whatever a flipped bit makes the reader stumble over
        msg = f"store {path}: {DATA} was damaged after it was written ({error}); {_REMEDY}"
        raise StoreError(msg) from error
    for name, expected in listed.items():
        if found.get(name) != expected:
            state = "altered after it was written" if name in found else "missing"
            msg = f"store {path}: {name} is {state}; {_REMEDY}"
            raise StoreError(msg)
