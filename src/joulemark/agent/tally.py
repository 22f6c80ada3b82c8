"""What the spool held at its last change, kept beside it: a database that lost its newest pages does not know it.

SQLite ends the recovery of a write-ahead log at the first frame whose checksum is wrong and keeps the rows before it, silently.
The tally never claims more than the database has committed: a removal is told, and on disk, before its commit, an addition after
it and without fsync. So after `kill -9` or power loss it can be behind the database, and then knows of no loss; it is never ahead.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Self

from joulemark.proto.messages import Loss

SIZE: Final = 512
"""One sector, always overwritten in place: a full disk does not refuse it, and it is never half old and half new."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Batches and samples of epoch `epoch_ns` above `acked_seq`, and those of older epochs.

    `written_seq`, `written_count`: the newest batch of the epoch, and samples up to and with it. `acked_count`: samples written up
    to and with `acked_seq`. `acked_ns`: time of the newest acknowledged sample of the epoch. `last_ns`: of the newest one written.
    `oldest_ns`: of the first one of older epochs. All UTC.
    """

    instance_id: str
    epoch_ns: int = 0
    written_seq: int = -1
    written_count: int = 0
    acked_seq: int = -1
    acked_count: int = 0
    acked_ns: int = 0
    last_ns: int = 0
    batch_count: int = 0
    sample_count: int = 0
    older_batch_count: int = 0
    older_sample_count: int = 0
    oldest_ns: int = 0

    def with_added(self, epoch_ns: int, batch_count: int, sample_count: int) -> Self:
        """The tally after so many more, or less, of an epoch."""
        if epoch_ns == self.epoch_ns:
            return replace(self, batch_count=self.batch_count + batch_count, sample_count=self.sample_count + sample_count)
        return replace(
            self,
            older_batch_count=self.older_batch_count + batch_count,
            older_sample_count=self.older_sample_count + sample_count,
        )

    def holds_less_than(self, before: Tally) -> bool:
        """Whether batches or samples were removed since `before`."""
        return (
            self.batch_count + self.older_batch_count < before.batch_count + before.older_batch_count
            or self.sample_count + self.older_sample_count < before.sample_count + before.older_sample_count
        )

    def with_written(self, epoch_ns: int, batch_seq: int, *, sample_count: int, last_ns: int) -> Self:
        """The tally after a new batch, whose last sample was read at `last_ns`."""
        tally = replace(self.with_added(epoch_ns, 1, sample_count), last_ns=max(self.last_ns, last_ns))
        if epoch_ns != self.epoch_ns:
            return tally
        return replace(tally, written_seq=batch_seq, written_count=self.written_count + sample_count)

    def with_acked(self, epoch_ns: int, batch_seq: int, *, written_count: int, last_ns: int) -> Self:
        """The tally after an acknowledgement up to the batch whose last sample was read at `last_ns`."""
        if epoch_ns != self.epoch_ns:
            return self
        return replace(self, acked_seq=batch_seq, acked_count=written_count, acked_ns=max(self.acked_ns, last_ns))

    def with_newest_of(self, db: sqlite3.Connection) -> Self:
        """The tally after batches were removed that nobody acknowledged: the newest one that is left."""
        newest = "SELECT batch_seq, written_count FROM batch WHERE epoch_ns = ? ORDER BY batch_seq DESC LIMIT 1"
        batch_seq, written_count = db.execute(newest, (self.epoch_ns,)).fetchone() or (-1, 0)
        return replace(self, written_seq=max(batch_seq, self.acked_seq), written_count=max(written_count, self.acked_count))

    def counted(self, db: sqlite3.Connection) -> Self:
        """The same epoch and acknowledgement with the numbers that `db` really holds."""
        own = "SELECT count(*), coalesce(sum(sample_count), 0) FROM batch WHERE epoch_ns = ? AND batch_seq > ?"
        older = "SELECT count(*), coalesce(sum(sample_count), 0), coalesce(min(first_ns), 0) FROM batch WHERE epoch_ns != ?"
        batch_count, sample_count = db.execute(own, (self.epoch_ns, self.acked_seq)).fetchone()
        older_batch_count, older_sample_count, oldest_ns = db.execute(older, (self.epoch_ns,)).fetchone()
        newest = "SELECT coalesce(max(batch_seq), -1), coalesce(max(written_count), 0) FROM batch WHERE epoch_ns = ?"
        found = db.execute(newest, (self.epoch_ns,)).fetchone()
        return replace(
            self,
            written_seq=max(found[0], self.acked_seq),
            written_count=max(found[1], self.acked_count),
            batch_count=batch_count,
            sample_count=sample_count,
            older_batch_count=older_batch_count,
            older_sample_count=older_sample_count,
            oldest_ns=oldest_ns,
        )

    def missing_in(self, found: Tally) -> tuple[int, Loss | None]:
        """How many batches `found`, counted later, lacks, and the loss of their samples; (0, None) when it lacks none.

        Of the own epoch the tail, as a damaged log takes it, or what is missing anywhere, whichever is more: thinning that is undone
        with the tail brings samples back. A batch that came back (acknowledged, deleted, and the deletion lost) can hide another one
        of an older epoch.
        """
        own = max(0, self.batch_count - found.batch_count, self.written_seq - found.written_seq)
        older = max(0, self.older_batch_count - found.older_batch_count)
        samples = max(0, self.sample_count - found.sample_count, self.written_count - found.written_count)
        samples += max(0, self.older_sample_count - found.older_sample_count)
        if not (own or older or samples):
            return 0, None
        first_ns = self.oldest_ns if older else self.acked_ns
        return max(1, own + older), Loss("", samples, first_ns, max(first_ns, self.last_ns), "")


class TallyFile:
    """The tally of the spool `path`, in a file beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".tally")

    def read(self) -> Tally | None:
        """What was written last; None when there is nothing or it cannot be trusted."""
        try:
            checksum, _, text = self.path.read_text(encoding="ascii").rstrip().partition(" ")
            if int(checksum, 16) == zlib.crc32(text.encode()):
                return Tally(**json.loads(text))
        except (OSError, ValueError, TypeError):
            pass  # the file is a help, not a condition
        return None

    def write(self, tally: Tally, *, before: Tally | None) -> None:
        """Overwrite the file, which said `before`; on return a removal is on disk.

        A disk that refuses leaves an older tally, or none: less is then known of a loss.
        """
        removes = before is not None and tally.holds_less_than(before)
        text = json.dumps(asdict(tally), separators=(",", ":"))
        line = f"{zlib.crc32(text.encode()):08x} {text}".ljust(SIZE - 1) + "\n"
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_DSYNC if removes else 0), 0o644)
        except OSError:
            return
        try:
            os.pwrite(file, line.encode(), 0)
        except OSError:
            pass  # as said above
        finally:
            os.close(file)
