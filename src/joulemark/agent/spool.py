"""The agent's disk buffer: frozen batches in SQLite, durable before they are sent, bounded, deleted when acknowledged.

One connection, guarded by a lock; WAL with synchronous=FULL, so that a committed batch survives `kill -9` and power loss. A
lock file beside it keeps a second agent out. When the file grows towards its bound, batches that were never sent are thinned
from the oldest on (see `thinning`); what is lost is counted in the same transaction and carried by a later batch. A file found
damaged, at the start or later, is replaced by a fresh one with all that can still be read (see `salvage`), and what is missing
is counted by the `tally`. On a full disk deletions go on out of a `reserve`.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from joulemark.agent import quarantine
from joulemark.agent.reserve import Reserve
from joulemark.agent.spool_file import SpoolFile, add_losses
from joulemark.agent.spool_homes import AMONG, Homes, move
from joulemark.agent.spool_schema import PAGE_BYTES, is_no_room, scalar
from joulemark.agent.tally import Tally
from joulemark.agent.thinning import Level, thinned
from joulemark.config import SpoolConfig
from joulemark.errors import EnvironmentFailed
from joulemark.proto.messages import Ack, FrozenBatch, Loss
from joulemark.timebase import Clock

log = logging.getLogger("joulemark.agent")

INSERT: Final = """
INSERT INTO batch (id, epoch_ns, batch_seq, level, sha256, body, sample_count, first_ns, last_ns, written_count)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ROW: Final = "id, epoch_ns, batch_seq, sha256, body, sample_count, first_ns, last_ns, written_count, sent"
UNREADABLE: Final = "spool damaged: a batch was not what had been written"
LARGEST_MARGIN_BYTES: Final = 32 * 1024 * 1024
"""A fourth of the bound, at most this, stays free for the write-ahead log, the reserve and one more batch."""

THIN_AT_ONCE: Final = 64
THIN_STEPS: Final = 16
"""Steps of thinning for one new batch: a bound that was lowered is reached little by little, while readings go on."""

DELETE_AT_ONCE: Final = 512
DELETE_IN_NEED: Final = 8


class SpoolFull(EnvironmentFailed):
    """The bound is reached and nothing is left that may be thinned."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch as it lies in the spool. Samples and their times (UTC) stand beside the body, 0 where a spool of version 1 kept none."""

    epoch_ns: int
    batch_seq: int
    frozen: FrozenBatch
    sample_count: int = 0
    first_ns: int = 0
    last_ns: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Order of the stream: by epoch, then by number."""
        return self.epoch_ns, self.batch_seq

    @property
    def is_sound(self) -> bool:
        """Whether the body still is what was hashed."""
        return hashlib.sha256(self.frozen.body).digest() == self.frozen.sha256

    def row(self, row_id: int | None, level: Level, *, written_count: int) -> tuple[object, ...]:
        """The values of INSERT."""
        body, sha256 = self.frozen.body, self.frozen.sha256
        return row_id, *self.key, int(level), sha256, body, self.sample_count, self.first_ns, self.last_ns, written_count


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of the table: what was stored, under its id. `written_count`: samples of its epoch written up to and with it."""

    row_id: int
    stored: Stored
    written_count: int
    sent: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A batch that was taken out of the spool because the collector refuses it for ever; `file` holds its bytes, None without room."""

    key: tuple[int, int]
    sample_count: int
    file: Path | None


class Spool:
    """Batches that the collector has not acknowledged yet, oldest first. Every method may be called from any thread.

    Methods raise sqlite3.OperationalError when the disk refuses; `instance_id` is the random name that the file was given when it
    was made, known from `open` on.
    """

    def __init__(self, config: SpoolConfig, clock: Clock) -> None:
        self.path, self.max_bytes = config.path, config.max_bytes
        self._clock = clock
        self._file = SpoolFile(config.path, max_bytes=config.max_bytes, clock=clock)
        self._lock = self._file.lock
        self._reserve = Reserve(config.path, config.max_bytes)
        self._margin_bytes = min(config.max_bytes // 4, LARGEST_MARGIN_BYTES)
        self._acked: dict[int, int] = {}
        self._given_id = 0
        self.homes = Homes()

    @property
    def instance_id(self) -> str:
        """Random name that the file was given when it was made: two agents with one agent_id differ in it. Known from `open` on."""
        return self._file.instance_id

    def open(self) -> None:
        """Open or create the file, replacing a damaged one and counting what it lost.

        Raises EnvironmentFailed when the folder cannot be written, the disk is full, another agent holds the spool, another program
        owns the file, or a newer version wrote it.
        """
        try:
            self._file.open()
            self._file.durably(self.homes.load)
            self._reserve.hold()
        except (OSError, sqlite3.Error) as error:
            self.close()
            step = "free space on its disk, or set spool.path to a writable place"
            raise EnvironmentFailed(f"cannot open the spool {self.path}: {error}", step) from error
        except EnvironmentFailed:
            self.close()
            raise

    def close(self) -> None:
        """Close the file and let others have it. Safe at any time."""
        self._file.close()

    def new_epoch(self, home: str = "", *, listed: Collection[str] | None = None) -> int:
        """A start time above every earlier one, in UTC ns, remembered with its home before it is given out. Raises EnvironmentFailed.

        Epochs without a home, as from before there were homes, have the same from now on; and those never sent whose home is not `listed`.
        """

        def work(db: sqlite3.Connection) -> int:
            last_ns = max(int(scalar(db, "SELECT last_ns FROM epoch")), self._file.tally.epoch_ns)
            epoch_ns = max(self._clock.utc_ns(), last_ns + 1)
            db.execute("UPDATE epoch SET last_ns = ?", (epoch_ns,))
            self.homes.settle(db, epoch_ns, home, listed=listed)
            self._file.tally = Tally(self.instance_id, epoch_ns, acked_ns=epoch_ns, last_ns=epoch_ns).counted(db)
            return epoch_ns

        try:
            epoch_ns = self._file.durably(work)
            self._file.durably(self.homes.load)
        except sqlite3.Error as error:
            raise EnvironmentFailed(f"the spool {self.path} cannot be written: {error}", "free space on its disk") from error
        return epoch_ns

    def rehome(self, old: str, new: str) -> None:
        """Give everything that belongs to `old` to `new`, also what `old` may have stored already."""
        self._file.durably(lambda db: move(db, old, new))
        self._file.durably(self.homes.load)

    def append(self, stored: Stored, *, carried: Sequence[Loss] = (), counter_devices: frozenset[str] = frozenset()) -> None:
        """Keep `stored`; on return it is on disk. The losses it `carried` are forgotten here in the same transaction.

        Raises sqlite3.OperationalError when the disk refuses, SpoolFull when the bound does.
        """

        def work(db: sqlite3.Connection) -> None:
            written_count = self._file.tally.written_count + stored.sample_count
            db.execute(INSERT, stored.row(None, Level.WHOLE, written_count=written_count))
            # Subtract, not delete: thinning may have added to the same loss since it was read.
            db.executemany(
                "UPDATE loss SET sample_count = sample_count - ? WHERE device_id = ? AND reason = ?",
                [(loss.sample_count, loss.device_id, loss.reason) for loss in carried],
            )
            db.executemany(
                "DELETE FROM loss WHERE sample_count = 0 AND device_id = ? AND reason = ?",
                [(loss.device_id, loss.reason) for loss in carried],
            )

        with self._lock:
            self._file.check_place()
            self._delete_acknowledged()
            self._make_room(len(stored.frozen.body) + PAGE_BYTES, counter_devices)
            self._squeezed(work)
            self._file.tally = self._file.tally.with_written(*stored.key, sample_count=stored.sample_count, last_ns=stored.last_ns)
            self._reserve.hold()

    def losses(self) -> tuple[Loss, ...]:
        """Losses that no batch carries yet. One without a device is of any device of this agent; 0 samples: how many is not known."""
        query = "SELECT device_id, sample_count, first_ns, last_ns, reason FROM loss"
        return self._file.durably(lambda db: tuple(Loss(*row) for row in db.execute(query)))

    def claim(self, after: tuple[int, int], limit: int, *, home: str | None = None) -> list[Stored]:
        """Up to `limit` batches, all or those of `home`, that follow the key `after`, marked as sent before they are given out: their bytes
        never change.

        On a full disk the mark is kept in memory. A batch that is no longer what was written is deleted and counted as lost.
        """
        while True:
            kept = self._given_out(after, limit, home)
            stored = [k.stored for k in kept if k.stored.is_sound and k.stored.batch_seq > self._acked.get(k.stored.epoch_ns, -1)]
            if stored or not kept:
                return stored
            after = kept[-1].stored.key

    def acknowledge(self, acks: Sequence[Ack]) -> int:
        """Delete what the collector has made durable; returns how many batches that were. What a full disk keeps is deleted later."""
        with self._lock:
            for ack in acks:
                self._acked[ack.epoch_ns] = max(ack.batch_seq, self._acked.get(ack.epoch_ns, -1))
            return self._delete_acknowledged()

    def refuse(self, sha256: bytes, label: str) -> Refused | None:
        """Take the batch of this hash, which the collector refuses for ever, out of the way; None when there is none.

        Its bytes are kept in a file while there is room for such files, its samples are counted as lost for the reason `label`.
        """

        def work(db: sqlite3.Connection) -> Refused | None:
            row = db.execute(f"SELECT {ROW} FROM batch WHERE sha256 = ?", (sha256,)).fetchone()
            if row is None:
                return None
            kept = kept_of(row)
            stored, now_ns = kept.stored, self._clock.utc_ns()
            file = quarantine.keep(self.path, stored.key, stored.frozen.body, max_bytes=self.max_bytes)
            known = Loss("", stored.sample_count, stored.first_ns, stored.last_ns or now_ns, "")
            add_losses(db, quarantine.losses(stored.frozen.body, known=known, label=label, now_ns=now_ns))
            db.execute("DELETE FROM batch WHERE id = ?", (kept.row_id,))
            self._file.tally = self._file.tally.with_added(stored.epoch_ns, -1, -stored.sample_count).with_newest_of(db)
            return Refused(stored.key, stored.sample_count, file)

        return self._file.durably(work)

    def batch_count(self, *, home: str | None = None) -> int:
        """Batches waiting for their acknowledgement, all or those of `home`."""
        epochs = self.homes.among(home)

        def work(db: sqlite3.Connection) -> int:
            covered = f"SELECT count(*) FROM batch WHERE epoch_ns = ? AND batch_seq <= ? AND {AMONG}"
            deleted_later = sum(int(db.execute(covered, (*ack, epochs, epochs)).fetchone()[0]) for ack in self._acked.items())
            return int(db.execute(f"SELECT count(*) FROM batch WHERE {AMONG}", (epochs,) * 2).fetchone()[0]) - deleted_later

        return self._file.durably(work)

    def used_bytes(self) -> int:
        """Bytes of the file in use, without free pages and write-ahead log."""
        return self._file.used_bytes()

    def _given_out(self, after: tuple[int, int], limit: int, home: str | None) -> list[Kept]:
        """The batches behind `after`, marked as sent: in the file, or in memory while the disk is full."""
        epochs = self.homes.among(home)

        def work(db: sqlite3.Connection) -> list[Kept]:
            kept = rows(db, after, limit, epochs)
            self._discard(db, [k for k in kept if not k.stored.is_sound])
            db.executemany("UPDATE batch SET sent = 1 WHERE id = ?", [(k.row_id,) for k in kept if not k.sent])
            return kept

        with self._lock:
            try:
                return self._file.durably(work)
            except sqlite3.OperationalError as error:
                if not is_no_room(error):
                    raise
                kept = self._file.durably(lambda db: rows(db, after, limit, epochs))
                self._given_id = max([self._given_id, *(k.row_id for k in kept)])
                return kept

    def _discard(self, db: sqlite3.Connection, spoiled: Sequence[Kept]) -> None:
        """Delete batches that are not what was written, and count them by what stands beside the body."""
        for kept in spoiled:
            stored = kept.stored
            log.error("batch %s of the spool %s is not what was written: deleted and counted as lost", stored.key, self.path)
            db.execute("DELETE FROM batch WHERE id = ?", (kept.row_id,))
            add_losses(db, (Loss("", stored.sample_count, stored.first_ns, stored.last_ns or self._clock.utc_ns(), UNREADABLE),))
            self._file.tally = self._file.tally.with_added(stored.epoch_ns, -1, -stored.sample_count).with_newest_of(db)

    def _delete_acknowledged(self) -> int:
        """Delete every batch that is acknowledged, out of the reserve when the disk is full; the rest waits for the next call."""
        count = 0
        try:
            for epoch_ns, seq in list(self._acked.items()):
                count += self._delete_up_to(epoch_ns, seq, DELETE_AT_ONCE)
        except sqlite3.OperationalError as error:
            if not is_no_room(error):
                raise
            with self._reserve.lent(), suppress(sqlite3.OperationalError):
                for epoch_ns, seq in list(self._acked.items()):
                    self._file.empty_log()
                    count += self._delete_up_to(epoch_ns, seq, DELETE_IN_NEED)
                self._file.empty_log()
        return count

    def _delete_up_to(self, epoch_ns: int, seq: int, at_once: int) -> int:
        """Delete the batches of an epoch up to `seq` in transactions of `at_once`."""

        def work(db: sqlite3.Connection) -> int:
            query = """SELECT id, batch_seq, sample_count, written_count, last_ns FROM batch
                WHERE epoch_ns = ? AND batch_seq <= ? ORDER BY batch_seq LIMIT ?"""
            gone = db.execute(query, (epoch_ns, seq, at_once)).fetchall()
            if gone:
                db.executemany("DELETE FROM batch WHERE id = ?", [row[:1] for row in gone])
                tally = self._file.tally.with_added(epoch_ns, -len(gone), -sum(row[2] for row in gone))
                self._file.tally = tally.with_acked(epoch_ns, gone[-1][1], written_count=gone[-1][3], last_ns=gone[-1][4])
            return len(gone)

        count = 0
        while gone := self._file.durably(work):
            count += gone
            if at_once == DELETE_IN_NEED:
                self._file.empty_log()
            if gone < at_once:
                break
        del self._acked[epoch_ns]
        return count

    def _squeezed(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do `work` durably; on a full disk once more after the file was squeezed with the help of the reserve."""
        try:
            self._file.durably(work)
        except sqlite3.OperationalError as error:
            if not is_no_room(error):
                raise
            with self._reserve.lent(), suppress(sqlite3.OperationalError):
                self._file.squeeze()
            self._file.durably(work)

    def _make_room(self, need_bytes: int, counter_devices: frozenset[str]) -> None:
        """Thin from the oldest on until `need_bytes` more stay below the threshold. Raises SpoolFull when nothing is left to thin."""
        for _ in range(THIN_STEPS):
            used = self.used_bytes() + need_bytes
            if used <= self.max_bytes - self._margin_bytes:
                break
            if self._thin_some(Level.COUNTERS_THINNED, counter_devices) or self._thin_some(Level.PINNED_ONLY, counter_devices):
                continue
            if used > self.max_bytes - self._margin_bytes // 2:
                raise SpoolFull(
                    f"the spool {self.path} is full ({self.max_bytes} bytes)", "bring the collector back, or raise spool.max_bytes"
                )
            break
        with suppress(sqlite3.OperationalError):  # a full disk: another time
            self._file.shrink(self.max_bytes - self._margin_bytes * 3 // 4)

    def _thin_some(self, level: Level, counter_devices: frozenset[str]) -> int:
        """Bring the oldest never-sent batches down to `level`, remove those of which nothing is left; returns how many."""

        def work(db: sqlite3.Connection) -> int:
            query = f"SELECT {ROW} FROM batch WHERE sent = 0 AND level < ? AND id > ? ORDER BY id LIMIT ?"
            some = oldest((kept_of(row) for row in db.execute(query, (int(level), self._given_id, THIN_AT_ONCE))), self.max_bytes // 64)
            self._discard(db, [k for k in some if not k.stored.is_sound])
            tally = self._file.tally
            for kept in (k for k in some if k.stored.is_sound):
                # Removed and inserted anew: an update in place gives no page back.
                db.execute("DELETE FROM batch WHERE id = ?", (kept.row_id,))
                rest, losses = thinned(kept.stored.frozen.body, level, counter_devices)
                lost = min(kept.stored.sample_count, sum(loss.sample_count for loss in losses))
                if rest is not None:
                    left = replace(kept.stored, frozen=rest, sample_count=kept.stored.sample_count - lost)
                    db.execute(INSERT, left.row(kept.row_id, level, written_count=kept.written_count))
                add_losses(db, losses)
                tally = tally.with_added(kept.stored.epoch_ns, -(rest is None), -lost)
            self._file.tally = tally.with_newest_of(db)
            return len(some)

        return self._file.durably(work)


def kept_of(row: tuple[Any, ...]) -> Kept:
    """A row of ROW."""
    row_id, epoch_ns, batch_seq, sha256, body, *extent, written_count, sent = row
    return Kept(row_id, Stored(epoch_ns, batch_seq, FrozenBatch(body, sha256), *extent), written_count, bool(sent))


def rows(db: sqlite3.Connection, after: tuple[int, int], limit: int, epochs: str | None) -> list[Kept]:
    """Up to `limit` batches that follow the key `after`, of `epochs` as JSON or of all."""
    query = f"SELECT {ROW} FROM batch WHERE (epoch_ns, batch_seq) > (?, ?) AND {AMONG} ORDER BY epoch_ns, batch_seq LIMIT ?"
    return [kept_of(row) for row in db.execute(query, (*after, epochs, epochs, limit))]


def oldest(kept: Iterable[Kept], enough_bytes: int) -> list[Kept]:
    """The first ones, until their bodies are `enough_bytes` together."""
    some, size = [], 0
    for one in kept:
        some.append(one)
        size += len(one.stored.frozen.body)
        if size >= enough_bytes:
            break
    return some
