"""Fills the disk below `sys.argv[1]` with a spool and shows that acknowledgements still make room: `python -m tests.agent.full_disk`.

With `limit` as second argument the program limits the size of its files instead. Prints what happened as one line of JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sqlite3
import sys
from pathlib import Path

from joulemark.agent.spool import Spool, Stored
from joulemark.config import SpoolConfig
from joulemark.proto.messages import Ack, FrozenBatch
from joulemark.timebase import SystemClock

LIMIT_BYTES = 3 * 1024 * 1024
BOUND = 64 * 1024 * 1024


class Filler:
    """Appends numbered batches of one epoch until the disk refuses."""

    def __init__(self, path: Path) -> None:
        self.spool = Spool(SpoolConfig(path, BOUND), SystemClock())
        self.spool.open()
        self.epoch_ns = self.spool.new_epoch()
        self.kept: list[int] = []
        self.next_seq = 0

    def append(self) -> bool:
        body = os.urandom(4000)
        try:
            self.spool.append(Stored(self.epoch_ns, self.next_seq, FrozenBatch(body, hashlib.sha256(body).digest()), 1, 1, 1))
        except sqlite3.OperationalError:
            return False
        self.kept.append(self.next_seq)
        self.next_seq += 1
        return True

    def until_full(self) -> int:
        count = 0
        while count < 100_000 and self.append():
            count += 1
        return count


def main(folder: Path, how: str) -> None:
    """Fill, acknowledge a part, fill, acknowledge all, fill: each time nothing that was kept is missing."""
    if how == "limit":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, LIMIT_BYTES))
    filler = Filler(folder / "spool.db")
    spool, rounds = filler.spool, [filler.until_full()]
    found = [s.batch_seq for s in spool.claim((-1, -1), 10**6)]
    assert found == filler.kept, "what was kept can be read"
    for acked in (found[len(found) // 3], None):
        last = filler.kept[-1] if acked is None else acked
        spool.acknowledge((Ack(filler.epoch_ns, last),))
        filler.kept = [seq for seq in filler.kept if seq > last]
        assert [s.batch_seq for s in spool.claim((-1, -1), 10**6)] == filler.kept
        rounds.append(filler.until_full())
    waiting = spool.batch_count()
    spool.close()
    again = Spool(SpoolConfig(folder / "spool.db", BOUND), SystemClock())
    again.open()
    assert [s.batch_seq for s in again.claim((-1, -1), 10**6)] == filler.kept
    assert again.losses() == ()
    again.close()
    print(json.dumps({"rounds": rounds, "waiting": waiting}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
