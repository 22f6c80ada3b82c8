"""readings.db as a ChunkStore: `SqliteReadings` asks, `SqliteStore` also takes batches and seals them."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from joulemark.collector.store import axis, schema, sealing
from joulemark.collector.store.base import (
    Anchored,
    ClockStep,
    Deletions,
    Described,
    HostState,
    Integral,
    Received,
    ShardState,
    Stream,
    Surveyed,
)
from joulemark.collector.store.chunks import LOCAL, Chunks
from joulemark.collector.store.inserting import count_stream, insert_all
from joulemark.collector.store.integral import integrals
from joulemark.collector.store.keeping import Keeping
from joulemark.collector.store.pieces import Catalogue, Piece, pieces, series_of
from joulemark.collector.store.readers import Readers
from joulemark.collector.store.recent import Recent
from joulemark.collector.store.retention import Retention
from joulemark.collector.store.writer import Writer
from joulemark.energy.series import Series
from joulemark.proto.messages import Ack, ClockState, Loss, MeterCost, Overhead
from joulemark.units import NS_PER_S

STREAM_COLUMNS: Final = (
    "agent_id, epoch_ns, boot_id, same_clock, acked_seq, batch_count, sample_count, duplicate_count, first_rx_ns, last_rx_ns, last_ns"
)
STORED_BYTES: Final = """
    SELECT COALESCE((SELECT SUM(LENGTH(body)) FROM log WHERE agent_id = :agent), 0)
      + COALESCE((SELECT SUM(LENGTH(meters)) FROM device WHERE agent_id = :agent), 0)
      + COALESCE((SELECT SUM(LENGTH(body)) FROM survey WHERE agent_id = :agent), 0)
      + COALESCE((SELECT SUM(LENGTH(device_id) + LENGTH(reason)) FROM loss WHERE agent_id = :agent), 0)"""


class SqliteReadings:
    """The read side: each question has its own connection, so any thread or process may ask. `chunks`: where sealed ones lie."""

    def __init__(self, path: Path, *, chunks: Chunks = LOCAL) -> None:
        self.path, self.chunks = path, chunks
        self._readers = Readers(path)
        self._recent = Recent(path, chunks)

    def streams(self) -> list[Stream]:
        with closing(schema.reader(self.path)) as db:
            rows = db.execute(f"SELECT {STREAM_COLUMNS} FROM stream ORDER BY epoch_ns").fetchall()
        return [Stream(*row) for row in rows]

    def streams_opened(self) -> dict[str, int]:
        with closing(schema.reader(self.path)) as db:
            return dict(db.execute("SELECT agent_id, streams_opened FROM agent ORDER BY 1"))

    def acks(self, agent_id: str) -> list[Ack]:
        with closing(schema.reader(self.path)) as db:
            return [Ack(*row) for row in db.execute("SELECT epoch_ns, acked_seq FROM stream WHERE agent_id = ? ORDER BY 1", (agent_id,))]

    def devices(self, agents: Iterable[str] | None = None) -> list[Described]:
        with closing(schema.reader(self.path)) as db:
            if agents is None:
                return Catalogue.load(db).newest()
            return [d for agent_id in sorted(set(agents)) for d in Catalogue.load(db, agent_id=agent_id).newest()]

    def series(self, meter_ids: Sequence[str], t0_ns: int, t1_ns: int) -> list[Series]:
        device_ids = {meter_id.rsplit(":", 1)[0] for meter_id in meter_ids}
        with closing(schema.reader(self.path)) as db:
            found: dict[str, list[Piece]] = pieces(db, device_ids, t0_ns, t1_ns, chunks=self.chunks)
        return [s for meter_id in meter_ids for s in series_of(meter_id, found[meter_id.rsplit(":", 1)[0]], t0_ns, t1_ns)]

    def recent(self, meter_ids: Sequence[str], t0_ns: int, t1_ns: int, *, now_ns: int) -> list[Series]:
        found = self._recent.series(meter_ids, t0_ns, t1_ns, now_ns=now_ns)
        return self.series(meter_ids, t0_ns, t1_ns) if found is None else found

    def integrals(self, meter_ids: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[list[Integral | None]]:
        with self._readers.view() as db:
            return integrals(db, meter_ids, spans, chunks=self.chunks)

    def losses(self, t0_ns: int, t1_ns: int) -> list[tuple[str, Loss]]:
        query = """SELECT agent_id, device_id, sample_count, first_ns, last_ns, reason FROM loss
            WHERE first_ns <= ? AND last_ns >= ? ORDER BY id"""
        with closing(schema.reader(self.path)) as db:
            return [(row[0], Loss(*row[1:])) for row in db.execute(query, (t1_ns, t0_ns))]

    def states(self, t0_ns: int, t1_ns: int) -> list[HostState]:
        query = """
            SELECT s.agent_id, s.epoch_ns, s.t_ns, m.same_clock, s.clock, s.overhead FROM state s
            JOIN stream m ON m.agent_id = s.agent_id AND m.epoch_ns = s.epoch_ns
            WHERE s.t_ns <= :t1 AND s.t_ns >= COALESCE((SELECT MAX(t_ns) FROM state WHERE agent_id = s.agent_id AND t_ns <= :t0), :t0)
            ORDER BY s.t_ns"""
        with closing(schema.reader(self.path)) as db:
            rows = db.execute(query, {"t0": t0_ns, "t1": t1_ns}).fetchall()
        return [state_of(*row) for row in rows]

    def last_states(self, count: int = 2) -> list[HostState]:
        query = """
            SELECT s.agent_id, s.epoch_ns, s.t_ns, m.same_clock, s.clock, s.overhead FROM (SELECT DISTINCT agent_id FROM stream) a
            JOIN state s ON s.id IN (SELECT id FROM state WHERE agent_id = a.agent_id ORDER BY t_ns DESC LIMIT ?)
            JOIN stream m ON m.agent_id = s.agent_id AND m.epoch_ns = s.epoch_ns ORDER BY s.t_ns"""
        with closing(schema.reader(self.path)) as db:
            return [state_of(*row) for row in db.execute(query, (count,))]

    def surveys(self, t0_ns: int, t1_ns: int) -> list[Surveyed]:
        query = """
            SELECT agent_id, t_ns, body FROM survey s
            WHERE s.t_ns >= COALESCE((SELECT MAX(t_ns) FROM survey WHERE agent_id = s.agent_id AND t_ns <= :t0), :t0)
              AND s.t_ns <= COALESCE((SELECT MIN(t_ns) FROM survey WHERE agent_id = s.agent_id AND t_ns >= :t1), :t1)
            ORDER BY s.t_ns, s.id"""
        with closing(schema.reader(self.path)) as db:
            return [Surveyed(*row) for row in db.execute(query, {"t0": t0_ns, "t1": t1_ns})]

    def own_states(self, t0_ns: int, t1_ns: int) -> list[HostState]:
        with closing(schema.reader(self.path)) as db:
            return axis.own_states(db, t0_ns, t1_ns)

    def clock_steps(self, t0_ns: int, t1_ns: int) -> list[ClockStep]:
        query = """SELECT agent_id, t_ns, unc_ns, step_ns FROM clock_step
            WHERE t_ns - unc_ns <= ? AND t_ns + unc_ns >= ? ORDER BY t_ns"""
        with closing(schema.reader(self.path)) as db:
            return [ClockStep(*row) for row in db.execute(query, (t1_ns, t0_ns))]

    def axes(self) -> list[Anchored]:
        query = "SELECT boot_id, minus_mono_ns, minus_mono_ns - utc_minus_mono_ns, since_ns FROM axis ORDER BY id"
        with closing(schema.reader(self.path)) as db:
            return [Anchored(*row) for row in db.execute(query)]

    def shards(self) -> list[ShardState]:
        with closing(schema.reader(self.path)) as db:
            return [ShardState(*row) for row in db.execute("SELECT name, failing_since_ns, error FROM shard ORDER BY id")]

    def deletions(self) -> Deletions:
        with closing(schema.reader(self.path)) as db:
            return Deletions(*(db.execute("SELECT chunk_count, byte_count FROM deletion").fetchone() or (0, 0)))


class SqliteStore(SqliteReadings):
    """The write side: one per readings.db, in the ingest process."""

    def __init__(
        self,
        path: Path,
        *,
        seal_after_ns: int = 600 * NS_PER_S,
        chunks: Chunks = LOCAL,
        sealer: Callable[[Path, Writer], sealing.Sealer] | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        """Open or create `path`, and bring it to this version. Raises EnvironmentFailed for a newer one.

        `sealer`: makes what seals into the archive of `chunks`; None: chunks stay in the file itself. `keeping`: which of those that
        stay keep their readings; None: all.
        """
        super().__init__(path, chunks=chunks)
        schema.check(path)
        self._span_ns = seal_after_ns
        self._closing, self._sealing = threading.Event(), threading.Lock()
        self._writer = Writer(path, schema.prepare)
        self._sealer = None if sealer is None else sealer(path, self._writer)
        self._retention = None if keeping is None else Retention(path, self._writer, keeping)

    def append(self, received: Received, *, after: Future[bool] | None = None) -> Future[bool]:
        return self._writer.hand(insert_following, (received, after))

    def stored_bytes(self, agent_id: str) -> int:
        with closing(schema.reader(self.path)) as db:
            return int(db.execute(STORED_BYTES, {"agent": agent_id}).fetchone()[0]) + self.chunks.stored_bytes(db, agent_id)

    def opened(self, agent_id: str) -> Future[None]:
        return self._writer.submit(lambda db: count_stream(db, agent_id))

    def anchored(self, boot_id: str, *, mono_ns: int, utc_minus_mono_ns: int, keep: bool) -> int:
        return self._writer.submit(
            lambda db: axis.anchor(db, boot_id, mono_ns=mono_ns, utc_minus_mono_ns=utc_minus_mono_ns, keep=keep)
        ).result()

    def told(self, t_ns: int, clock: ClockState) -> Future[None]:
        return self._writer.submit(lambda db: axis.tell(db, t_ns, clock))

    def stepped(self, *, mono_ns: int, utc_minus_mono_ns: int) -> Future[bool]:
        return self._writer.submit(lambda db: axis.stepped(db, mono_ns=mono_ns, utc_minus_mono_ns=utc_minus_mono_ns))

    def seal(self, now_ns: int, *, everything: bool = False) -> int:
        with self._sealing:
            count = self._seal(now_ns, everything=everything)
            if self._retention is not None and not self._closing.is_set():
                self._retention.apply(now_ns, stopped=self._closing.is_set)
            return count

    def _seal(self, now_ns: int, *, everything: bool) -> int:
        finished = partial(sealing.spans, now_ns=now_ns, span_ns=self._span_ns, everything=everything)
        if self._sealer is not None:
            return self._sealer.seal(now_ns, finished, stopped=self._closing.is_set)
        with closing(schema.reader(self.path)) as db:
            spans = list(finished(db))
        count, waiting = 0, set()
        for span in spans:
            if self._closing.is_set():
                break
            if (span.agent_id, span.epoch_ns) in waiting:
                continue
            with closing(schema.reader(self.path)) as db:
                sealed = sealing.encode(db, span)
            if sealed is None or not self._writer.submit(sealed.store).result():
                waiting.add((span.agent_id, span.epoch_ns))
                continue
            count += len(sealed.chunks)
        return count

    def close(self) -> None:
        self._closing.set()
        with self._sealing:  # a span that is being sealed is finished, the next one is not begun
            self._readers.close()
            self._writer.close()


def insert_following(db: sqlite3.Connection, batches: Sequence[tuple[Received, Future[bool] | None]]) -> list[bool]:
    """Store batches, unless one before them on its stream was not stored."""
    for _, after in batches:
        if after is not None and after.done() and after.exception() is not None:
            raise sqlite3.OperationalError("the batch before it was not stored")
    return insert_all(db, [received for received, _ in batches])


def state_of(agent_id: str, epoch_ns: int, t_ns: int, same_clock: int, clock: str, cost: str) -> HostState:
    """The state in a row."""
    told = json.loads(clock)
    state = ClockState(**told) if isinstance(told, dict) else ClockState(*told)
    return HostState(agent_id, epoch_ns, t_ns, bool(same_clock), state, overhead(cost))


def overhead(text: str) -> Overhead:
    """The cost in a row: the values of its fields, or, before schema 6, an object of them."""
    told = json.loads(text)
    if isinstance(told, dict):
        return Overhead(**{**told, "meters": tuple(MeterCost(**one) for one in told["meters"])})
    cpu_ns, rss_bytes, late_tick_count, meters = told
    return Overhead(cpu_ns, rss_bytes, late_tick_count, tuple(MeterCost(*one) for one in meters))
