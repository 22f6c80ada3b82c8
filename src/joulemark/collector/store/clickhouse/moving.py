"""Moving what a readings.db holds onto the shards: copied in batches, compared there, and only then taken out of the file.

Nothing is written down of how far it got: whatever a shard holds as it should be is not sent again, and what it lacks or holds otherwise
is. So it may be killed at any moment and run again, and a second run after the last one finds nothing to do. Until the one transaction
that switches over, every chunk counts where it was. The collector is stopped meanwhile; agents keep their readings.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark.collector.store import schema
from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.sealer import Begun, archive
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.clickhouse.spans import called
from joulemark.collector.store.files import number_of
from joulemark.collector.store.pieces import parsed
from joulemark.collector.store.sealing import Span
from joulemark.collector.store.writer import Writer
from joulemark.errors import EnvironmentFailed

AT_ONCE: Final = 256
"""Chunks of one batch, some ten megabytes: each is compared where it lies before the next one is sent."""

REVISION: Final = 1
CHUNK_ROWS: Final = """SELECT last_seq, epoch_ns, begin_ns, description, device_id, t0_ns, t1_ns, meters, SHA256(concat(layout, body))
  FROM chunk FINAL WHERE agent_id = %(agent)s AND device_id IN %(devices)s AND (begin_ns, last_seq) IN %(keys)s"""
SUM_ROWS: Final = """SELECT meter_id, last_seq, epoch_ns, begin_ns, description, quantity, boundary, exponent,
  t0_ns, t1_ns, n, first, last, double_integral, longest_ns, first_stamp_ns, last_stamp_ns
  FROM chunk_sum FINAL WHERE agent_id = %(agent)s AND meter_id IN %(meters)s AND (begin_ns, last_seq) IN %(keys)s"""
TOTALS: Final = """SELECT meter_id, count(), sum(ifNull(double_integral, toInt128(0)))
  FROM chunk_sum FINAL WHERE agent_id = %(agent)s AND meter_id IN %(meters)s AND (begin_ns, last_seq) IN %(keys)s GROUP BY meter_id"""


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of it: chunks and sums that lie on the shards now, and how many of the chunks had to be sent in this run."""

    chunks: int
    sums: int
    sent: int

    def __add__(self, other: Moved) -> Moved:
        """Of two files together."""
        return Moved(self.chunks + other.chunks, self.sums + other.sums, self.sent + other.sent)

    def to_json(self) -> dict[str, int]:
        """By name."""
        return {"chunks": self.chunks, "sums": self.sums, "sent": self.sent}


@dataclass(frozen=True, slots=True)
class Batch:
    """Chunks of one host. `rows`: of readings.db's `chunk`, with the meters of the description; `sums` by chunk.

    On the shard the last batch of each is the chunk's number below zero: nothing that was sealed there is `called` so. `file`: number of
    the file of readings.
    """

    agent_id: str
    rows: Sequence[tuple[Any, ...]]
    sums: Sequence[tuple[Any, ...]]
    file: int

    def chunk_rows(self) -> Iterator[tuple[Any, ...]]:
        """Rows of the shard's `chunk`."""
        for number, epoch_ns, description, device_id, t0_ns, t1_ns, layout, body, meters in self.rows:
            yield (
                device_id,
                self.agent_id,
                epoch_ns,
                called(-number, self.file),
                t0_ns,
                description,
                REVISION,
                t0_ns,
                t1_ns,
                meters,
                layout,
                body,
            )

    def sum_rows(self) -> Iterator[tuple[Any, ...]]:
        """Rows of the shard's `chunk_sum`."""
        for meter_id, number, epoch_ns, begin_ns, description, *rest in self.expected_sums():
            yield meter_id, self.agent_id, epoch_ns, number, begin_ns, description, REVISION, *rest

    def expected_chunks(self) -> set[tuple[Any, ...]]:
        """What CHUNK_ROWS is to answer."""
        return {
            (
                called(-row[0], self.file),
                row[1],
                row[4],
                *row[2:6],
                row[8],
                hashlib.sha256(row[6].encode() + row[7]).digest(),
            )
            for row in self.rows
        }

    def expected_sums(self) -> Iterator[tuple[Any, ...]]:
        """What SUM_ROWS is to answer."""
        chunks = {row[0]: row for row in self.rows}
        for number, meter_id, t0_ns, t1_ns, n, first, last, double, *rest in self.sums:
            _, epoch_ns, description, device_id, begin_ns, *_, meters = chunks[number]
            meter = next(one for one in parsed(device_id, meters).meters if one.meter_id == meter_id)
            whole = None if double is None else int(double)
            kind = (str(meter.quantity), str(meter.boundary), meter.exponent)
            yield (meter_id, called(-number, self.file), epoch_ns, begin_ns, description, *kind, t0_ns, t1_ns, n, first, last, whole, *rest)

    def expected_totals(self) -> dict[str, tuple[int, int]]:
        """What TOTALS is to answer: of each meter how many sums, and twice its energy in them."""
        found: dict[str, tuple[int, int]] = {}
        for _, meter_id, _, _, _, _, _, double, *_ in self.sums:
            count, whole = found.get(meter_id, (0, 0))
            found[meter_id] = (count + 1, whole + int(double or 0))
        return found

    def missed(self, shard: Shard) -> int:
        """How many of its rows the shard lacks or holds otherwise: the shard itself hashes its chunks and adds its sums up."""
        asked = {
            "agent": self.agent_id,
            "keys": tuple((row[4], called(-row[0], self.file)) for row in self.rows),
            "devices": tuple(sorted({row[3] for row in self.rows})),
            "meters": tuple(sorted({row[1] for row in self.sums} | {""})),
        }
        chunks = {tuple(row) for row in shard.rows(CHUNK_ROWS, asked, **{"SHA256(concat(layout, body))": "bytes"})}
        sums = {tuple(row) for row in shard.rows(SUM_ROWS, asked)}
        totals = {meter_id: (count, int(double)) for meter_id, count, double in shard.rows(TOTALS, asked)}
        return len(self.expected_chunks() ^ chunks) + len(set(self.expected_sums()) ^ sums) + (totals != self.expected_totals())


class Moving:
    """From the readings.db at `path` to `archive`. Nobody else has the file open for writing: see `ingest.locked`."""

    def __init__(self, path: Path, archive: Archive) -> None:
        schema.check(path)
        self._path, self._archive, self._file = path, archive, number_of(path)
        self._writer = Writer(path, schema.prepare)
        self._writer.submit(lambda db: db.execute("CREATE INDEX IF NOT EXISTS moving ON chunk_sum (chunk)")).result()

    def run(self, told: Callable[[int, int], None]) -> Moved:
        """Copy, compare, and switch over; `told` after each batch: chunks compared so far, and of how many.

        Raises RemoteUnreachable when a shard fails, EnvironmentFailed when one does not hold what it was sent: then nothing was switched.
        """
        with closing(schema.reader(self._path)) as db:
            whole, done, sent = db.execute("SELECT COUNT(*) FROM chunk").fetchone()[0], 0, 0
            sums = 0
            for batch in batches(db, self._file):
                sent += self._copied(batch)
                done, sums = done + len(batch.rows), sums + len(batch.sums)
                told(done, whole)
        self._writer.submit(self._switch).result()
        return Moved(done, sums, sent)

    def keep(self, copy: Path) -> None:
        """A copy of the file as it is, for who wants to go back. Raises EnvironmentFailed where `copy` cannot be written or exists."""
        if copy.exists():
            raise EnvironmentFailed(f"{copy} exists already", "name another file with --keep")
        try:
            with closing(sqlite3.connect(self._path)) as db:
                db.execute("VACUUM INTO ?", (str(copy),))
        except sqlite3.Error as error:
            raise EnvironmentFailed(f"{copy} cannot be written: {error}", "name a file on a disk with room for it") from error

    def close(self) -> None:
        """Release the file, without the index that only this needs."""
        self._writer.submit(lambda db: db.execute("DROP INDEX IF EXISTS moving")).result()
        self._writer.close()

    def _copied(self, batch: Batch) -> int:
        """Make the shard hold a batch; how many chunks were sent. Raises EnvironmentFailed when it does not hold it then."""
        shard = self._archive.shards.of_host(batch.agent_id)
        if not batch.missed(shard):
            return 0
        token = secrets.token_hex(16)  # another one each time: who sends again knows that something is missing
        shard.insert("chunk", list(batch.chunk_rows()), token=f"chunk:{token}")
        if batch.sums:
            shard.insert("chunk_sum", list(batch.sum_rows()), token=f"chunk_sum:{token}")
        if missed := batch.missed(shard):
            raise differs(shard, f"{missed} rows of {batch.agent_id}")
        return len(batch.rows)

    def _switch(self, db: sqlite3.Connection) -> None:
        """From here on all chunks count where they were copied to."""
        query = "SELECT id, agent_id, epoch_ns, device, device_id, t0_ns, t1_ns, LENGTH(layout) + LENGTH(body) FROM chunk ORDER BY id"
        for number, agent_id, epoch_ns, description, device_id, t0_ns, t1_ns, size in db.execute(query).fetchall():
            (meters,) = db.execute("SELECT meters FROM device WHERE id = ?", (description,)).fetchone()
            ids = [meter.meter_id for meter in parsed(device_id, meters).meters]
            summed = db.execute("SELECT meter_id FROM chunk_sum WHERE chunk = ?", (number,))
            mask = sum(1 << ids.index(meter_id) for (meter_id,) in summed)
            begun = Begun(Span(agent_id, epoch_ns, -number), t0_ns, self._archive.shards.of_host(agent_id).name, REVISION, file=self._file)
            archive(db, begun, (t0_ns, t1_ns), json.dumps([[description, mask]], separators=(",", ":")), size)
        db.execute("DELETE FROM hour_sum")
        db.execute("DELETE FROM chunk_sum")
        db.execute("DELETE FROM chunk")


def batches(db: sqlite3.Connection, file: int) -> Iterator[Batch]:
    """All chunks, host by host in the order they were sealed, of the file of that number."""
    for (agent_id,) in db.execute("SELECT DISTINCT agent_id FROM chunk ORDER BY agent_id").fetchall():
        rows = db.execute(
            """SELECT c.id, c.epoch_ns, c.device, c.device_id, c.t0_ns, c.t1_ns, c.layout, c.body, d.meters FROM chunk c
               JOIN device d ON d.id = c.device WHERE c.agent_id = ? ORDER BY c.id""",
            (agent_id,),
        )
        while some := rows.fetchmany(AT_ONCE):
            yield Batch(agent_id, some, sums_of(db, [row[0] for row in some]), file)


def sums_of(db: sqlite3.Connection, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
    """Rows of `chunk_sum` of some chunks."""
    columns = "chunk, meter_id, t0_ns, t1_ns, n, first, last, double_integral, longest_ns, first_stamp_ns, last_stamp_ns"
    return [row for number in numbers for row in db.execute(f"SELECT {columns} FROM chunk_sum WHERE chunk = ?", (number,))]


def differs(shard: Shard, what: str) -> EnvironmentFailed:
    """The error for a shard that does not hold what it was sent."""
    return EnvironmentFailed(
        f"the ClickHouse shard {shard.name} does not hold {what} as readings.db does: nothing was switched over",
        "look at its disk and log, then run the command again: it sends what is missing",
    )
