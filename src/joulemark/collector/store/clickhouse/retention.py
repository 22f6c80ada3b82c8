"""Deleting old readings from the shards: those outside of runs, while the exact sums of every chunk stay.

What is to go is marked in readings.db first, and from then on asking for it is an error that says so; then its shard deletes it. A shard
that is down deletes it later.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from joulemark.collector.store import schema
from joulemark.collector.store.clickhouse.archive import AT_ONCE, Archive, batched, grouped
from joulemark.collector.store.clickhouse.spans import DELETED, DUE, KEPT
from joulemark.collector.store.keeping import EVERY_NS, Keeping, Kept
from joulemark.collector.store.retention import count
from joulemark.collector.store.writer import Writer
from joulemark.errors import EnvironmentFailed, RemoteUnreachable

log = logging.getLogger("joulemark.collector.clickhouse")

DELETE: Final = "DELETE FROM chunk WHERE agent_id IN %(agents)s AND (begin_ns, agent_id, epoch_ns, last_seq) IN %(keys)s"


class Retention:
    """Deletes what `keeping` does not keep from the shards of `archive`, of which the readings.db at `path` with its `writer` knows."""

    def __init__(self, path: Path, writer: Writer, archive: Archive, keeping: Keeping) -> None:
        self._path, self._writer, self._archive, self._keeping = path, writer, archive, keeping
        self._last_ns: int | None = None

    def apply(self, now_ns: int) -> int:
        """Once an hour; how many spans were deleted. A shard that fails is told of, and asked again in the next hour."""
        if self._last_ns is not None and now_ns - self._last_ns < EVERY_NS:
            return 0
        self._last_ns = now_ns
        kept = self._keeping.at(now_ns)
        if kept is None:
            return 0
        self._writer.submit(lambda db: mark_due(db, kept)).result()
        with closing(schema.reader(self._path)) as db:
            query = "SELECT id, shard, begin_ns, agent_id, epoch_ns, last_seq FROM archived WHERE raw = ?"
            due = db.execute(query, (DUE,)).fetchall()
        return sum(
            self._deleted(shard, some) for shard, rows in grouped(due, lambda row: row[1]).items() for some in batched(rows, AT_ONCE)
        )

    def _deleted(self, shard: str, rows: Sequence[tuple[int, str, int, str, int, int]]) -> int:
        """Delete some spans on their shard; how many."""
        keys = tuple(row[2:] for row in rows)
        try:
            self._archive.shards.named(shard).command(DELETE, {"agents": tuple({row[3] for row in rows}), "keys": keys})
        except (RemoteUnreachable, EnvironmentFailed) as error:
            log.error("%s", error)
            return 0
        self._writer.submit(lambda db: mark_deleted(db, [row[0] for row in rows])).result()
        return len(rows)


def mark_due(db: sqlite3.Connection, kept: Kept) -> None:
    """Mark spans that are not kept."""
    found = db.execute("SELECT id, t0_ns, t1_ns FROM archived WHERE raw = ? AND t1_ns < ?", (KEPT, kept.since_ns)).fetchall()
    due = [(DUE, row) for row, t0_ns, t1_ns in found if not kept.holds(t0_ns, t1_ns)]
    db.executemany("UPDATE archived SET raw = ? WHERE id = ?", due)


def mark_deleted(db: sqlite3.Connection, rows: Sequence[int]) -> None:
    """Mark spans as gone, and count their chunks and bytes."""
    for row in rows:
        query = "SELECT chunks, byte_count FROM archived WHERE id = ? AND raw = ?"
        for chunks_json, byte_count in db.execute(query, (row, DUE)).fetchall():
            db.execute("UPDATE archived SET raw = ? WHERE id = ?", (DELETED, row))
            count(db, len(json.loads(chunks_json)), byte_count)
