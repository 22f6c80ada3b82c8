"""Connections to readings.db that are kept between questions: opening one, reading the schema and its first pages costs a millisecond."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from joulemark.collector.store import schema

File = tuple[int, int]
"""Device and inode: what a path named when it was opened."""


class Readers:
    """Read-only connections to one file, each used by one thread at a time. Between two questions none is inside a transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[tuple[File, sqlite3.Connection]] = deque()

    @contextmanager
    def view(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the file that the path names now. Raises sqlite3.OperationalError when there is none."""
        file, connection = self._taken()
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._idle.append((file, connection))

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with suppress(IndexError):
            while True:
                self._idle.pop()[1].close()

    def __del__(self) -> None:
        self.close()

    def _taken(self) -> tuple[File, sqlite3.Connection]:
        """A connection inside a new view; one to a file that has been replaced since is closed."""
        now = file_of(self._path)
        with suppress(IndexError):
            while now is not None:
                file, connection = self._idle.pop()
                if file == now:
                    connection.execute("BEGIN")
                    return file, connection
                connection.close()
        connection = schema.reader(self._path)
        return file_of(self._path) or (0, 0), connection


def file_of(path: Path) -> File | None:
    """What `path` names; None for nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
