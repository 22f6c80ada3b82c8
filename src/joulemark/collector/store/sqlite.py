"""readings.db as a ChunkStore: `SqliteReadings` asks, `SqliteStore` also takes batches and seals them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from joulemark.collector.store import schema, sealing
from joulemark.collector.store.base import AlteredBatch, Described, HostState, Received, Stream
from joulemark.collector.store.pieces import Catalogue, Piece, pieces, series_of
from joulemark.collector.store.writer import Writer
from joulemark.energy.series import Series
from joulemark.proto.messages import Ack, ClockState, Loss, MeterCost, Overhead
from joulemark.units import NS_PER_S

STATE_PERIOD_NS: Final = 10 * NS_PER_S
STREAM_COLUMNS: Final = (
    "agent_id, epoch_ns, boot_id, same_clock, acked_seq, batch_count, sample_count, duplicate_count, first_rx_ns, last_rx_ns, last_ns"
)
STORED_BYTES: Final = """
    SELECT COALESCE((SELECT SUM(LENGTH(body)) FROM log WHERE agent_id = :agent), 0)
      + COALESCE((SELECT SUM(LENGTH(body) + LENGTH(layout)) FROM chunk
          WHERE device_id IN (SELECT device_id FROM device WHERE agent_id = :agent) AND agent_id = :agent), 0)
      + COALESCE((SELECT SUM(LENGTH(meters)) FROM device WHERE agent_id = :agent), 0)
      + COALESCE((SELECT SUM(LENGTH(device_id) + LENGTH(reason)) FROM loss WHERE agent_id = :agent), 0)"""


class SqliteReadings:
    """The read side: each question opens its own connection, so any thread or process may ask."""

    def __init__(self, path: Path) -> None:
        self.path = path

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
            found = Catalogue.load(db).newest()
        wanted = None if agents is None else set(agents)
        return [d for d in found if wanted is None or d.agent_id in wanted]

    def series(self, meter_ids: Sequence[str], t0_ns: int, t1_ns: int) -> list[Series]:
        device_ids = {meter_id.rsplit(":", 1)[0] for meter_id in meter_ids}
        with closing(schema.reader(self.path)) as db:
            found: dict[str, list[Piece]] = pieces(db, device_ids, t0_ns, t1_ns)
        return [s for meter_id in meter_ids for s in series_of(meter_id, found[meter_id.rsplit(":", 1)[0]], t0_ns, t1_ns)]

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
        return [
            HostState(agent_id, epoch_ns, t_ns, bool(same_clock), ClockState(**json.loads(clock)), overhead(cost))
            for agent_id, epoch_ns, t_ns, same_clock, clock, cost in rows
        ]


class SqliteStore(SqliteReadings):
    """The write side: one per readings.db, in the ingest process."""

    def __init__(self, path: Path, *, seal_after_ns: int = 600 * NS_PER_S) -> None:
        """Open or create `path`. Raises EnvironmentFailed for another schema version."""
        super().__init__(path)
        self._span_ns = seal_after_ns
        self._writer = Writer(path, schema.prepare)

    def append(self, received: Received, *, after: Future[bool] | None = None) -> Future[bool]:
        def work(db: sqlite3.Connection) -> bool:
            if after is not None and after.done() and after.exception() is not None:
                raise sqlite3.OperationalError("the batch before it was not stored")
            return insert(db, received)

        return self._writer.submit(work)

    def stored_bytes(self, agent_id: str) -> int:
        with closing(schema.reader(self.path)) as db:
            return int(db.execute(STORED_BYTES, {"agent": agent_id}).fetchone()[0])

    def opened(self, agent_id: str) -> Future[None]:
        return self._writer.submit(lambda db: count_stream(db, agent_id))

    def seal(self, now_ns: int, *, everything: bool = False) -> int:
        with closing(schema.reader(self.path)) as db:
            spans = list(sealing.spans(db, now_ns, span_ns=self._span_ns, everything=everything))
        count, waiting = 0, set()
        for span in spans:
            if (span.agent_id, span.epoch_ns) in waiting:
                continue
            with closing(schema.reader(self.path)) as db:
                sealed = sealing.encode(db, span)
            if sealed is None:
                waiting.add((span.agent_id, span.epoch_ns))
                continue
            self._writer.submit(sealed.store).result()
            count += len(sealed.chunks)
        return count

    def close(self) -> None:
        self._writer.close()


def count_stream(db: sqlite3.Connection, agent_id: str) -> None:
    """One more stream of the agent."""
    db.execute(
        """INSERT INTO agent (agent_id, streams_opened) VALUES (?, 1)
           ON CONFLICT (agent_id) DO UPDATE SET streams_opened = streams_opened + 1""",
        (agent_id,),
    )


def insert(db: sqlite3.Connection, received: Received) -> bool:
    """Store a batch once. False when the store has it already, or sealed it long ago. Raises AlteredBatch for another one of its key."""
    key = (received.agent_id, received.view.epoch_ns, received.view.batch_seq)
    sealed = db.execute("SELECT 1 FROM stream WHERE agent_id = ? AND epoch_ns = ? AND sealed_seq >= ?", key).fetchone()
    t0_ns, t1_ns, sample_count = extent(received)
    new = (
        not sealed
        and db.execute(
            "INSERT OR IGNORE INTO log (agent_id, epoch_ns, batch_seq, rx_ns, t0_ns, t1_ns, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*key, received.rx_ns, t0_ns, t1_ns, received.body),
        ).rowcount
    )
    if not new:
        stored = db.execute("SELECT body FROM log WHERE agent_id = ? AND epoch_ns = ? AND batch_seq = ?", key).fetchone()
        if stored is not None and stored[0] != received.body:
            raise AlteredBatch(f"batch {key[2]} of epoch {key[1]} of agent {key[0]!r} is stored already, with other content")
        db.execute("UPDATE stream SET duplicate_count = duplicate_count + 1 WHERE agent_id = ? AND epoch_ns = ?", key[:2])
        return False
    offset_ns = to_axis_ns(received)
    insert_stream(db, received, t1_ns=t1_ns, sample_count=sample_count)
    insert_devices(db, received)
    db.executemany(
        "INSERT INTO loss (agent_id, device_id, sample_count, first_ns, last_ns, reason) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (received.agent_id, x.device_id, x.sample_count, x.first_ns + offset_ns, x.last_ns + offset_ns, x.reason)
            for x in received.view.losses
        ],
    )
    return True


def insert_stream(db: sqlite3.Connection, received: Received, *, t1_ns: int, sample_count: int) -> None:
    """Count the batch in its epoch, remember the first known clock, and keep the clock and cost every ten seconds."""
    view = received.view
    row = db.execute(
        """INSERT INTO stream (agent_id, epoch_ns, boot_id, same_clock, acked_seq, batch_count, sample_count,
             first_rx_ns, last_rx_ns, last_ns) VALUES (:agent, :epoch, :boot, :same, :seq, 1, :samples, :rx, :rx, :last)
           ON CONFLICT (agent_id, epoch_ns) DO UPDATE SET acked_seq = MAX(acked_seq, excluded.acked_seq), batch_count = batch_count + 1,
             sample_count = sample_count + excluded.sample_count, last_rx_ns = excluded.last_rx_ns, last_ns = MAX(last_ns, excluded.last_ns)
           RETURNING id, known_at_ns, state_ns""",
        {
            "agent": received.agent_id,
            "epoch": view.epoch_ns,
            "boot": view.boot_id,
            "same": received.same_clock,
            "seq": view.batch_seq,
            "samples": sample_count,
            "rx": received.rx_ns,
            "last": t1_ns if sample_count else 0,
        },
    ).fetchone()
    stream_id, known_at_ns, state_ns = row
    clock = view.clock
    if known_at_ns is None and clock.offset_known:
        db.execute(
            """UPDATE stream SET known_offset_ns = :offset, known_bound_ns = :bound, known_at_ns = :at,
                 same_clock = same_clock AND :offset = 0, last_ns = :last WHERE id = :id""",
            {"offset": clock.offset_ns, "bound": clock.bound_ns, "at": view.closed_ns, "last": t1_ns, "id": stream_id},
        )
        for table in ("log", "chunk"):  # what came before was dated without the offset
            db.execute(
                f"UPDATE {table} SET t0_ns = t0_ns + :offset, t1_ns = t1_ns + :offset WHERE agent_id = :agent AND epoch_ns = :epoch"
                + (" AND batch_seq < :seq" if table == "log" else ""),
                {"offset": clock.offset_ns, "agent": received.agent_id, "epoch": view.epoch_ns, "seq": view.batch_seq},
            )
    if abs(view.closed_ns - state_ns) >= STATE_PERIOD_NS:
        db.execute("UPDATE stream SET state_ns = ? WHERE id = ?", (view.closed_ns, stream_id))
        db.execute(
            "INSERT INTO state (agent_id, epoch_ns, t_ns, clock, overhead) VALUES (?, ?, ?, ?, ?)",
            (received.agent_id, view.epoch_ns, view.closed_ns, json.dumps(asdict(clock)), json.dumps(asdict(view.overhead))),
        )


def insert_devices(db: sqlite3.Connection, received: Received) -> None:
    """Keep the descriptions of a batch that differ from the last ones."""
    for device in received.view.devices:
        key = (received.agent_id, device.device_id)
        meters = json.dumps([meter.to_json() for meter in device.meters])
        last = db.execute(
            "SELECT meters FROM device WHERE agent_id = ? AND device_id = ? ORDER BY epoch_ns DESC, batch_seq DESC LIMIT 1", key
        ).fetchone()
        if last is None or last[0] != meters:
            db.execute(
                "INSERT INTO device (agent_id, device_id, epoch_ns, batch_seq, meters) VALUES (?, ?, ?, ?, ?)",
                (*key, received.view.epoch_ns, received.view.batch_seq, meters),
            )


def extent(received: Received) -> tuple[int, int, int]:
    """(first, last, number of samples) of a batch, on the collector's axis; its closing time twice when it holds none."""
    first, last, count = [], [], 0
    for block in received.view.blocks:
        t_ns = np.frombuffer(block.mono_delta_ns, "<i8") + np.frombuffer(block.utc_minus_mono_ns, "<i8") + block.base_mono_ns
        first.append(int(t_ns.min()))
        last.append(int(t_ns.max()))
        count += block.row_count
    offset_ns = to_axis_ns(received)
    closed_ns = received.view.closed_ns
    return min(first, default=closed_ns) + offset_ns, max(last, default=closed_ns) + offset_ns, count


def to_axis_ns(received: Received) -> int:
    """Add to the agent's UTC for the collector's, as far as the batch knows."""
    clock = received.view.clock
    return clock.offset_ns if clock.offset_known else 0


def overhead(text: str) -> Overhead:
    """Inverse of `asdict` and JSON."""
    data = json.loads(text)
    return Overhead(**{**data, "meters": tuple(MeterCost(**m) for m in data["meters"])})
