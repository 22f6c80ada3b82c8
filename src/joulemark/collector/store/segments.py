"""Segments: files with the chunks and sums of spans that lie on shards, so that a backup of readings.db holds what it only points to.

A segment holds a stretch of rows of `archived`. Nothing of a sealed span changes but whether its readings were deleted, so that one name
means one content, and no segment is made twice. `put_back` makes plain chunks of readings.db out of them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joulemark.collector.store.chunks import SUM_COLUMNS
from joulemark.collector.store.clickhouse.spans import COLUMNS, KEPT, Archived
from joulemark.collector.store.sums import HOUR_NS, refresh

STRETCH: Final = 256
"""Rows of `archived` in a segment: some tens of megabytes."""
FOLDER: Final = "shards"
ARCHIVE_VERSION: Final = 5
HOURS_VERSION: Final = 6
MOVES_VERSION: Final = 7
"""From which schema of readings.db on there are spans on shards, rows of hours, and times that move."""
SUM_VALUES: Final = len(SUM_COLUMNS.split(","))

TABLES: Final = """
PRAGMA page_size = 4096;
CREATE TABLE chunk (
  id INTEGER PRIMARY KEY, span INTEGER NOT NULL, description INTEGER NOT NULL, device_id TEXT NOT NULL, t0_ns INTEGER NOT NULL,
  t1_ns INTEGER NOT NULL, layout TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE chunk_sum (
  id INTEGER PRIMARY KEY, chunk INTEGER NOT NULL, meter_id TEXT NOT NULL, t0_ns INTEGER NOT NULL, t1_ns INTEGER NOT NULL,
  n INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, double_integral BLOB, longest_ns INTEGER, first_stamp_ns INTEGER,
  last_stamp_ns INTEGER);
CREATE INDEX chunk_sum_chunk ON chunk_sum (chunk);
"""
"""Times are those that the shard was told; `span`: row of `archived`. A chunk whose readings were deleted has an empty layout."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The spans of a stretch, as a readings.db knows them. `name`: of the file that holds them in a backup."""

    name: str
    spans: tuple[Archived, ...]


def version_of(db: sqlite3.Connection) -> int:
    """The schema of a readings.db."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def away(db: sqlite3.Connection) -> list[Archived]:
    """Every span that lies on a shard, in the order in which they were sealed."""
    if (version := version_of(db)) < ARCHIVE_VERSION:
        return []
    columns = COLUMNS if version >= MOVES_VERSION else COLUMNS.replace("moved_ns", "0")
    return [Archived(*row) for row in db.execute(f"SELECT {columns} FROM archived ORDER BY id")]


def readable(db: sqlite3.Connection) -> dict[str, int]:
    """Shard -> how many spans lie there whose readings were not deleted."""
    found: dict[str, int] = {}
    for span in away(db):
        if span.raw == KEPT:
            found[span.shard] = found.get(span.shard, 0) + 1
    return found


def segments(file_name: str, spans: Sequence[Archived]) -> list[Segment]:
    """Spans of the readings of that name, cut into segments."""
    stretches: dict[int, list[Archived]] = {}
    for span in spans:
        stretches.setdefault(span.row // STRETCH, []).append(span)
    return [Segment(f"{folder_of(file_name)}{number:08d}-{digest(some)}.db", tuple(some)) for number, some in stretches.items()]


def folder_of(file_name: str) -> str:
    """What the names of the segments of a file of readings begin with."""
    return f"{FOLDER}/{file_name}/"


def digest(spans: Sequence[Archived]) -> str:
    """Sixteen characters that stand for the content of spans."""
    told = repr([(span.row, span.key, span.shard, span.chunks_json, span.raw == KEPT) for span in spans])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def put_back(path: Path, files: Iterable[Path]) -> int:
    """Make chunks of the readings.db at `path` out of segments, in the place of its pointers to shards; how many spans.

    Raises sqlite3.Error. Where nothing lies on a shard any more, what readings.db knew of shards goes too.
    """
    count, hours = 0, set[tuple[str, int]]()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for file in files:
            known = {span.row: span for span in away(db)}
            with closing(sqlite3.connect(file)) as segment:
                db.execute("BEGIN IMMEDIATE")
                rows = {row for row in moved(db, segment, known, hours)}
                db.executemany("DELETE FROM archived WHERE id = ?", [(row,) for row in rows])
                db.execute("COMMIT")
            count += len(rows)
        if not count:
            return 0
        db.execute("BEGIN IMMEDIATE")
        if version_of(db) >= HOURS_VERSION:
            for meter_id, hour in sorted(hours):
                refresh(db, meter_id, hour * HOUR_NS)
        if not away(db):
            db.execute("DELETE FROM begun")
            db.execute("DELETE FROM shard")
        db.execute("COMMIT")
    return count


def moved(db: sqlite3.Connection, segment: sqlite3.Connection, known: dict[int, Archived], hours: set[tuple[str, int]]) -> list[int]:
    """Copy what a segment has of `known` spans into the tables of `db`; their rows. Adds (meter, hour) of every sum to `hours`."""
    marks = ", ".join("?" * (SUM_VALUES + 2))
    done: list[int] = []
    chunks = segment.execute("SELECT id, span, description, device_id, t0_ns, t1_ns, layout, body FROM chunk ORDER BY id")
    for number, row, description, device_id, t0_ns, t1_ns, layout, body in chunks:
        if (span := known.get(row)) is None:
            continue
        done.append(row)
        values = (span.agent_id, span.epoch_ns, description, device_id, t0_ns + span.moved_ns, t1_ns + span.moved_ns, layout, body)
        columns = "agent_id, epoch_ns, device, device_id, t0_ns, t1_ns, layout, body"
        chunk = db.execute(f"INSERT INTO chunk ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values).lastrowid
        query = f"SELECT meter_id, {SUM_COLUMNS} FROM chunk_sum WHERE chunk = ? ORDER BY id"
        for meter_id, begin_ns, end_ns, *rest in segment.execute(query, (number,)):
            begin_ns, end_ns = begin_ns + span.moved_ns, end_ns + span.moved_ns
            db.execute(
                f"INSERT INTO chunk_sum (chunk, meter_id, {SUM_COLUMNS}) VALUES ({marks})", (chunk, meter_id, begin_ns, end_ns, *rest)
            )
            hours.add((meter_id, begin_ns // HOUR_NS))
    return done
