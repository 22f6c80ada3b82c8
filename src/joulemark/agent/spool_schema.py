"""The tables of the spool, version by version, and how a file is opened, checked, and brought to this version's."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from joulemark.errors import EnvironmentFailed

T = TypeVar("T")

STEPS: Final = (
    """
CREATE TABLE batch (
  id INTEGER PRIMARY KEY,
  epoch_ns INTEGER NOT NULL,
  batch_seq INTEGER NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0,
  level INTEGER NOT NULL DEFAULT 0,
  sha256 BLOB NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (epoch_ns, batch_seq)
);
CREATE INDEX thinnable ON batch (level, id) WHERE sent = 0;
CREATE TABLE loss (
  device_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  sample_count INTEGER NOT NULL,
  first_ns INTEGER NOT NULL,
  last_ns INTEGER NOT NULL,
  PRIMARY KEY (device_id, reason)
);
CREATE TABLE epoch (last_ns INTEGER NOT NULL);
INSERT INTO epoch VALUES (0);
""",
    """
ALTER TABLE batch ADD COLUMN sample_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN first_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN last_ns INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN written_count INTEGER NOT NULL DEFAULT 0;
CREATE TABLE meta (instance_id TEXT NOT NULL, schema_version INTEGER NOT NULL);
INSERT INTO meta VALUES (lower(hex(randomblob(16))), 0);
""",
    """
CREATE TABLE home (epoch_ns INTEGER PRIMARY KEY, address TEXT NOT NULL);
""",
)
"""`STEPS[n]` leads from schema n to schema n + 1; a new file takes them all. Written steps never change."""

BACK: Final = ("DROP TABLE home",)
"""Leads from this version's schema to the one before. What it drops is made anew at the start of a version that knows it."""

SCHEMA_VERSION: Final = len(STEPS)
PAGE_BYTES: Final = 4096
CODES_OF_DAMAGE: Final = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, 8202, 8458}
)
"""Extended codes that mean what they say of the file itself; 8202 and 8458 are SQLITE_IOERR_DATA and SQLITE_IOERR_CORRUPTFS."""


class Damaged(sqlite3.DatabaseError):
    """The file can be opened, but what it says of itself cannot be true."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether `error` says that the file is broken: another try on the same file would fail again."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, Damaged) or code in CODES_OF_DAMAGE or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_no_room(error: sqlite3.Error) -> bool:
    """Whether the disk took no more: SQLITE_FULL, or an I/O error of a write, as a limit of the file's size gives."""
    code = getattr(error, "sqlite_errorcode", 0)
    return not is_damage(error) and code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def connected(path: Path, max_bytes: int) -> sqlite3.Connection:
    """An open connection to a sound spool of this version's schema; an older one is brought to it in one transaction.

    Raises sqlite3.DatabaseError for a damaged file (see `is_damage`), and EnvironmentFailed, with the file left as it is, for one
    of a newer version or of another program.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        version = known_version(db, path)
        if version == 0:
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA wal_autocheckpoint={min(1000, max(16, max_bytes // 32 // PAGE_BYTES))}")
        db.execute(f"PRAGMA journal_size_limit={max_bytes // 32}")
        if (answer := scalar(db, "PRAGMA integrity_check(1)")) != "ok":
            raise Damaged(answer)
        try:
            migrate(db, version) if version < SCHEMA_VERSION else db.execute("UPDATE meta SET schema_version = schema_version")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_READONLY and os.access(path, os.W_OK):
                raise Damaged("its header says that it may not be written") from error
            raise
    except BaseException:
        db.close()
        raise
    return db


def known_version(db: sqlite3.Connection, path: Path) -> int:
    """The schema version of the file, 0 for an empty one.

    From version 2 on it stands twice, in the header and in `meta`: when the two differ the file is damaged, not newer. Raises
    as `connected`.
    """
    version = int(scalar(db, "PRAGMA user_version"))
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and tables.isdisjoint({"batch", "loss", "epoch", "meta"}):
        raise EnvironmentFailed(f"{path} is a database of another program, not a spool", "set spool.path to another file")
    told = scalar(db, "SELECT schema_version FROM meta") if "meta" in tables else min(version, 1)
    if version != told or (version == 0 and tables) or (version and "batch" not in tables):
        raise Damaged(f"its header says schema {version}, its tables say {told}")
    if version > SCHEMA_VERSION:
        raise EnvironmentFailed(
            f"the spool {path} has schema {version}, and this version knows schema {SCHEMA_VERSION}",
            "install the newer joulemark again and let its joulemark agent downgrade-spool bring it back, or move the file away",
        )
    return version


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring schema `version` to this version's, all steps or none."""
    steps = "".join(STEPS[version:])
    stamp = f"UPDATE meta SET schema_version={SCHEMA_VERSION}; PRAGMA user_version={SCHEMA_VERSION};"
    db.executescript(f"BEGIN IMMEDIATE; {steps} {stamp} COMMIT;")


def step_back(db: sqlite3.Connection) -> None:
    """Bring this version's schema to the one before, inside a transaction of the caller."""
    for statement in BACK:
        db.execute(statement)
    db.execute("UPDATE meta SET schema_version = ?", (SCHEMA_VERSION - 1,))
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")


def in_transaction(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """The result of `work` inside one transaction: all of it, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has rolled it back already
            db.execute("ROLLBACK")
        raise
    return result


def scalar(db: sqlite3.Connection, query: str) -> Any:
    """The one value that `query` answers. Raises Damaged when it answers nothing."""
    row = db.execute(query).fetchone()
    if row is None:
        raise Damaged(f"{query} has no answer")
    return row[0]
