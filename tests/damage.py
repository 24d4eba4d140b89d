"""How files are damaged in tests: a flipped bit in a file, or in one part of a store."""

from __future__ import annotations

import zipfile
from pathlib import Path

from promptreg.store import DATA

_HEADER = 30
"""Bytes of a local file header of a zip archive, before the name."""


def flip(file: Path, place: int) -> None:
    """Flip one bit of the byte at `place`."""
    data = bytearray(file.read_bytes())
    data[place] ^= 0b100
    file.write_bytes(bytes(data))


def flip_in_store(store: Path, name: str, place: int) -> None:
    """Flip one bit of a chunk or a metadata file of a store, `place` bytes after its beginning."""
    with zipfile.ZipFile(store / DATA) as archive:
        start = archive.getinfo(name).header_offset + _HEADER + len(name)
    flip(store / DATA, start + place)
