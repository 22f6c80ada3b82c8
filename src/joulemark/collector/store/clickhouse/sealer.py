"""Sealing into an archive: a span leaves the log of readings.db once a shard has it, and at no moment lies in both or in neither.

Three steps, each of which may be the last one before the power goes: what is about to be sealed is written to readings.db (`begun`); it is
inserted on its shard; one transaction of readings.db makes it count and empties the log. What is found begun is done again in the same
way. The shard takes it once: the same under one token, and another content (a clock became known in between) under a higher revision of
the same key.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from joulemark.collector.store import schema, sealing
from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.retention import Retention
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.clickhouse.spans import DELETED, KEPT, called
from joulemark.collector.store.files import number_of
from joulemark.collector.store.pieces import parsed
from joulemark.collector.store.sealing import Sealed, Span, Spans
from joulemark.collector.store.writer import Writer
from joulemark.errors import EnvironmentFailed, RemoteUnreachable

log = logging.getLogger("joulemark.collector.clickhouse")

INSERT_BYTES: Final = 16 * 1024 * 1024
"""About so much is inserted at once: each insert is a file or two on the shard, to be merged later."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A span that is on its way to a shard. `begin_ns`: of its first batch, as the log had it; `sha256` of its content; `file`: number of
    the file of readings that it leaves.
    """

    span: Span
    begin_ns: int
    shard: str
    revision: int = 0
    sha256: bytes = b""
    file: int = 0

    @property
    def key(self) -> tuple[str, int, int, int]:
        """What it is called on its shard, but for the revision."""
        return self.span.agent_id, self.span.epoch_ns, called(self.span.last_seq, self.file), self.begin_ns


@dataclass(frozen=True, slots=True)
class Parcel:
    """A begun span with its content; `descriptions`: of the devices in it, (device, meters as JSON) by row."""

    begun: Begun
    sealed: Sealed
    descriptions: dict[int, tuple[str, str]]

    @property
    def byte_count(self) -> int:
        """What its chunks take."""
        return sum(len(chunk.row[6]) + len(chunk.row[7]) for chunk in self.sealed.chunks)

    def digest(self) -> bytes:
        """SHA-256 of everything that goes to the shard."""
        told = hashlib.sha256()
        for chunk in self.sealed.chunks:
            told.update(repr((chunk.row[:7], chunk.sums)).encode())
            told.update(chunk.row[7])
        return told.digest()

    def chunk_rows(self) -> Iterator[tuple[Any, ...]]:
        """Rows of the shard's `chunk`, in the order of its schema."""
        for _, _, description, device_id, t0_ns, t1_ns, layout, body in (chunk.row for chunk in self.sealed.chunks):
            key = (*self.begun.key, description, self.begun.revision)
            yield device_id, *key, t0_ns, t1_ns, self.descriptions[description][1], layout, body

    def sum_rows(self) -> Iterator[tuple[Any, ...]]:
        """Rows of the shard's `chunk_sum`."""
        for chunk in self.sealed.chunks:
            description = chunk.row[2]
            meters = {meter.meter_id: meter for meter in parsed(*self.descriptions[description]).meters}
            key = (*self.begun.key, description, self.begun.revision)
            for meter_id, t0_ns, t1_ns, n, first, last, double, *rest in chunk.sums:
                meter = meters[meter_id]
                whole = None if double is None else int(double)
                yield (meter_id, *key, meter.quantity, meter.boundary, meter.exponent, t0_ns, t1_ns, n, first, last, whole, *rest)

    def chunks_json(self) -> str:
        """What `archived.chunks` says of it."""
        return json.dumps([[chunk.row[2], self._mask(chunk)] for chunk in self.sealed.chunks], separators=(",", ":"))

    def _mask(self, chunk: sealing.Chunk) -> int:
        """Which meters of its description a chunk has sums of, as bits."""
        description = chunk.row[2]
        ids = [meter.meter_id for meter in parsed(*self.descriptions[description]).meters]
        return sum(1 << ids.index(row[0]) for row in chunk.sums)


class Sealer:
    """Seals the log of the readings.db at `path`, whose only `writer` it is given, into `archive`; `retention` deletes old spans."""

    def __init__(self, path: Path, writer: Writer, archive: Archive, *, retention: Retention | None = None) -> None:
        self._path, self._writer, self._archive, self._retention = path, writer, archive, retention
        self._file = number_of(path)

    def seal(self, now_ns: int, spans: Spans, *, stopped: Callable[[], bool]) -> int:
        """Finish what was begun, then seal `spans` of the log; how many chunks were made.

        A shard that fails is left alone until the next call, and its hosts' spans stay in the log; the others go on.
        """
        failing: set[str] = set()
        with closing(schema.reader(self._path)) as db:
            earlier = list(begun(db, self._file))
        count = self._round(earlier, failing, now_ns, stopped)
        stuck = {(one.span.agent_id, one.span.epoch_ns) for one in earlier}
        with closing(schema.reader(self._path)) as db:
            stuck &= {(one.span.agent_id, one.span.epoch_ns) for one in begun(db, self._file)}
            todo = [span for span in spans(db) if (span.agent_id, span.epoch_ns) not in stuck]
        while todo and not stopped():
            firsts = list({(span.agent_id, span.epoch_ns): span for span in reversed(todo)}.values())[::-1]
            with closing(schema.reader(self._path)) as db:
                fresh = [self._fresh(db, span) for span in firsts]
            count += self._round(fresh, failing, now_ns, stopped)
            with closing(schema.reader(self._path)) as db:
                done = {
                    (agent_id, epoch_ns): seq for agent_id, epoch_ns, seq in db.execute("SELECT agent_id, epoch_ns, sealed_seq FROM stream")
                }
            left = {(span.agent_id, span.epoch_ns) for span in firsts if done[span.agent_id, span.epoch_ns] < span.last_seq}
            todo = [span for span in todo if span not in firsts and (span.agent_id, span.epoch_ns) not in left]
        if self._retention is not None and not stopped():
            self._retention.apply(now_ns)
        return count

    def _fresh(self, db: sqlite3.Connection, span: Span) -> Begun:
        """A span that nothing is known of yet."""
        return Begun(span, first_ns(db, span), self._archive.shards.of_host(span.agent_id).name, file=self._file)

    def _round(self, items: Sequence[Begun], failing: set[str], now_ns: int, stopped: Callable[[], bool]) -> int:
        """Seal some spans, at most one of each epoch; how many chunks were made. Adds to `failing`."""
        count = 0
        for shard_name in dict.fromkeys(one.shard for one in items):
            if shard_name in failing:
                continue
            try:
                shard = self._archive.shards.named(shard_name)
                shard.connect()
                for parcels in self._parcels([one for one in items if one.shard == shard_name]):
                    if stopped():
                        return count
                    count += self._sent(shard, parcels)
            except (RemoteUnreachable, EnvironmentFailed) as error:
                failing.add(shard_name)
                log.error("%s", error)
                self._writer.submit(told(shard_name, now_ns, str(error))).result()
            else:
                self._writer.submit(told(shard_name, None, "")).result()
        return count

    def _parcels(self, items: Sequence[Begun]) -> Iterator[list[Parcel]]:
        """Items with their content, as many as go into one insert. One with a device that nobody described yet is left out."""
        some: list[Parcel] = []
        for one in items:
            with closing(schema.reader(self._path)) as db:
                sealed = sealing.encode(db, one.span)
                if sealed is not None:
                    parcel = Parcel(one, sealed, descriptions(db, sealed))
                    some.append(replace(parcel, begun=revised(one, parcel.digest())))
            if sum(parcel.byte_count for parcel in some) >= INSERT_BYTES:
                yield some
                some = []
        if some:
            yield some

    def _sent(self, shard: Shard, parcels: Sequence[Parcel]) -> int:
        """Write down, insert, and let go of some spans; how many chunks they were. Raises RemoteUnreachable, and all may be done again."""
        self._writer.submit(lambda db: begin(db, [parcel.begun for parcel in parcels])).result()
        named = [(*parcel.begun.key, parcel.begun.revision, parcel.begun.sha256) for parcel in parcels]
        token = hashlib.sha256(repr(named).encode()).hexdigest()
        for table, rows in (
            ("chunk", [row for parcel in parcels for row in parcel.chunk_rows()]),
            ("chunk_sum", [row for parcel in parcels for row in parcel.sum_rows()]),
        ):
            if rows:
                shard.insert(table, rows, token=f"{table}:{token}")
        futures = [(self._writer.submit(counting(parcel)), len(parcel.sealed.chunks)) for parcel in parcels]
        return sum(made for future, made in futures if future.result())


def begun(db: sqlite3.Connection, file: int) -> Iterator[Begun]:
    """What was begun and is not finished, in the file of that number."""
    query = "SELECT agent_id, epoch_ns, last_seq, begin_ns, shard, revision, sha256 FROM begun ORDER BY id"
    for agent_id, epoch_ns, last_seq, begin_ns, shard, revision, sha256 in db.execute(query):
        yield Begun(Span(agent_id, epoch_ns, last_seq), begin_ns, shard, revision, sha256, file)


def revised(one: Begun, sha256: bytes) -> Begun:
    """With the revision of its content: another one when that is not what was written down."""
    return one if one.sha256 == sha256 else replace(one, revision=one.revision + 1, sha256=sha256)


def begin(db: sqlite3.Connection, items: Sequence[Begun]) -> None:
    """Write down what is on its way."""
    db.executemany(
        """INSERT INTO begun (agent_id, epoch_ns, last_seq, begin_ns, shard, revision, sha256) VALUES (?, ?, ?, ?, ?, ?, ?)
           ON CONFLICT (agent_id, epoch_ns) DO UPDATE SET revision = excluded.revision, sha256 = excluded.sha256""",
        [(one.span.agent_id, one.span.epoch_ns, one.span.last_seq, one.begin_ns, one.shard, one.revision, one.sha256) for one in items],
    )


def counting(parcel: Parcel) -> Callable[[sqlite3.Connection], bool]:
    """What makes a span on its shard count, and empties the log of it; False when its clock changed since: then it is sealed anew."""

    def work(db: sqlite3.Connection) -> bool:
        one, chunks = parcel.begun, [chunk.row for chunk in parcel.sealed.chunks]
        if not parcel.sealed.leave_log(db):
            return False
        db.execute("DELETE FROM begun WHERE agent_id = ? AND epoch_ns = ?", one.key[:2])
        if chunks:
            extent = (min(row[4] for row in chunks), max(row[5] for row in chunks))
            archive(db, one, extent, parcel.chunks_json(), parcel.byte_count)
        return True

    return work


def archive(db: sqlite3.Connection, begun: Begun, extent: tuple[int, int], chunks_json: str, byte_count: int) -> None:
    """The row that makes a span count. One of no bytes was deleted before: only its sums are there."""
    db.execute(
        """INSERT INTO archived (agent_id, epoch_ns, last_seq, begin_ns, shard, revision, t0_ns, t1_ns, chunks, byte_count, raw)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (*begun.key, begun.shard, begun.revision, *extent, chunks_json, byte_count, KEPT if byte_count else DELETED),
    )


def told(shard: str, failing_since_ns: int | None, error: str) -> Callable[[sqlite3.Connection], object]:
    """Keep whether a shard fails, and since when."""
    return lambda db: db.execute(
        """INSERT INTO shard (name, failing_since_ns, error) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET error = excluded.error,
             failing_since_ns = CASE WHEN excluded.failing_since_ns IS NULL THEN NULL
               ELSE COALESCE(shard.failing_since_ns, excluded.failing_since_ns) END""",
        (shard, failing_since_ns, error),
    )


def first_ns(db: sqlite3.Connection, span: Span) -> int:
    """When the first batch of a span begins, as the log has it."""
    query = "SELECT t0_ns FROM log WHERE agent_id = ? AND epoch_ns = ? ORDER BY batch_seq LIMIT 1"
    return int(db.execute(query, (span.agent_id, span.epoch_ns)).fetchone()[0])


def descriptions(db: sqlite3.Connection, sealed: Sealed) -> dict[int, tuple[str, str]]:
    """(device, meters as JSON) of the descriptions in a sealed span, by their rows."""
    rows = {chunk.row[2] for chunk in sealed.chunks}
    found = (db.execute("SELECT id, device_id, meters FROM device WHERE id = ?", (row,)).fetchone() for row in rows)
    return {row: (device_id, meters) for row, device_id, meters in found}
