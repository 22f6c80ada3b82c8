"""The homes of epochs in the spool: to which collector the batches of each start belong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Final

AMONG: Final = "(? IS NULL OR epoch_ns IN (SELECT value FROM json_each(?)))"
"""A condition on batches: of the epochs in a list of JSON, given twice; NULL for all."""

ADOPT: Final = """UPDATE home SET address = ? WHERE address NOT IN (SELECT value FROM json_each(?))
    AND epoch_ns IN (SELECT epoch_ns FROM batch WHERE batch_seq = 0) AND epoch_ns NOT IN (SELECT epoch_ns FROM batch WHERE sent)"""
"""Give away the epochs of addresses that are not in a list of JSON, if their first batch is still there and none was sent: batches are
sent in their order, so one that was acknowledged and deleted was the first of them."""


class Homes:
    """The home of each epoch, in memory as they were when the agent began: a file that is replaced meanwhile does not change them."""

    def __init__(self) -> None:
        self._by_epoch: dict[int, str] = {}
        self.waiting: dict[str, tuple[int, int]] = {}
        """For each home with batches, as it was then: how many, and how many of them may have been sent."""

    def load(self, db: sqlite3.Connection) -> None:
        """Take them from the file."""
        self._by_epoch = dict(db.execute("SELECT epoch_ns, address FROM home"))
        self.waiting = waiting(db)

    def settle(self, db: sqlite3.Connection, epoch_ns: int, home: str, *, listed: Collection[str] | None = None) -> None:
        """Keep `home` as that of a new epoch, and of those that have batches and none; forget those of which nothing is left.

        `listed`: the addresses of today; an epoch at another one of which nothing can have been sent goes to `home` too.
        """
        db.execute("INSERT OR IGNORE INTO home (epoch_ns, address) SELECT DISTINCT epoch_ns, ? FROM batch", (home,))
        db.execute("DELETE FROM home WHERE epoch_ns NOT IN (SELECT epoch_ns FROM batch)")
        if listed is not None:
            db.execute(ADOPT, (home, json.dumps(sorted(listed))))
        db.execute("INSERT INTO home (epoch_ns, address) VALUES (?, ?)", (epoch_ns, home))

    def addresses(self) -> list[str]:
        """Every home there is."""
        return sorted(set(self._by_epoch.values()))

    def holds(self, home: str, epoch_ns: int) -> bool:
        """Whether an epoch belongs to `home`."""
        return self._by_epoch.get(epoch_ns) == home

    def among(self, home: str | None) -> str | None:
        """The epochs of a home for AMONG; None for those of all."""
        return None if home is None else json.dumps(sorted(e for e, at in self._by_epoch.items() if at == home))


def move(db: sqlite3.Connection, old: str, new: str) -> None:
    """Make `new` the home of everything whose home is `old`."""
    db.execute("UPDATE home SET address = ? WHERE address = ?", (new, old))


def waiting(db: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """For each home with batches: how many, and how many of them may have been sent."""
    query = """SELECT address, count(*), sum(sent) FROM batch JOIN home USING (epoch_ns) GROUP BY address ORDER BY address"""
    return {address: (count, sent) for address, count, sent in db.execute(query)}
