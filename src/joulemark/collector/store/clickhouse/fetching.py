"""Fetching the chunks and sums of whole spans from their shards into a file of their own, for a backup."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from joulemark.collector.store import schema
from joulemark.collector.store.chunks import SUM_COLUMNS, Chunk
from joulemark.collector.store.clickhouse import spans
from joulemark.collector.store.clickhouse.archive import Archive, batched, check, grouped
from joulemark.collector.store.clickhouse.spans import KEPT, Archived
from joulemark.collector.store.pieces import parsed
from joulemark.collector.store.segments import TABLES
from joulemark.collector.store.sums import stored
from joulemark.errors import EnvironmentFailed

AT_ONCE: Final = 16
"""Spans of one query: what they hold is in memory, and a text of ClickHouse has at most 256 KiB."""

SUMS: Final = f"""SELECT agent_id, epoch_ns, last_seq, begin_ns, revision, description, meter_id, {SUM_COLUMNS}
  FROM chunk_sum FINAL WHERE meter_id IN %(meters)s AND begin_ns IN %(begins)s AND agent_id IN %(agents)s"""
CHUNK: Final = "INSERT INTO chunk (span, description, device_id, t0_ns, t1_ns, layout, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
SUM: Final = f"INSERT INTO chunk_sum (chunk, meter_id, {SUM_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def write(archive: Archive, copy: Path, live: Path, wanted: Sequence[Archived], place: Path) -> None:
    """Write spans that the readings.db `copy` knows into the new segment `place`. `live`: the file that the copy is of.

    Raises RemoteUnreachable for a shard that does not answer, EnvironmentFailed for one that lacks what it once took.
    """
    with closing(schema.reader(copy)) as db, closing(sqlite3.connect(place, isolation_level=None)) as out:
        out.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {TABLES} BEGIN;")
        for some in batched(wanted, AT_ONCE):
            devices = descriptions(db, some)
            chunks, sums = kept(archive, db, live, some), summed(archive, some, devices)
            for span in some:
                for number, (description, _) in enumerate(span.chunks):
                    one = chunks.get((span.row, number))
                    content = (one.t0_ns - span.moved_ns, one.t1_ns - span.moved_ns, one.layout, one.body) if one else gone(span)
                    row = out.execute(CHUNK, (span.row, description, devices[description][0], *content)).lastrowid
                    out.executemany(SUM, [(row, *values) for values in sums.get((span.row, description), ())])
        out.execute("COMMIT")


def gone(span: Archived) -> tuple[int, int, str, bytes]:
    """Times and content of a chunk whose readings were deleted."""
    return span.t0_ns - span.moved_ns, span.t1_ns - span.moved_ns, "", b""


def descriptions(db: sqlite3.Connection, wanted: Sequence[Archived]) -> dict[int, tuple[str, list[str]]]:
    """(device, ids of its meters) of every description in some spans."""
    found = {}
    for row in sorted({description for span in wanted for description, _ in span.chunks}):
        device_id, meters = db.execute("SELECT device_id, meters FROM device WHERE id = ?", (row,)).fetchone()
        found[row] = (device_id, [meter.meter_id for meter in parsed(device_id, meters).meters])
    return found


def kept(archive: Archive, db: sqlite3.Connection, live: Path, wanted: Sequence[Archived]) -> dict[tuple[int, int], Chunk]:
    """The chunks of spans, by row and place; without those that were deleted, be it since the copy was made."""
    readable = [span for span in wanted if span.raw == KEPT]
    try:
        found = archive.fetched(db, [(span, number) for span in readable for number in range(len(span.chunks))])
        return {spans.place_of(chunk.number): chunk for chunk in found}
    except EnvironmentFailed:
        with closing(schema.reader(live)) as now:
            known = spans.of_rows(now, {span.row for span in readable})
        left = [span for span in readable if known[span.row].raw == KEPT]
        if len(left) == len(readable):
            raise
        return kept(archive, db, live, left)


def summed(archive: Archive, wanted: Sequence[Archived], devices: dict[int, tuple[str, list[str]]]) -> dict[tuple[int, int], list[Any]]:
    """(meter, its sum) of the chunks of spans, by row and description, in the order of the meters. Raises as `write`."""
    found: dict[tuple[int, int], list[Any]] = {}
    for shard, some in grouped(wanted, lambda span: span.shard).items():
        expected = {
            (*span.key, description, meter_id): (span.row, description)
            for span in some
            for description, mask in span.chunks
            for bit, meter_id in enumerate(devices[description][1])
            if mask >> bit & 1
        }
        if not expected:
            continue
        asked = {
            "meters": tuple(sorted({key[-1] for key in expected})),
            "begins": tuple(sorted({span.begin_ns for span in some})),
            "agents": tuple(sorted({span.agent_id for span in some})),
        }
        told = {tuple(row[:7]): row[7:] for row in archive.shards.named(shard).rows(SUMS, asked)}
        check(shard, [key for key in expected if key not in told], "sums")
        for key, place in expected.items():
            begin_ns, end_ns, n, first, last, double, *rest = told[key]
            whole = None if double is None else stored(int(double))
            found.setdefault(place, []).append((key[-1], begin_ns, end_ns, n, first, last, whole, *rest))
    return found
