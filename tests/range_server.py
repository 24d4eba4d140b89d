"""A server of one file that can be asked for a rest, and that breaks transfers off on demand."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Offer:
    """What the server gives: `breaks` has the number of bytes after which each next transfer ends early."""

    content: bytes
    version: str = '"v1"'
    breaks: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    address: str = ""


@contextmanager
def offered(content: bytes, **settings: object) -> Iterator[Offer]:
    """Serve `content` at `address`; `asked` lists the ranges of all requests, "" for the whole file."""
    offer = Offer(content, **settings)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            offer.asked.append(wanted)
            current = not wanted or self.headers.get("If-Range") == offer.version
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and current else 0
            if start >= len(offer.content) > 0:
                self.send_error(416)
                return
            body = offer.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(offer.content) - 1}/{len(offer.content)}"
                )
            if offer.version:
                self.send_header("ETag", offer.version)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: offer.breaks.pop(0)] if offer.breaks else body)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        offer.address = f"http://127.0.0.1:{server.server_port}/file.bin"
        yield offer
        server.shutdown()
