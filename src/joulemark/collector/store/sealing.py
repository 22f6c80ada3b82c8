"""Sealing: ten minutes of an agent's log become one chunk for each device, with exact sums, and leave the log in the same transaction.

A batch holds many devices, so whole batches are sealed: the oldest of an epoch, up to the span. What a batch holds of its clock
goes into columns; its losses and descriptions were stored when it came.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from joulemark.collector.store.base import Described
from joulemark.collector.store.columns import Columns, FirstClock, double_integral
from joulemark.collector.store.integral import counted
from joulemark.collector.store.pieces import Catalogue, Piece, first_clocks
from joulemark.proto import convert
from joulemark.proto.messages import BatchView, BlockView, ClockState
from joulemark.readings import Quantity

INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Span:
    """The log rows of one epoch to seal: batch_seq up to `last_seq`."""

    agent_id: str
    epoch_ns: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One row of `chunk` and its rows of `chunk_sum`."""

    row: tuple[object, ...]
    sums: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encoded span, ready to take the place of its log rows, as long as `clock` dates what did not know its offset."""

    span: Span
    chunks: tuple[Chunk, ...]
    clock: FirstClock | None = None

    def store(self, db: sqlite3.Connection) -> bool:
        """Insert the chunks and delete the batches they were made of, in the transaction of `db`; False when `clock` changed since."""
        if first_clocks(db).get((self.span.agent_id, self.span.epoch_ns)) != self.clock:
            return False
        for chunk in self.chunks:
            chunk_id = db.execute(
                "INSERT INTO chunk (agent_id, epoch_ns, device, device_id, t0_ns, t1_ns, layout, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                chunk.row,
            ).lastrowid
            db.executemany(
                """INSERT INTO chunk_sum (chunk, meter_id, t0_ns, t1_ns, n, first, last, double_integral, longest_ns, first_stamp_ns,
                     last_stamp_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                [(chunk_id, *values) for values in chunk.sums],
            )
        key = (self.span.last_seq, self.span.agent_id, self.span.epoch_ns)
        db.execute("UPDATE stream SET sealed_seq = ? WHERE agent_id = ? AND epoch_ns = ?", key)
        db.execute("DELETE FROM log WHERE batch_seq <= ? AND agent_id = ? AND epoch_ns = ?", key)
        return True


def spans(db: sqlite3.Connection, now_ns: int, *, span_ns: int, everything: bool = False) -> Iterator[Span]:
    """Finished spans in the log. One is finished when a later batch lies beyond it, or its epoch has been silent for as long."""
    epochs = db.execute("SELECT agent_id, epoch_ns, last_rx_ns FROM stream ORDER BY id").fetchall()
    for agent_id, epoch_ns, last_rx_ns in epochs:
        rows = db.execute(
            "SELECT batch_seq, t0_ns FROM log WHERE agent_id = ? AND epoch_ns = ? ORDER BY batch_seq", (agent_id, epoch_ns)
        ).fetchall()
        done = everything or now_ns - last_rx_ns >= span_ns
        begin_ns, last_seq = None, None
        for batch_seq, t0_ns in rows:
            if begin_ns is None or last_seq is None:
                begin_ns = t0_ns
            elif t0_ns - begin_ns >= span_ns:
                yield Span(agent_id, epoch_ns, last_seq)
                begin_ns = t0_ns
            last_seq = batch_seq
        if done and last_seq is not None:
            yield Span(agent_id, epoch_ns, last_seq)


def encode(db: sqlite3.Connection, span: Span) -> Sealed | None:
    """The chunks of a span; None while it holds a block that its agent has not described yet, which then stays in the log."""
    catalogue = Catalogue.load(db, agent_id=span.agent_id)
    clock = first_clocks(db).get((span.agent_id, span.epoch_ns))
    blocks: dict[int, tuple[Described, list[tuple[BlockView, ClockState]]]] = {}
    query = "SELECT batch_seq, body FROM log WHERE agent_id = ? AND epoch_ns = ? AND batch_seq <= ? ORDER BY batch_seq"
    for batch_seq, body in db.execute(query, (span.agent_id, span.epoch_ns, span.last_seq)):
        view: BatchView = convert.decode(body)
        for block in view.blocks:
            described = catalogue.in_force(span.agent_id, block, (span.epoch_ns, batch_seq))
            if described is None:
                return None
            blocks.setdefault(described.row, (described, []))[1].append((block, view.clock))
    parts = [Piece(described, Columns.from_blocks(found), clock) for described, found in blocks.values()]
    return Sealed(span, tuple(chunk_of(span, part) for part in parts), clock)


def chunk_of(span: Span, part: Piece) -> Chunk:
    """The rows that a piece becomes."""
    layout, body = part.columns.seal()
    t_ns, described = part.columns.utc_ns() + part.columns.clock(part.first_clock)[0], part.described
    row = (
        span.agent_id,
        span.epoch_ns,
        described.row,
        described.device.device_id,
        int(t_ns.min()),
        int(t_ns.max()),
        layout,
        body,
    )
    return Chunk(row, tuple(sums(part)))


def sums(part: Piece) -> Iterator[tuple[object, ...]]:
    """For each meter with readings that count: id, first and last time, count, first and last value, twice the integral (power only), the
    longest time between two, and the device's own times of the first and the last row.

    An integral beyond int64 is stored as decimal text; adding sums up is Python's business, never SQL's.
    """
    for index, meter in enumerate(part.described.device.meters):
        series = counted(part.columns.series(index, meter, part.first_clock))
        if len(series):
            exact = double_integral(series.t_ns, series.value) if meter.quantity is Quantity.POWER else None
            stored = str(exact) if exact is not None and abs(exact) > INT64_MAX else exact
            t_ns, value = series.t_ns, series.value
            longest_ns = int(np.diff(t_ns).max(initial=0))
            ends = (int(t_ns[0]), int(t_ns[-1]), len(series), int(value[0]), int(value[-1]))
            yield meter.meter_id, *ends, stored, longest_ns, *part.columns.stamps(index, meter)
