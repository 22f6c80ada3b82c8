"""Sealing: ten minutes of an agent's log become one chunk for each device, with exact sums, and leave the log in the same transaction.

A batch holds many devices, so whole batches are sealed: the oldest of an epoch, up to the span. What a batch holds of its clock
goes into columns; its losses and descriptions were stored when it came.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from joulemark.collector.store.base import Described
from joulemark.collector.store.chunks import SUM_COLUMNS
from joulemark.collector.store.codec import Orders
from joulemark.collector.store.columns import Columns, FirstClock
from joulemark.collector.store.integral import counted
from joulemark.collector.store.pieces import Catalogue, Piece, first_clocks
from joulemark.collector.store.points import points_of, undated, whole
from joulemark.collector.store.sums import refresh, stored
from joulemark.energy.series import Int64
from joulemark.proto import convert
from joulemark.proto.messages import BatchView, BlockView, ClockState
from joulemark.readings import Quantity


@dataclass(frozen=True, slots=True)
class Span:
    """The log rows of one epoch to seal: batch_seq up to `last_seq`."""

    agent_id: str
    epoch_ns: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """One row of `chunk` and its rows of `chunk_sum`."""

    row: tuple[Any, ...]
    sums: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encoded span, ready to take the place of its log rows, as long as `clock` dates what did not know its offset."""

    span: Span
    chunks: tuple[Chunk, ...]
    clock: FirstClock | None = None

    def store(self, db: sqlite3.Connection) -> bool:
        """Insert the chunks and delete the batches they were made of, in the transaction of `db`; False when `clock` changed since."""
        if not self.leave_log(db):
            return False
        for chunk in self.chunks:
            chunk_id = db.execute(
                "INSERT INTO chunk (agent_id, epoch_ns, device, device_id, t0_ns, t1_ns, layout, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                chunk.row,
            ).lastrowid
            db.executemany(
                f"INSERT INTO chunk_sum (chunk, meter_id, {SUM_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(chunk_id, *values) for values in chunk.sums],
            )
        for meter_id, t0_ns in {(values[0], values[1]) for chunk in self.chunks for values in chunk.sums}:
            refresh(db, meter_id, t0_ns)
        return True

    def leave_log(self, db: sqlite3.Connection) -> bool:
        """Delete the batches from the log, in the transaction of `db`; False, and nothing is done, when `clock` changed since."""
        if first_clocks(db).get((self.span.agent_id, self.span.epoch_ns)) != self.clock:
            return False
        key = (self.span.last_seq, self.span.agent_id, self.span.epoch_ns)
        db.execute("UPDATE stream SET sealed_seq = ? WHERE agent_id = ? AND epoch_ns = ?", key)
        db.execute("DELETE FROM log WHERE batch_seq <= ? AND agent_id = ? AND epoch_ns = ?", key)
        return True


Spans = Callable[[sqlite3.Connection], Iterable[Span]]
"""What of a log is to be sealed."""


class Sealer(Protocol):
    """What seals the log into an archive."""

    def seal(self, now_ns: int, spans: Spans, *, stopped: Callable[[], bool]) -> int:
        """Seal `spans` of the log, in their order for each agent, until `stopped`; how many chunks were made."""
        ...


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
    orders: dict[tuple[str, ...], Orders] = defaultdict(dict)
    parts = [Piece(described, Columns.from_blocks(found), clock) for described, found in blocks.values()]
    return Sealed(span, tuple(chunk_of(span, part, orders[kind(part)]) for part in parts), clock)


def kind(part: Piece) -> tuple[str, ...]:
    """What a device shows: columns of devices of one kind look alike."""
    return tuple(meter.quantity for meter in part.described.device.meters)


def chunk_of(span: Span, part: Piece, orders: Orders) -> Chunk:
    """The rows that a piece becomes."""
    layout, body = part.columns.seal(orders)
    t_ns, described = part.columns.axis_ns(part.first_clock), part.described
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
    return Chunk(row, tuple(sums(part, t_ns)))


def sums(part: Piece, t_ns: Int64) -> Iterator[tuple[object, ...]]:
    """For each power with readings that count what `sums.Row` holds, after its id instead of a chunk. `t_ns`: of each row on the axis."""
    for index, meter in enumerate(part.described.device.meters):
        if meter.quantity is Quantity.POWER:
            points = undated(t_ns - meter.lag_ns, whole(part.columns.values[index])) if part.columns.plainly_dated(index) else None
            if points is None:
                series = counted(part.columns.series(index, meter, part.first_clock))
                points = points_of(series.t_ns, series.value) if len(series) else None
            if points is not None:
                row = points.summed()
                yield meter.meter_id, *row[1:6], stored(int(row.double)), row.longest_ns, *part.columns.stamps(index, meter)
