"""A SQLite file whose tables migrations bring up to date, which several processes may have open."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from sqlite_utils import Database, Migrations

from joulemark import __version__
from joulemark.errors import EnvironmentFailed

PATIENCE_S: Final = 10.0
"""How long another process that is writing is waited for."""


def opened(path: Path, migrations: Migrations, *, kind: str) -> Database:
    """The file `path`, opened or made, its tables up to date; foreign keys are kept. `kind`: the usual name of such a file.

    Raises EnvironmentFailed when it cannot be opened, is damaged or of a newer version.
    """
    what_to_do = f"check that the disk has room, that you own the file, and that it is the {kind} it is named after"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = Database(sqlite3.connect(path, timeout=PATIENCE_S, check_same_thread=False))
    except (OSError, sqlite3.Error) as error:
        raise EnvironmentFailed(f"cannot open {path}: {error}", what_to_do) from error
    try:
        db.execute("PRAGMA foreign_keys = ON")
        _bring_up(db, path, migrations)
    except sqlite3.Error as error:
        db.close()
        raise EnvironmentFailed(f"cannot open {path}: {error}", what_to_do) from error
    except EnvironmentFailed:
        db.close()
        raise
    return db


def _bring_up(db: Database, path: Path, migrations: Migrations) -> None:
    """Apply what is missing, under a lock, so that two processes may begin at once."""
    known = {migration.name for migration in migrations.pending(Database(memory=True))}
    applied = {migration.name for migration in migrations.applied(db)}
    if later := sorted(applied - known):
        raise EnvironmentFailed(
            f"{path} was changed by a newer joulemark ({', '.join(later)}), this is version {__version__}",
            "install that version again; the file was not touched",
        )
    if applied != known:
        db.enable_wal()
        with db.conn:
            db.conn.execute("BEGIN IMMEDIATE")
            migrations.apply(db)
