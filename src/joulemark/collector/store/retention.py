"""Deleting old raw readings from readings.db: a chunk that is not kept loses its content, while its row, its sums and its hour stay.

What is emptied is told by an empty layout, and asking for it is an error. Its pages are used again; the file does not shrink.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from joulemark.collector.store import schema
from joulemark.collector.store.chunks import LOCAL
from joulemark.collector.store.keeping import EVERY_NS, Keeping, Kept, needed
from joulemark.collector.store.pieces import SLACK_NS, Catalogue
from joulemark.collector.store.writer import Writer
from joulemark.readings import Quantity

log = logging.getLogger("joulemark.collector.retention")

AT_ONCE: Final = 500
"""Chunks of one transaction: batches of agents are committed between two of them."""

START: Final = (-(2**63), 0)
OLD: Final = """SELECT id, agent_id, device_id, t0_ns, t1_ns FROM chunk WHERE layout != '' AND (t1_ns, id) > (?, ?) AND t1_ns < ?
  ORDER BY t1_ns, id LIMIT ?"""
STEPPED: Final = "SELECT 1 FROM clock_step WHERE agent_id = ? AND t_ns - unc_ns <= ? AND t_ns + unc_ns >= ? LIMIT 1"
COUNT: Final = """INSERT INTO deletion (id, chunk_count, byte_count) VALUES (1, ?, ?) ON CONFLICT (id)
  DO UPDATE SET chunk_count = chunk_count + excluded.chunk_count, byte_count = byte_count + excluded.byte_count"""


class Old(NamedTuple):
    """A chunk with its content that ended before what is kept."""

    number: int
    agent_id: str
    device_id: str
    t0_ns: int
    t1_ns: int


class Retention:
    """Empties what `keeping` does not keep of the chunks in the readings.db at `path`, whose only `writer` it is given."""

    def __init__(self, path: Path, writer: Writer, keeping: Keeping) -> None:
        self._path, self._writer, self._keeping = path, writer, keeping
        self._last_ns: int | None = None

    def apply(self, now_ns: int, *, stopped: Callable[[], bool] = lambda: False) -> int:
        """Once an hour; how many chunks were emptied. Between two transactions it ends when `stopped`, and goes on in the next hour."""
        if self._last_ns is not None and now_ns - self._last_ns < EVERY_NS:
            return 0
        self._last_ns = now_ns
        kept = self._keeping.at(now_ns)
        chunks = byte_count = 0
        place: tuple[int, int] | None = START if kept is not None else None
        while kept is not None and place is not None and not stopped():
            due, place = self._due(kept, place)
            count, size = self._writer.submit(emptying(due)).result() if due else (0, 0)
            chunks, byte_count = chunks + count, byte_count + size
        if chunks:
            log.info("deleted %d chunks of raw readings, %d bytes; their sums stay", chunks, byte_count)
        return chunks

    def _due(self, kept: Kept, place: tuple[int, int]) -> tuple[list[Old], tuple[int, int] | None]:
        """What is to be emptied of the next chunks behind `place`, and how far these reach; None behind the last."""
        with closing(schema.reader(self._path)) as db:
            old = [Old._make(row) for row in db.execute(OLD, (*place, kept.since_ns, AT_ONCE))]
            by_device: dict[str, list[Old]] = defaultdict(list)
            for one in old:
                if not kept.holds(one.t0_ns, one.t1_ns):
                    by_device[one.device_id].append(one)
            due = [one for device_id, chunks in by_device.items() for one in spare(db, device_id, chunks)]
        return due, (old[-1].t1_ns, old[-1].number) if len(old) == AT_ONCE else None


def spare(db: sqlite3.Connection, device_id: str, chunks: Sequence[Old]) -> list[Old]:
    """Those of a device without which every energy over them is still told by sums.

    Its newest chunk is none of them, for it is read with the log that follows; nor is one around a step of the clock.
    """
    (newest_ns,) = db.execute("SELECT MAX(t0_ns) FROM chunk WHERE device_id = ?", (device_id,)).fetchone()
    histories = Catalogue.load(db, [device_id]).by_device.values()
    powers = {m.meter_id for history in histories for d in history for m in d.device.meters if m.quantity is Quantity.POWER}
    read = needed(LOCAL, db, powers, min(one.t0_ns for one in chunks), max(one.t1_ns for one in chunks))
    return [one for one in chunks if one.number not in read and one.t0_ns < newest_ns and not stepped(db, one)]


def stepped(db: sqlite3.Connection, one: Old) -> bool:
    """Whether the clock of its agent may have been stepped around a chunk: then its readings are dated anew whenever they are asked for."""
    return db.execute(STEPPED, (one.agent_id, one.t1_ns + SLACK_NS, one.t0_ns - SLACK_NS)).fetchone() is not None


def emptying(due: Sequence[Old]) -> Callable[[sqlite3.Connection], tuple[int, int]]:
    """What empties chunks and counts them with their bytes; one that was moved in time since it was looked at is left for the next hour."""

    def work(db: sqlite3.Connection) -> tuple[int, int]:
        chunks = byte_count = 0
        for one in due:
            key = one.number, one.t0_ns, one.t1_ns
            sizes = "SELECT LENGTH(layout) + LENGTH(body) FROM chunk WHERE id = ? AND t0_ns = ? AND t1_ns = ?"
            for (size,) in db.execute(sizes, key).fetchall():
                db.execute("UPDATE chunk SET layout = '', body = x'' WHERE id = ?", (one.number,))
                chunks, byte_count = chunks + 1, byte_count + size
        count(db, chunks, byte_count)
        return chunks, byte_count

    return work


def count(db: sqlite3.Connection, chunks: int, byte_count: int) -> None:
    """Add to what was ever deleted."""
    db.execute(COUNT, (chunks, byte_count))
