"""What to do about a database that SQLite cannot use: a full disk says nothing against a file, and is no reason to throw it away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from joulemark.errors import EnvironmentFailed

NO_ROOM: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""What a full disk is to SQLite, without the extended part of the code."""
OUTSIDE: Final = (*NO_ROOM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY)
"""What is the matter with the place of a file rather than with what it holds."""


def is_no_room(error: sqlite3.Error) -> bool:
    """Whether that is how SQLite says that a disk takes nothing more."""
    return primary(error) in NO_ROOM


def primary(error: sqlite3.Error) -> int:
    """The code of SQLite without its extended part, 0 where it is not known."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def unusable(path: Path, error: sqlite3.Error, damaged_step: str) -> EnvironmentFailed:
    """The error of a start that ends for `path`. `damaged_step`: what to do where the file itself is what cannot be read."""
    if primary(error) not in OUTSIDE:
        return EnvironmentFailed(f"{path} cannot be used: {error}", damaged_step)
    return EnvironmentFailed(
        f"{path} cannot be used now: {error}; nothing says that it is damaged",
        f"free space on its disk (df -h {path.parent}), see that you may write there, and start again",
    )


@contextmanager
def started_on(path: Path) -> Iterator[None]:
    """A start on the database at `path`. Raises EnvironmentFailed where SQLite refuses."""
    try:
        yield
    except sqlite3.Error as error:
        raise unusable(path, error, "restore it from a backup, or move it away") from error
