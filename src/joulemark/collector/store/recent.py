"""The readings of the last minutes, each batch decoded once: who asks every second shall not pay for ten minutes of log each time."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from joulemark.collector.store import schema
from joulemark.collector.store.chunks import LOCAL, Chunks, Place
from joulemark.collector.store.columns import Columns, FirstClock
from joulemark.collector.store.pieces import SLACK_NS, Catalogue, Piece, first_clocks, merged, series_of
from joulemark.energy.series import Series
from joulemark.proto import convert
from joulemark.units import NS_PER_S

KEEP_NS: Final = 300 * NS_PER_S
"""How far back it reaches: 9 bytes a value and 57 a read, so 16 hosts of 8 GPUs at 10 Hz take some 40 MB."""

Key = tuple[int, int, str]
"""Epoch, number and agent of a batch, in which order they are read back."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one device that came in one batch, or lie in one chunk. `row`: its description, None where that is still to be found."""

    agent_id: str
    since: tuple[int, int]
    device_id: str
    columns: Columns
    t0_ns: int
    t1_ns: int
    row: int | None = None

    @property
    def epoch(self) -> tuple[str, int]:
        """Agent and its start."""
        return self.agent_id, self.since[0]


@dataclass(slots=True)
class Recent:
    """What was stored lately in the file `path`. Its answers are those of the store, under any order of batches and after any sealing."""

    path: Path
    chunks: Chunks = LOCAL
    _batches: dict[Key, list[Part]] = field(default_factory=dict)
    _chunks: dict[int, Part] = field(default_factory=dict)
    _clocks: dict[tuple[str, int], FirstClock] = field(default_factory=dict)
    _sealed: dict[tuple[str, int], int] = field(default_factory=dict)
    _last_batch: tuple[int, Key] | None = None
    _last_chunk: Place = (0, 0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def series(self, meter_ids: Sequence[str], t0_ns: int, t1_ns: int, *, now_ns: int) -> list[Series] | None:
        """As `ReadingStore.series`; None for a time before KEEP_NS ago, which is not kept here. From any thread."""
        if t0_ns < now_ns - KEEP_NS:
            return None
        device_ids = {meter_id.rsplit(":", 1)[0] for meter_id in meter_ids}
        with self._lock, closing(schema.reader(self.path)) as db:
            self._advance(db, now_ns - KEEP_NS - SLACK_NS)
            found = self._pieces(Catalogue.load(db, device_ids), device_ids, t0_ns - SLACK_NS, t1_ns + SLACK_NS)
        return [s for meter_id in meter_ids for s in series_of(meter_id, found[meter_id.rsplit(":", 1)[0]], t0_ns, t1_ns)]

    def _advance(self, db: sqlite3.Connection, begin_ns: int) -> None:
        """Decode what came since the last look, and forget what lies before `begin_ns`."""
        self._forget_displaced(db)
        self._exchange_sealed(db)
        newer, self._last_chunk = self.chunks.newer(db, self._last_chunk, begin_ns)
        for number, agent_id, epoch_ns, row, device_id, t0_ns, t1_ns, layout, body in newer:
            self._chunks[number] = Part(agent_id, (epoch_ns, 0), device_id, Columns.unseal(layout, body), t0_ns, t1_ns, row)
        after = self._last_batch[0] if self._last_batch is not None and stands(db, self._last_batch) else 0
        batches = "SELECT agent_id, epoch_ns, batch_seq, t0_ns, t1_ns, body FROM log WHERE id > ? AND t1_ns >= ?"
        for agent_id, epoch_ns, batch_seq, t0_ns, t1_ns, body in db.execute(batches, (after, begin_ns)):
            if (epoch_ns, batch_seq, agent_id) not in self._batches:
                self._batches[epoch_ns, batch_seq, agent_id] = decoded(agent_id, body, t0_ns, t1_ns)
        newest = db.execute("SELECT id, epoch_ns, batch_seq, agent_id FROM log ORDER BY id DESC LIMIT 1").fetchone()
        self._last_batch = None if newest is None else (newest[0], newest[1:])
        self._batches = {key: parts for key, parts in self._batches.items() if parts and parts[0].t1_ns >= begin_ns}
        self._chunks = {number: part for number, part in self._chunks.items() if part.t1_ns >= begin_ns}

    def _forget_displaced(self, db: sqlite3.Connection) -> None:
        """Begin anew where the relation of a clock became known that moves what is held here: it happens once in the life of an agent."""
        clocks = first_clocks(db)
        if any(clocks.get(epoch) != clock for epoch, clock in self._clocks.items()):
            self._batches, self._chunks, self._sealed, self._last_batch, self._last_chunk = {}, {}, {}, None, (0, 0)
        self._clocks = clocks

    def _exchange_sealed(self, db: sqlite3.Connection) -> None:
        """Give up the batches that were sealed since: their chunks bring the same rows."""
        sealed = {(agent, epoch): seq for agent, epoch, seq in db.execute("SELECT agent_id, epoch_ns, sealed_seq FROM stream")}
        if sealed != self._sealed:
            self._batches = {key: parts for key, parts in self._batches.items() if key[1] > sealed[key[2], key[0]]}
            self._sealed = sealed

    def _pieces(self, catalogue: Catalogue, device_ids: Collection[str], begin_ns: int, end_ns: int) -> dict[str, list[Piece]]:
        """What `pieces.pieces` finds: descriptions and clocks are those of now, for a batch may be dated or described after it came."""
        rows = catalogue.by_row()
        found: dict[str, list[Piece]] = defaultdict(list)
        for part in self._ordered():
            if part.device_id in device_ids and part.t0_ns <= end_ns and part.t1_ns >= begin_ns:
                described = (
                    catalogue.fitting(part.agent_id, part.device_id, len(part.columns.values), part.since)
                    if part.row is None
                    else rows.get(part.row)
                )
                if described is not None:
                    found[part.device_id].append(Piece(described, part.columns, self._clocks.get(part.epoch)))
        return {device_id: merged(found[device_id]) for device_id in device_ids}

    def _ordered(self) -> Iterator[Part]:
        """Chunks by time, then batches by epoch and number."""
        yield from sorted(self._chunks.values(), key=lambda part: part.t0_ns)
        for key in sorted(self._batches):
            yield from self._batches[key]


def stands(db: sqlite3.Connection, last: tuple[int, Key]) -> bool:
    """Whether the newest batch that was seen is still there: else its number may have been given to another one."""
    return bool(db.execute("SELECT epoch_ns, batch_seq, agent_id FROM log WHERE id = ?", (last[0],)).fetchone() == last[1])


def decoded(agent_id: str, body: bytes, t0_ns: int, t1_ns: int) -> list[Part]:
    """The devices of one logged batch."""
    view = convert.decode(body)
    since = (view.epoch_ns, view.batch_seq)
    return [Part(agent_id, since, block.device_id, Columns.from_block(block, view.clock), t0_ns, t1_ns) for block in view.blocks]
