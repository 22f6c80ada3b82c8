"""A damaged spool: what can still be read of it moves to a fresh file, the damaged one is kept aside under a new name."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from joulemark.agent.spool_schema import in_transaction

KEPT_ASIDE: Final = 3
AT_ONCE: Final = 256
TRIES: Final = 4096
"""So many ids in a row may be unreadable before the rest of the table is given up."""

COLUMNS: Final = ("id", "epoch_ns", "batch_seq", "sent", "level", "sha256", "body", "sample_count", "first_ns", "last_ns", "written_count")
INSERT: Final = f"INSERT OR IGNORE INTO batch ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"

FACTS: Final = (
    (
        "SELECT device_id, reason, sample_count, first_ns, last_ns FROM loss",
        "INSERT OR IGNORE INTO loss (device_id, reason, sample_count, first_ns, last_ns) VALUES (?, ?, ?, ?, ?)",
    ),
    ("SELECT last_ns FROM epoch", "UPDATE epoch SET last_ns = max(last_ns, ?)"),
    ("SELECT instance_id FROM meta", "UPDATE meta SET instance_id = ?"),
    ("SELECT epoch_ns, address FROM home", "INSERT OR IGNORE INTO home (epoch_ns, address) VALUES (?, ?)"),
)

Row = tuple[int, int, int, int, int, bytes, bytes, int, int, int, int]


def rescue(source: Path | sqlite3.Connection, fresh: sqlite3.Connection) -> int:
    """Copy from the damaged `source` to the empty spool `fresh` every batch whose hash still is that of its body, under its own key,
    and the losses, the last epoch, the instance and the homes; returns how many batches.

    Raises sqlite3.OperationalError when `fresh` cannot be written.
    """
    if isinstance(source, sqlite3.Connection):
        return copied(source, fresh)
    try:
        damaged = sqlite3.connect(f"file:{quote(str(source.absolute()))}?mode=ro", uri=True)
    except sqlite3.Error:
        return 0
    with closing(damaged):
        return copied(damaged, fresh)


def copied(source: sqlite3.Connection, fresh: sqlite3.Connection) -> int:
    """As `rescue`, from an open connection."""
    count = 0
    some: list[Row] = []
    for row in sound_rows(source):
        some.append(row)
        if len(some) == AT_ONCE:
            count += insert(fresh, some)
            some = []
    count += insert(fresh, some)
    for query, statement in FACTS:
        try:
            facts = source.execute(query).fetchall()
        except sqlite3.DatabaseError:
            continue  # this table is lost
        fresh.executemany(statement, facts)
    return count


def insert(fresh: sqlite3.Connection, rows: list[Row]) -> int:
    """Keep `rows` in one transaction; returns how many."""
    in_transaction(fresh, lambda db: db.executemany(INSERT, rows))
    return len(rows)


def sound_rows(source: sqlite3.Connection) -> Iterator[Row]:
    """Batches in the order of their ids, without those that cannot be read or are not what was written."""
    try:
        known = {row[1] for row in source.execute("PRAGMA table_info(batch)")}
    except sqlite3.DatabaseError:
        return
    columns = ", ".join(name if name in known else "0" for name in COLUMNS)
    last_id = tries = 0
    while tries < TRIES:
        try:
            for row in source.execute(f"SELECT {columns} FROM batch NOT INDEXED WHERE id > ? ORDER BY id", (last_id,)):
                last_id, tries = row[0], 0
                if is_sound(row):
                    yield row
        except (sqlite3.DatabaseError, OverflowError):  # a page that cannot be read: step over it, id by id
            last_id, tries = last_id + 1, tries + 1
        else:
            return


def is_sound(row: Row) -> bool:
    """Whether every value is of its kind and the body has its hash."""
    numbers, blobs = (*row[:5], *row[7:]), row[5:7]
    return (
        all(isinstance(x, int) for x in numbers) and all(isinstance(x, bytes) for x in blobs) and hashlib.sha256(row[6]).digest() == row[5]
    )


def set_aside(path: Path, *, now_ns: int, max_bytes: int) -> Path:
    """Rename the spool `path` with its log; returns the new name of the file. Raises OSError.

    The three newest such files stay, and of the older two only what fits into `max_bytes` together with the newest: a start that
    fails again and again does not fill the disk.
    """
    aside = path.with_name(f"{path.name}.damaged-{now_ns}")
    for suffix in ("-wal", ""):  # in this order: a log left behind would be read into the next file of this name
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    room_bytes = max_bytes
    for place, whole in enumerate(sorted(kept_aside(path), reverse=True)):
        parts = [whole, whole.with_name(whole.name + "-wal"), whole.with_name(whole.name + "-shm")]
        room_bytes -= sum(part.stat().st_size for part in parts if part.exists())
        if place and (place >= KEPT_ASIDE or room_bytes < 0):
            for part in parts:
                part.unlink(missing_ok=True)
    return aside


def kept_aside(path: Path) -> list[Path]:
    """Damaged files of the spool `path` that were kept, without their logs."""
    return [p for p in path.parent.iterdir() if p.name.startswith(f"{path.name}.damaged-") and not p.name.endswith(("-wal", "-shm"))]
