"""Write the groups of a store in a thread, while the next one is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np

from promptreg.store import Writer

Variables = Mapping[str, tuple[tuple[str, ...], np.ndarray]]


class OverlappedWriter(Writer):
    """Takes groups as `Writer` does, and has them written in order; arrays must not change any more.

    An error of writing is raised by the next call, or at the latest where `overlapped` is left; after one
    nothing more is written.
    """

    def __init__(self, writer: Writer, waiting: int) -> None:
        self._writer = writer
        self._groups: Queue[tuple[str, Variables, dict[str, Any]] | None] = Queue(waiting)
        self._error: BaseException | None = None
        self._abandoned = False
        # A daemon: where an interrupt keeps it from being joined, it must not keep the process alive.
        self._thread = Thread(target=self._write, name="store writer", daemon=True)
        self._thread.start()

    def put(self, group: str, variables: Variables, /, **attrs: Any) -> None:
        """Hand one group over; waits while as many as may wait do."""
        self._check()
        self._groups.put((group, variables, attrs))

    def finish(self) -> None:
        """Return when everything is written; raise what went wrong."""
        self._stop()
        self._check()

    def abandon(self) -> None:
        """Return when the thread has stopped; what waited is not written."""
        self._abandoned = True
        self._stop()

    def _stop(self) -> None:
        self._groups.put(None)
        self._thread.join()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _write(self) -> None:
        """Write until told to stop; after an error take what comes all the same, so that no one waits."""
        while (item := self._groups.get()) is not None:
            if self._error is not None or self._abandoned:
                continue
            group, variables, attrs = item
            try:
                self._writer.put(group, variables, **attrs)
            except BaseException as error:
                self._error = error


@contextmanager
def overlapped(writer: Writer, *, waiting: int = 1) -> Iterator[OverlappedWriter]:
    """Write in a thread what is put; on leaving without error everything is written, or its error raised.

    At most `waiting` groups wait in memory beside the one that is being written. To be used inside
    `store.create`, so that the store is sealed or removed after the thread has ended.

    >>> with create(path, signature) as writer, overlapped(writer) as behind:  # doctest: +SKIP
    ...     behind.put("image.view0", variables)
    """
    behind = OverlappedWriter(writer, waiting)
    try:
        yield behind
    except BaseException:
        behind.abandon()
        raise
    behind.finish()
