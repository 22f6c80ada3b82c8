"""Sealed chunks and their sums as who reads them back sees them, wherever they lie: in readings.db unless an archive is configured."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple, Protocol

from joulemark.errors import InsufficientData
from joulemark.timebase import iso_utc

CHUNK_COLUMNS: Final = "id, agent_id, epoch_ns, device, device_id, t0_ns, t1_ns, layout, body"
SUM_COLUMNS: Final = "t0_ns, t1_ns, n, first, last, double_integral, longest_ns, first_stamp_ns, last_stamp_ns"
NO_CHUNK: Final = 0
"""In the place of a chunk's number: the row is of an hour."""
STORED_BYTES: Final = """SELECT COALESCE(SUM(LENGTH(body) + LENGTH(layout)), 0) FROM chunk
    WHERE device_id IN (SELECT device_id FROM device WHERE agent_id = :agent) AND agent_id = :agent"""

Place = tuple[int, int]
"""How far somebody has read: the last chunk of readings.db, and the last span of an archive."""


class Chunk(NamedTuple):
    """A sealed chunk. `number` names it to the store that gave it; `device`: row of its description."""

    number: int
    agent_id: str
    epoch_ns: int
    device: int
    device_id: str
    t0_ns: int
    t1_ns: int
    layout: str
    body: bytes


class Row(NamedTuple):
    """The sum of a meter over one chunk: the chunk's number, its first and last reading, how many, twice the integral between them, and
    what tells whether it stands for its chunk (see `integral`).
    """

    chunk: int
    t0_ns: int
    t1_ns: int
    readings: int
    first: int
    last: int
    double: int | str
    longest_ns: int | None
    first_stamp_ns: int | None
    last_stamp_ns: int | None


class Chunks(Protocol):
    """What can be asked of sealed chunks. `db` is the open readings.db of the question: what it does not know as sealed is not shown."""

    def around(self, db: sqlite3.Connection, device_ids: Collection[str], t0_ns: int, t1_ns: int) -> Sequence[Chunk]:
        """Those of some devices that touch [t0_ns, t1_ns], by their begin."""
        ...

    def numbered(self, db: sqlite3.Connection, numbers: Collection[int]) -> Sequence[Chunk]:
        """Those of these numbers, by their begin."""
        ...

    def newer(self, db: sqlite3.Connection, last: Place, begin_ns: int) -> tuple[Sequence[Chunk], Place]:
        """Those sealed since `last` that reach beyond `begin_ns`, and how far that is."""
        ...

    def sums(self, db: sqlite3.Connection, meter_id: str, t0_ns: int, t1_ns: int) -> Sequence[Row]:
        """Rows of a meter that touch [t0_ns, t1_ns], by their begin. They have the fields of `Row`, and may be plain tuples."""
        ...

    def begun(self, db: sqlite3.Connection, meter_id: str, t0_ns: int, t1_ns: int) -> Sequence[Row]:
        """The same, of those that begin in [t0_ns, t1_ns]."""
        ...

    def hours(self, db: sqlite3.Connection, meter_id: str, first: int, last: int) -> Sequence[Row]:
        """What the rows of a meter that begin in one hour come to, for the hours `first` to `last`; a store may have none."""
        ...

    def stored_bytes(self, db: sqlite3.Connection, agent_id: str) -> int:
        """Bytes that the chunks of an agent take."""
        ...


class LocalChunks:
    """Those in the tables of readings.db itself."""

    def around(self, db: sqlite3.Connection, device_ids: Collection[str], t0_ns: int, t1_ns: int) -> Sequence[Chunk]:
        query = f"""SELECT {CHUNK_COLUMNS} FROM chunk
            WHERE device_id IN ({marks(device_ids)}) AND t0_ns <= ? AND t1_ns >= ? ORDER BY t0_ns"""
        return read(db, query, [*device_ids, t1_ns, t0_ns])

    def numbered(self, db: sqlite3.Connection, numbers: Collection[int]) -> Sequence[Chunk]:
        query = f"SELECT {CHUNK_COLUMNS} FROM chunk WHERE id IN ({marks(numbers)}) ORDER BY t0_ns, id"
        return read(db, query, list(numbers))

    def newer(self, db: sqlite3.Connection, last: Place, begin_ns: int) -> tuple[Sequence[Chunk], Place]:
        query = f"SELECT {CHUNK_COLUMNS} FROM chunk WHERE id > ? AND t1_ns >= ?"
        return read(db, query, (last[0], begin_ns)), (db.execute("SELECT COALESCE(MAX(id), 0) FROM chunk").fetchone()[0], last[1])

    def sums(self, db: sqlite3.Connection, meter_id: str, t0_ns: int, t1_ns: int) -> Sequence[Row]:
        query = f"SELECT chunk, {SUM_COLUMNS} FROM chunk_sum WHERE meter_id = ? AND t0_ns <= ? AND t1_ns >= ? ORDER BY t0_ns"
        return db.execute(query, (meter_id, t1_ns, t0_ns)).fetchall()

    def begun(self, db: sqlite3.Connection, meter_id: str, t0_ns: int, t1_ns: int) -> Sequence[Row]:
        query = f"SELECT chunk, {SUM_COLUMNS} FROM chunk_sum WHERE meter_id = ? AND t0_ns BETWEEN ? AND ? ORDER BY t0_ns"
        return db.execute(query, (meter_id, t0_ns, t1_ns)).fetchall()

    def hours(self, db: sqlite3.Connection, meter_id: str, first: int, last: int) -> Sequence[Row]:
        query = f"SELECT {NO_CHUNK}, {SUM_COLUMNS} FROM hour_sum WHERE meter_id = ? AND hour BETWEEN ? AND ? ORDER BY hour"
        return db.execute(query, (meter_id, first, last)).fetchall()

    def stored_bytes(self, db: sqlite3.Connection, agent_id: str) -> int:
        return int(db.execute(STORED_BYTES, {"agent": agent_id}).fetchone()[0])


LOCAL: Final = LocalChunks()


def read(db: sqlite3.Connection, query: str, parameters: Sequence[object]) -> list[Chunk]:
    """Chunks of a query. Raises InsufficientData where the content of one was deleted on purpose (see `retention`)."""
    found = [Chunk._make(row) for row in db.execute(query, parameters)]
    if gone := [chunk for chunk in found if not chunk.layout]:
        raise deleted(", ".join(sorted({one.agent_id for one in gone})), min(one.t0_ns for one in gone), max(one.t1_ns for one in gone))
    return found


def deleted(of: str, t0_ns: int, t1_ns: int) -> InsufficientData:
    """The error for readings of an agent that are not kept any more."""
    return InsufficientData(
        f"the readings of {of} from {iso_utc(t0_ns)} to {iso_utc(t1_ns)} were deleted: they were in no run and older than "
        "collector.keep_raw_days",
        "ask for an energy that neither begins nor ends there: their sums still tell it",
    )


def marks(values: Collection[object]) -> str:
    """As many question marks as values."""
    return ", ".join("?" * len(values))
