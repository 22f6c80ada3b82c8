"""The spool's database, which stays usable: a file found damaged is replaced by a fresh one that holds all that can still be read."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import astuple, replace
from pathlib import Path
from typing import IO, Final, TypeVar

from joulemark.agent import salvage
from joulemark.agent.spool_schema import PAGE_BYTES, Damaged, connected, in_transaction, is_damage, scalar
from joulemark.agent.tally import Tally, TallyFile
from joulemark.errors import EnvironmentFailed
from joulemark.proto.messages import Loss
from joulemark.timebase import Clock

log = logging.getLogger("joulemark.agent")
T = TypeVar("T")

ADD_LOSS: Final = """
INSERT INTO loss (device_id, sample_count, first_ns, last_ns, reason) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (device_id, reason) DO UPDATE SET sample_count = sample_count + excluded.sample_count,
  first_ns = min(first_ns, excluded.first_ns), last_ns = max(last_ns, excluded.last_ns)
"""


SHRINK_PAGES: Final = 64
SQUEEZE_STEPS: Final = 16


class SpoolFile:
    """One connection, its lock and its tally. `instance_id` is the random name the file was given when it was made.

    `tally` follows what the file holds; inside `durably` it may only shrink (see `tally.py`).
    """

    def __init__(self, path: Path, *, max_bytes: int, clock: Clock) -> None:
        self.path, self.max_bytes = path, max_bytes
        self.lock = threading.RLock()
        self.instance_id = ""
        self._clock = clock
        self._db: sqlite3.Connection | None = None
        self._place: tuple[int, int] | None = None
        self._owner: IO[str] | None = None
        self._tally: Tally | None = None
        self._tally_file = TallyFile(path)

    @property
    def tally(self) -> Tally:
        """What the file holds."""
        return self._tally or Tally(self.instance_id)

    @tally.setter
    def tally(self, tally: Tally) -> None:
        before, self._tally = self._tally, tally
        self._tally_file.write(tally, before=before)

    def open(self) -> None:
        """Make the file this process's own, and usable. Raises OSError, sqlite3.Error and EnvironmentFailed."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._owner = locked(self._beside(".lock"))
        self._connection()

    def close(self) -> None:
        """Close the file and let others have it. Safe at any time."""
        with self.lock:
            self._detach()
            if self._owner is not None:
                self._owner.close()
                self._owner = None

    def durably(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work` inside one transaction: on return it is on disk. A damaged file is replaced, and the work done on the fresh
        one. Raises sqlite3.Error when that cannot be, with nothing changed.
        """
        with self.lock:
            db, before = self._connection(), self._tally
            try:
                return in_transaction(db, work)
            except sqlite3.Error as error:
                self._tally = before
                if not is_damage(error):
                    raise
                self._start_over(error)
                return in_transaction(self._connection(), work)

    def check_place(self) -> None:
        """Start over when the file was removed or replaced while it was in use: what is written to it would be lost."""
        with self.lock:
            if self._db is not None and place(self.path) != self._place:
                self._start_over(Damaged("it was removed or replaced while in use"), source=self._db)

    def empty_log(self) -> None:
        """Move the write-ahead log into the file, so that it takes no room of its own."""
        with self.lock:
            self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def used_bytes(self) -> int:
        """Bytes of the file in use, without free pages and write-ahead log."""
        pages, free = self.durably(lambda db: (int(scalar(db, "PRAGMA page_count")), int(scalar(db, "PRAGMA freelist_count"))))
        return (pages - free) * PAGE_BYTES

    def shrink(self, to_bytes: int) -> bool:
        """Give some free pages back to the disk while the file is larger than `to_bytes`; False when nothing was done."""
        with self.lock:
            db = self._connection()
            if int(scalar(db, "PRAGMA page_count")) * PAGE_BYTES <= to_bytes or not scalar(db, "PRAGMA freelist_count"):
                return False
            db.executescript(f"PRAGMA incremental_vacuum({SHRINK_PAGES})")  # execute would stop after one page
            return True

    def squeeze(self) -> None:
        """Take less room on a full disk: empty the log, and give free pages back, as many as that needs little of the log for."""
        with self.lock:
            self.empty_log()
            for _ in range(SQUEEZE_STEPS):
                if not self.shrink(0):
                    return
                self.empty_log()

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def _connection(self) -> sqlite3.Connection:
        """The connection; a new one when the last could not be made."""
        if self._owner is None:
            raise sqlite3.OperationalError("the spool is not open")
        if self._db is None:
            self._attach()
        assert self._db is not None
        return self._db

    def _attach(self) -> None:
        """Open the file, and count what the tally of the last time knows and the file has not."""
        if not self.path.exists() and self._beside(".fresh").exists():
            self._beside(".fresh").rename(self.path)  # killed while it was replaced
        before = self._tally or self._tally_file.read()
        try:
            self._db = connected(self.path, self.max_bytes)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._start_over(error)
            return
        self._settle(before, "batches vanished from the spool")

    def _detach(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _settle(self, before: Tally | None, reason: str) -> None:
        """Name the file, and compare it with the tally `before`; what is missing becomes a loss."""
        db, self._place = self._db, place(self.path)
        assert db is not None

        def work(db: sqlite3.Connection) -> tuple[Tally, int]:
            own = str(scalar(db, "SELECT instance_id FROM meta"))
            is_new = not scalar(db, "SELECT last_ns FROM epoch")
            known = before if before is not None and (is_new or before.instance_id == own) else Tally(own)
            db.execute("UPDATE meta SET instance_id = ?", (known.instance_id,))
            found = known.counted(db)
            batch_count, loss = known.missing_in(found)
            if loss is not None and not has_loss(db, told := replace(loss, reason=f"{batch_count} {reason}")):
                add_losses(db, (told,))  # once, also when a kill kept the tally from knowing
            return found, batch_count

        self.tally, batch_count = in_transaction(db, work)
        self.instance_id = self.tally.instance_id
        if batch_count:
            log.error("%d %s %s: counted as lost", batch_count, reason, self.path)
        self.empty_log()

    def _start_over(self, error: sqlite3.Error, source: sqlite3.Connection | None = None) -> None:
        """Put a fresh file with all that can be read from `source`, the damaged file unless told otherwise, in its place.

        The fresh file is complete before the damaged one is moved: a kill in between costs nothing. Raises sqlite3.Error.
        """
        before, now_ns = self._tally or self._tally_file.read(), self._clock.utc_ns()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for suffix in (".fresh", ".fresh-wal", ".fresh-shm"):
                self._beside(suffix).unlink(missing_ok=True)
            with closing(connected(self._beside(".fresh"), self.max_bytes)) as fresh:
                if before is not None:  # the name may be what cannot be read
                    fresh.execute("UPDATE meta SET instance_id = ?", (before.instance_id,))
                count = salvage.rescue(source or self.path, fresh)
                if before is None:
                    add_losses(fresh, (Loss("", 0, 0, now_ns, "spool damaged: how many samples were lost is not known"),))
            self._detach()
            aside = salvage.set_aside(self.path, now_ns=now_ns, max_bytes=self.max_bytes)
            self._beside(".fresh").rename(self.path)
            log.error("the spool %s was damaged (%s): kept as %s, %d batches rescued", self.path, error, aside.name, count)
            self._db = connected(self.path, self.max_bytes)
        except OSError as refused:
            raise sqlite3.OperationalError(f"the damaged spool cannot be replaced: {refused}") from error
        self._settle(before, f"batches lost, spool damaged, kept as {aside.name}")


def place(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def add_losses(db: sqlite3.Connection, losses: Iterable[Loss]) -> None:
    """Count `losses` with those of the same device and reason."""
    db.executemany(ADD_LOSS, [(x.device_id, x.sample_count, x.first_ns, x.last_ns, x.reason) for x in losses])


def has_loss(db: sqlite3.Connection, loss: Loss) -> bool:
    """Whether this very loss is counted, and nothing was added to it."""
    query = "SELECT 1 FROM loss WHERE (device_id, sample_count, first_ns, last_ns, reason) = (?, ?, ?, ?, ?)"
    return db.execute(query, astuple(loss)).fetchone() is not None


def locked(path: Path) -> IO[str]:
    """The lock file `path`, held until it is closed or the process ends. Raises EnvironmentFailed when another process holds it."""
    file = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise EnvironmentFailed(
            f"another agent uses this spool (process {holder}, {path})", "stop it, or set another spool.path"
        ) from error
    with suppress(OSError):  # the lock holds although a full disk does not take the number
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), str(os.getpid()).encode())
    return file
