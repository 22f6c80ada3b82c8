"""Witnesses in the spools: triggers that ride in the spool's own transactions, and the ledger that their words are carried to."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from joulemark.agent.spool import Spool
from joulemark.config import SpoolConfig
from joulemark.timebase import SystemClock

TRIGGERS: Final = """
CREATE TABLE witness (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, epoch_ns INTEGER NOT NULL, batch_seq INTEGER NOT NULL,
  body BLOB);
CREATE TRIGGER witness_written AFTER INSERT ON batch BEGIN
  INSERT INTO witness (what, epoch_ns, batch_seq, body)
  VALUES (CASE new.level WHEN 0 THEN 'appended' ELSE 'thinned' END, new.epoch_ns, new.batch_seq, new.body); END;
CREATE TRIGGER witness_sent AFTER UPDATE OF sent ON batch WHEN new.sent = 1 BEGIN
  INSERT INTO witness (what, epoch_ns, batch_seq) VALUES ('sent', new.epoch_ns, new.batch_seq); END;
CREATE TRIGGER witness_deleted AFTER DELETE ON batch BEGIN
  INSERT INTO witness (what, epoch_ns, batch_seq)
  VALUES (CASE old.sent WHEN 0 THEN 'removed' ELSE 'acked' END, old.epoch_ns, old.batch_seq); END;
"""
"""Only a batch that was never sent may be thinned: it is removed, and what is left of it is inserted again with a level above 0."""

LEDGER: Final = """
CREATE TABLE IF NOT EXISTS ledger (id INTEGER PRIMARY KEY, what TEXT NOT NULL, epoch_ns INTEGER NOT NULL, batch_seq INTEGER NOT NULL,
  body BLOB);
"""
AT_ONCE: Final = 2_000


class Witness:
    """What happened to every batch of one spool. Carried off again and again, so that the witness does not fill the bounded spool."""

    def __init__(self, spool: Path, ledger: Path, *, max_bytes: int) -> None:
        product = Spool(SpoolConfig(spool, max_bytes), SystemClock())
        product.open()
        product.close()
        self._spool = sqlite3.connect(spool, isolation_level=None, check_same_thread=False, timeout=0.2)
        self._spool.execute("PRAGMA wal_autocheckpoint = 0")
        self._spool.executescript(TRIGGERS)
        self._ledger = sqlite3.connect(ledger, isolation_level=None, check_same_thread=False)
        self._ledger.execute("PRAGMA synchronous = OFF")
        self._ledger.executescript(LEDGER)

    def carry(self) -> int:
        """Move what is there to the ledger; returns how many words. None now when a stopped agent holds the lock."""
        rows = self._spool.execute("SELECT id, what, epoch_ns, batch_seq, body FROM witness ORDER BY id LIMIT ?", (AT_ONCE,)).fetchall()
        if not rows:
            return 0
        self._ledger.execute("BEGIN")
        self._ledger.executemany("INSERT OR IGNORE INTO ledger VALUES (?, ?, ?, ?, ?)", rows)
        self._ledger.execute("COMMIT")
        with suppress(sqlite3.OperationalError):
            self._spool.execute("DELETE FROM witness WHERE id <= ?", (rows[-1][0],))
        return len(rows)

    def waiting(self) -> int:
        """Batches in the spool that the collector has not acknowledged."""
        return int(self._spool.execute("SELECT count(*) FROM batch").fetchone()[0])

    def thinned(self) -> int:
        """How often a batch was removed to make room."""
        return int(self._ledger.execute("SELECT count(*) FROM ledger WHERE what = 'removed'").fetchone()[0])

    def counted_loss(self) -> int:
        """Samples that the spool counts as lost and no batch carries yet."""
        return int(self._spool.execute("SELECT coalesce(sum(sample_count), 0) FROM loss").fetchone()[0])

    def close(self) -> None:
        """Carry the rest and release both files."""
        while self.carry() == AT_ONCE:
            pass
        self._spool.close()
        self._ledger.close()
