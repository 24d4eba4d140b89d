"""A table of released weights for tests, its cache, and a server that offers a folder."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from promptreg.checkpoint_table import CACHE_VARIABLE, COLUMNS, TABLE_VARIABLE
from promptreg.licences import ACCEPT_VARIABLE

NOWHERE = "http://127.0.0.1:9"
PAYLOAD = b"PK weights"


def row(**changes: str) -> dict[str, str]:
    """The row 'tiny' of PAYLOAD, with changes."""
    plain = {
        "name": "tiny",
        "file": "tiny.pth",
        "url": f"{NOWHERE}/tiny.pth",
        "bytes": str(len(PAYLOAD)),
        "sha256": hashlib.sha256(PAYLOAD).hexdigest(),
        "licence": "CC0",
        "accept": "",
        "key": "",
        "trained_on": "nothing",
    }
    return plain | changes


def unpublished(**changes: str) -> dict[str, str]:
    """The row 'tiny' of a file whose size and hash nobody states."""
    return row(**{"bytes": "", "sha256": ""} | changes)


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, *rows: dict[str, str]) -> Path:
    """Make a table of these rows the one that counts, and an empty folder the cache; returns the folder."""
    lines = ["\t".join(COLUMNS), *("\t".join(one[name] for name in COLUMNS) for one in rows)]
    (folder / "table.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    monkeypatch.setenv(TABLE_VARIABLE, str(folder / "table.tsv"))
    monkeypatch.setenv(CACHE_VARIABLE, str(cache))
    monkeypatch.delenv(ACCEPT_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return cache


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Offer the files of a folder on this machine; gives the address."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Silent, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
