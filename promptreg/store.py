"""The one writer and reader of zarr stores: complete or absent, signed, checksummed.

A store is a directory of zarr groups (one per image or pair) and `signature.json`, which is written
last, inside a temporary sibling that is then renamed. Chunks carry a CRC-32C; the signature lists
every file with its size and every metadata file with its hash, because zarr reads a missing chunk
as fill values without a word.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec

from promptreg.provenance import Signature, versions

SIGNATURE = "signature.json"
_UNCOMPRESSED = {"features"}


class StoreError(RuntimeError):
    """A store that is absent, incomplete, damaged, or made from something else."""


class Writer:
    """Adds groups to a store that is being created."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(
        self, group: str, variables: Mapping[str, tuple[tuple[str, ...], np.ndarray]], /, **attrs: Any
    ) -> None:
        """Write one group: `variables` maps a name to (dimension names, array); `attrs` must be JSON."""
        dataset = xr.Dataset({name: (dims, np.asarray(array)) for name, (dims, array) in variables.items()})
        dataset.attrs = {"status": "ok", "reason": "", **attrs}
        encoding = {name: _encoding(str(name), variable) for name, variable in dataset.data_vars.items()}
        dataset.to_zarr(
            self._root, group=group, mode="w", encoding=encoding, consolidated=False, zarr_format=3
        )

    def fail(self, group: str, reason: str, status: str = "failed", /, **attrs: Any) -> None:
        """Record that a pair or image has no result, and why."""
        self.put(group, {}, **{**attrs, "status": status, "reason": reason})


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
        return dict(zarr.open_group(self.path, mode="r", path=group).attrs)

    def get(self, group: str) -> xr.Dataset:
        """Read a group into memory. Raises StoreError where a chunk fails its checksum."""
        self._check(group)
        try:
            with xr.open_zarr(self.path, group=group, consolidated=False, chunks=None) as dataset:
                return dataset.load()
        except Exception as error:
            msg = f"store {self.path}, group {group}: {error}; delete the store and run again"
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
        zarr.create_group(temporary, zarr_format=3)
        yield Writer(temporary)
        _seal(temporary, signature)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def open_store(path: str | Path, kind: str | None = None) -> Store:
    """Open a complete store and check that no file is missing, cut short or altered in its metadata."""
    path = Path(path)
    try:
        record = json.loads((path / SIGNATURE).read_text())
        store, files, sealed = Store(path, record), record["files"].items(), record["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"store {path}: no readable {SIGNATURE} ({error}); delete the store and run again"
        raise StoreError(msg) from error
    for name, (size, digest) in files:
        _verify(path, name, size, digest)
    if store.signature.digest != sealed:
        msg = f"store {path}: {SIGNATURE} was altered after it was written; delete the store and run again"
        raise StoreError(msg)
    if kind is not None and store.signature.kind != kind:
        msg = f"store {path}: expected kind '{kind}', found '{store.signature.kind}'"
        raise StoreError(msg)
    return store


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
    """One chunk an array (few files); features stay uncompressed, since compression hardly shrinks them."""
    checksum = Crc32cCodec()
    compressors = [checksum] if name in _UNCOMPRESSED else [ZstdCodec(level=3), checksum]
    encoding: dict[str, Any] = {"compressors": compressors}
    if variable.ndim and variable.size:
        encoding["chunks"] = variable.shape
    return encoding


def _seal(root: Path, signature: Signature) -> None:
    files: dict[str, tuple[int, str]] = {}
    for file in sorted(root.rglob("*")):
        if file.is_file():
            digest = _sha256(file) if file.name == "zarr.json" else ""
            files[str(file.relative_to(root))] = (file.stat().st_size, digest)
    groups = sorted(one.parent.name for one in root.glob("*/zarr.json"))
    record = {
        "signature": {name: getattr(signature, name) for name in ("kind", "params", "inputs", "code")},
        "digest": signature.digest,
        "versions": versions(),
        "groups": groups,
        "files": files,
    }
    with (root / SIGNATURE).open("w") as handle:
        json.dump(record, handle, indent=1, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())


def _verify(path: Path, name: str, size: int, digest: str) -> None:
    file = path / name
    found = file.stat().st_size if file.is_file() else None
    if found != size:
        state = "missing" if found is None else f"{found} bytes"
        msg = f"store {path}: {name} should have {size} bytes, found {state}; delete the store and run again"
        raise StoreError(msg)
    if digest and _sha256(file) != digest:
        msg = f"store {path}: {name} was altered after it was written; delete the store and run again"
        raise StoreError(msg)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
