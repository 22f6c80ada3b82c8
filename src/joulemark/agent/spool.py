"""The agent's disk buffer: frozen batches in SQLite, durable before they are sent, bounded, deleted when acknowledged.

One connection, guarded by a lock; WAL with synchronous=FULL, so that a committed batch survives `kill -9` and power loss. A
lock file beside it keeps a second agent out. When the file grows towards its bound, batches that were never sent are thinned
from the oldest on (see `thinning`); what is lost is counted in the same transaction and carried by a later batch. A damaged
file is set aside under a new name and a fresh one started.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Final

from joulemark.agent.spool_file import connected, is_damage, locked, scalar
from joulemark.agent.thinning import Level, thinned
from joulemark.config import SpoolConfig
from joulemark.errors import EnvironmentFailed
from joulemark.proto.messages import Ack, FrozenBatch, Loss
from joulemark.timebase import Clock

log = logging.getLogger("joulemark.agent")

ADD_LOSS: Final = """
INSERT INTO loss (device_id, sample_count, first_ns, last_ns, reason) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (device_id, reason) DO UPDATE SET sample_count = sample_count + excluded.sample_count,
  first_ns = min(first_ns, excluded.first_ns), last_ns = max(last_ns, excluded.last_ns)
"""
THIN_AT_ONCE: Final = 64
ROOM: Final = 0.9
"""Thinning starts at this share of the bound; the rest is for the write-ahead log and one more batch."""


class SpoolFull(EnvironmentFailed):
    """The bound is reached and nothing is left that may be thinned."""


class SpoolDamaged(EnvironmentFailed):
    """The file was damaged while the agent ran."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch as it lies in the spool."""

    epoch_ns: int
    batch_seq: int
    frozen: FrozenBatch

    @property
    def key(self) -> tuple[int, int]:
        """Order of the stream: by epoch, then by number."""
        return self.epoch_ns, self.batch_seq


class Spool:
    """Batches that the collector has not acknowledged yet, oldest first. Every method may be called from any thread."""

    def __init__(self, config: SpoolConfig, clock: Clock) -> None:
        self.path, self.max_bytes = config.path, config.max_bytes
        self._clock = clock
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._lock_file: IO[str] | None = None

    def open(self) -> None:
        """Open or create the file, setting a damaged one aside.

        Raises EnvironmentFailed when the folder cannot be written, another agent holds the spool, or a newer version wrote it.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = locked(self.path.with_name(self.path.name + ".lock"))
            try:
                self._db = connected(self.path, self.max_bytes)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._db = self._start_over(error)
        except (OSError, sqlite3.OperationalError) as error:
            self.close()
            raise EnvironmentFailed(f"cannot open the spool {self.path}: {error}", "set spool.path to a writable place") from error
        except EnvironmentFailed:
            self.close()
            raise

    @property
    def instance_id(self) -> str:
        """Random name that the file was given when it was made: two agents with one agent_id differ in it."""
        with self._transaction() as db:
            return str(scalar(db, "SELECT instance_id FROM meta"))

    def close(self) -> None:
        """Close the file and let others have it. Safe at any time."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None
            if self._lock_file is not None:
                self._lock_file.close()
                self._lock_file = None

    def new_epoch(self) -> int:
        """A start time above every earlier one, in UTC ns, remembered before it is given out."""
        with self._transaction() as db:
            (last_ns,) = db.execute("SELECT last_ns FROM epoch").fetchone()
            epoch_ns = max(self._clock.utc_ns(), int(last_ns) + 1)
            db.execute("UPDATE epoch SET last_ns = ?", (epoch_ns,))
        return epoch_ns

    def append(self, stored: Stored, *, carried: Sequence[Loss] = (), counter_devices: frozenset[str] = frozenset()) -> None:
        """Keep `stored`; on return it is on disk. The losses it `carried` are forgotten here in the same transaction.

        Raises sqlite3.OperationalError when the disk refuses, SpoolFull when the bound does, SpoolDamaged when the file broke.
        """
        try:
            self._make_room(counter_devices)
            with self._transaction() as db:
                db.execute(
                    "INSERT INTO batch (epoch_ns, batch_seq, sha256, body) VALUES (?, ?, ?, ?)",
                    (*stored.key, stored.frozen.sha256, stored.frozen.body),
                )
                # Subtract, not delete: thinning may have added to the same loss since it was read.
                db.executemany(
                    "UPDATE loss SET sample_count = sample_count - ? WHERE device_id = ? AND reason = ?",
                    [(loss.sample_count, loss.device_id, loss.reason) for loss in carried],
                )
                db.executemany(
                    "DELETE FROM loss WHERE sample_count = 0 AND device_id = ? AND reason = ?",
                    [(loss.device_id, loss.reason) for loss in carried],
                )
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            raise SpoolDamaged(
                f"the spool {self.path} is damaged: {error}", "start the agent again: it sets the file aside and goes on with a fresh one"
            ) from error

    def losses(self) -> tuple[Loss, ...]:
        """Losses that no batch carries yet."""
        with self._transaction() as db:
            return tuple(Loss(*row) for row in db.execute("SELECT device_id, sample_count, first_ns, last_ns, reason FROM loss"))

    def claim(self, after: tuple[int, int], limit: int) -> list[Stored]:
        """Up to `limit` batches that follow the key `after`, marked as sent before they are given out: their bytes never change."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT id, epoch_ns, batch_seq, body, sha256, sent FROM batch WHERE (epoch_ns, batch_seq) > (?, ?)"
                " ORDER BY epoch_ns, batch_seq LIMIT ?",
                (*after, limit),
            ).fetchall()
            db.executemany("UPDATE batch SET sent = 1 WHERE id = ?", [(row[0],) for row in rows if not row[5]])
        return [Stored(row[1], row[2], FrozenBatch(row[3], row[4])) for row in rows]

    def acknowledge(self, acks: Sequence[Ack]) -> int:
        """Delete what the collector has made durable; returns how many batches that were."""
        with self._transaction() as db:
            cursor = [db.execute("DELETE FROM batch WHERE epoch_ns = ? AND batch_seq <= ?", (a.epoch_ns, a.batch_seq)) for a in acks]
            return sum(c.rowcount for c in cursor)

    def batch_count(self) -> int:
        """Batches waiting for their acknowledgement."""
        with self._transaction() as db:
            return int(db.execute("SELECT count(*) FROM batch").fetchone()[0])

    def used_bytes(self) -> int:
        """Bytes of the file in use, without free pages and write-ahead log."""
        with self._transaction() as db:
            pages, free, page_bytes = (int(scalar(db, f"PRAGMA {name}")) for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * page_bytes

    def _make_room(self, counter_devices: frozenset[str]) -> None:
        """Thin from the oldest on until the file is below its threshold. Raises SpoolFull when that is not enough."""
        while self.used_bytes() > ROOM * self.max_bytes:
            if self._thin_some(Level.COUNTERS_THINNED, counter_devices) or self._thin_some(Level.PINNED_ONLY, counter_devices):
                continue
            if self.used_bytes() > (1 + ROOM) / 2 * self.max_bytes:
                raise SpoolFull(
                    f"the spool {self.path} is full ({self.max_bytes} bytes)", "bring the collector back, or raise spool.max_bytes"
                )
            return

    def _thin_some(self, level: Level, counter_devices: frozenset[str]) -> int:
        """Bring the oldest never-sent batches down to `level`, remove those of which nothing is left; returns how many."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT id, epoch_ns, batch_seq, body FROM batch WHERE sent = 0 AND level < ? ORDER BY id LIMIT ?",
                (int(level), THIN_AT_ONCE),
            ).fetchall()
            # Removed and inserted anew: an update in place gives no page back.
            db.executemany("DELETE FROM batch WHERE id = ?", [row[:1] for row in rows])
            for row_id, epoch_ns, batch_seq, body in rows:
                rest, losses = thinned(body, level, counter_devices)
                if rest is not None:
                    db.execute(
                        "INSERT INTO batch (id, epoch_ns, batch_seq, level, sha256, body) VALUES (?, ?, ?, ?, ?, ?)",
                        (row_id, epoch_ns, batch_seq, int(level), rest.sha256, rest.body),
                    )
                db.executemany(ADD_LOSS, [(x.device_id, x.sample_count, x.first_ns, x.last_ns, x.reason) for x in losses])
        return len(rows)

    def _start_over(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        """Set the damaged file aside and record that readings were lost: of any device, at any time until now, how many is not known."""
        now_ns = self._clock.utc_ns()
        aside = self.path.with_name(f"{self.path.name}.damaged-{now_ns}")
        for suffix in ("", "-wal", "-shm"):
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        log.error("the spool %s was damaged (%s): kept as %s, going on with a fresh one", self.path, error, aside.name)
        db = connected(self.path, self.max_bytes)
        db.execute(ADD_LOSS, ("", 0, 0, now_ns, f"spool damaged ({error}); kept as {aside.name}, number of lost samples unknown"))
        return db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection inside one transaction: all of it, or nothing."""
        with self._lock:
            if self._db is None:
                raise sqlite3.OperationalError("the spool is not open")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled it back already
                    self._db.execute("ROLLBACK")
                raise
