"""What readings.db knows of the archive: which spans lie there, on which shard, and of what they consist.

A span is what of one agent was sealed at once. Its row here is the only thing that makes its chunks count: a shard may hold more than is
known here, of a seal that is not finished, and whatever it lacks of what is known here is missed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from joulemark.collector.store.chunks import marks

KEPT: Final = "kept"
DUE: Final = "due"
DELETED: Final = "deleted"
COLUMNS: Final = "id, agent_id, epoch_ns, last_seq, begin_ns, shard, revision, t0_ns, t1_ns, moved_ns, chunks, raw"
PLACE_BITS: Final = 20
FILE_BITS: Final = 48

Key = tuple[str, int, int, int, int]
"""Agent, epoch, last batch as `called`, begin and revision: what a span is called on its shard."""


def called(last_seq: int, file: int) -> int:
    """The last batch of a span as its shard knows it. Each ingest process counts its descriptions alone, and an operator may have had one
    batch sent to two of them: so no two files call anything alike, and those of the first file are what they are.
    """
    return last_seq + (file << FILE_BITS) if last_seq >= 0 else last_seq - (file << FILE_BITS)


@dataclass(frozen=True)
class Archived:
    """A row of `archived`. `t0_ns`, `t1_ns`: its first and last reading, on the axis; `moved_ns`: by how much these moved since its shard
    was told. `raw`: KEPT, DUE to be deleted, or DELETED; of the last two only the sums are read.
    """

    row: int
    agent_id: str
    epoch_ns: int
    last_seq: int
    begin_ns: int
    shard: str
    revision: int
    t0_ns: int
    t1_ns: int
    moved_ns: int
    chunks_json: str
    raw: str

    @cached_property
    def chunks(self) -> Sequence[tuple[int, int]]:
        """(description, which of its meters have a sum) of each chunk."""
        return [(description, mask) for description, mask in json.loads(self.chunks_json)]

    @property
    def key(self) -> Key:
        """What its shard calls it."""
        return self.agent_id, self.epoch_ns, self.last_seq, self.begin_ns, self.revision

    def number(self, place: int) -> int:
        """The number of one of its chunks: below 0, so that it is none of readings.db."""
        return -(self.row << PLACE_BITS | place)


Wanted = tuple[Archived, int]
"""A chunk: its span, and its place there."""


def place_of(number: int) -> tuple[int, int]:
    """Row of the span and place there, of a chunk's number."""
    return -number >> PLACE_BITS, -number & (1 << PLACE_BITS) - 1


def described(db: sqlite3.Connection, device_ids: Collection[str]) -> Mapping[int, tuple[str, str, str]]:
    """(agent, device, meters as JSON) of every description of some devices, by its row."""
    query = f"SELECT id, agent_id, device_id, meters FROM device WHERE device_id IN ({marks(device_ids)})"
    return {row: (agent_id, device_id, meters) for row, agent_id, device_id, meters in db.execute(query, list(device_ids))}


def touching(db: sqlite3.Connection, agents: Collection[str], t0_ns: int, t1_ns: int) -> Iterator[Archived]:
    """Spans of some agents that touch [t0_ns, t1_ns]."""
    query = f"SELECT {COLUMNS} FROM archived WHERE agent_id IN ({marks(agents)}) AND t0_ns <= ? AND t1_ns >= ? ORDER BY t0_ns"
    for row in db.execute(query, [*agents, t1_ns, t0_ns]):
        yield Archived(*row)


def after(db: sqlite3.Connection, row: int, begin_ns: int) -> Iterator[Archived]:
    """Spans sealed after that of `row` which reach beyond `begin_ns`."""
    for found in db.execute(f"SELECT {COLUMNS} FROM archived WHERE id > ? AND t1_ns >= ?", (row, begin_ns)):
        yield Archived(*found)


def of_rows(db: sqlite3.Connection, rows: Collection[int]) -> Mapping[int, Archived]:
    """Spans by their rows."""
    query = f"SELECT {COLUMNS} FROM archived WHERE id IN ({marks(rows)})"
    return {found[0]: Archived(*found) for found in db.execute(query, list(rows))}


def last_row(db: sqlite3.Connection) -> int:
    """The row of the newest span."""
    return int(db.execute("SELECT COALESCE(MAX(id), 0) FROM archived").fetchone()[0])


def stored_bytes(db: sqlite3.Connection, agent_id: str) -> int:
    """Bytes of the chunks of an agent that are kept."""
    query = "SELECT COALESCE(SUM(byte_count), 0) FROM archived WHERE agent_id = ? AND raw = ?"
    return int(db.execute(query, (agent_id, KEPT)).fetchone()[0])
