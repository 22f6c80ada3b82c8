"""What the run left in its files: the ledgers of the spools' witnesses, the collector's store, and its log."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Key = tuple[str, int, int]
"""Agent, start of the agent, number of the batch."""

REFUSED = "cannot store"
"""The ingest process says this in its log when the disk refused a batch."""


def query(path: Path, text: str) -> list[tuple[Any, ...]]:
    """The rows that a read-only look into a SQLite file answers."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(text).fetchall()


@dataclass
class Evidence:
    """Batches by what happened to them. `read`: as first written; `kept`: what thinning left, which is what must be stored."""

    read: dict[Key, bytes] = field(default_factory=dict)
    kept: dict[Key, bytes] = field(default_factory=dict)
    removed: dict[Key, bytes] = field(default_factory=dict)
    sent: set[Key] = field(default_factory=set)
    acked: set[Key] = field(default_factory=set)
    stored: list[tuple[Key, bytes]] = field(default_factory=list)
    losses: Counter[tuple[str, str]] = field(default_factory=Counter)
    steps: list[tuple[str, int]] = field(default_factory=list)
    duplicates: Counter[str] = field(default_factory=Counter)
    waiting: int = 0
    uncarried: int = 0
    twice_written: int = 0
    thinned_after_sent: int = 0
    refusals: int = 0

    @staticmethod
    def found(work: Path, agents: list[str]) -> Evidence:
        evidence = Evidence()
        for agent in agents:
            evidence.waiting += query(work / f"{agent}.db", "SELECT count(*) FROM batch")[0][0]
            evidence.uncarried += query(work / f"{agent}.db", "SELECT coalesce(sum(sample_count), 0) FROM loss")[0][0]
            for what, epoch_ns, batch_seq, body in query(
                work / f"{agent}.ledger", "SELECT what, epoch_ns, batch_seq, body FROM ledger ORDER BY id"
            ):
                evidence.witness(what, (agent, epoch_ns, batch_seq), body)
        store = work / "collector" / "readings.db"
        rows = query(store, "SELECT agent_id, epoch_ns, batch_seq, body FROM log ORDER BY id")
        evidence.stored = [((agent, epoch_ns, batch_seq), body) for agent, epoch_ns, batch_seq, body in rows]
        evidence.delivered_unmarked()
        for device, reason, count in query(store, "SELECT device_id, reason, sample_count FROM loss"):
            evidence.losses[device, reason] += count
        evidence.duplicates.update(dict(query(store, "SELECT agent_id, sum(duplicate_count) FROM stream GROUP BY 1")))
        evidence.steps = [(agent, step_ns) for agent, step_ns in query(store, "SELECT agent_id, step_ns FROM clock_step")]
        evidence.refusals = (work / "collector.log").read_text(errors="replace").count(REFUSED)
        return evidence

    def witness(self, what: str, key: Key, body: bytes) -> None:
        """One word of a witness, in the order they were spoken."""
        if what == "appended":
            self.twice_written += key in self.read
            self.read[key] = self.kept[key] = body
        elif what == "thinned":
            self.thinned_after_sent += key in self.sent
            self.kept[key] = body
        elif what == "removed":
            self.removed[key] = self.kept.pop(key)
        else:
            (self.sent if what == "sent" else self.acked).add(key)

    def delivered_unmarked(self) -> None:
        """Batches that were delivered while a full disk did not take the mark that they were sent: removed, but not to make room.

        One that was thinned away is not in the store; were it both, its samples would be found and counted as lost.
        """
        for key, body in self.stored:
            if self.removed.get(key) == body and key not in self.kept:
                self.kept[key] = body
                self.sent.add(key)
                self.acked.add(key)
