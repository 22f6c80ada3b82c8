"""Homes in the file of the spool."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from joulemark.agent.spool_homes import AMONG, Homes, move, waiting
from joulemark.agent.spool_schema import connected


def test_what_has_no_home_gets_the_newest_and_what_is_empty_goes(tmp_path: Path) -> None:
    """Batches of an unknown start are settled with the new one, known ones stay, starts without a batch are forgotten."""
    with closing(connected(tmp_path / "spool.db", 1 << 20)) as db:
        add = "INSERT INTO batch (epoch_ns, batch_seq, sent, sha256, body) VALUES (?, ?, ?, x'00', x'00')"
        db.executemany(add, [(1, 0, 1), (1, 1, 0), (2, 0, 0)])
        db.executemany("INSERT INTO home VALUES (?, ?)", [(2, "b:1"), (3, "c:1")])
        homes = Homes()
        homes.settle(db, 4, "a:1")
        homes.load(db)
        assert homes.addresses() == ["a:1", "b:1"]
        assert [homes.holds("a:1", epoch_ns) for epoch_ns in (1, 2, 3, 4)] == [True, False, False, True]
        assert waiting(db) == homes.waiting == {"a:1": (2, 1), "b:1": (1, 0)}
        assert [counted(db, homes.among(home)) for home in (None, "a:1", "b:1", "x:1")] == [3, 2, 1, 0]
        move(db, "b:1", "a:1")
        homes.load(db)
        assert homes.waiting == {"a:1": (3, 1)}


def test_what_was_never_sent_follows_the_list(tmp_path: Path) -> None:
    """Of homes that are in the list no more, as of a typo, whole starts go to the new home if no batch of them can have been sent; one
    that was sent, or that is gone because it was acknowledged, keeps its start where it is, and so does a home that is in the list.
    """
    with closing(connected(tmp_path / "spool.db", 1 << 20)) as db:
        add = "INSERT INTO batch (epoch_ns, batch_seq, sent, sha256, body) VALUES (?, ?, ?, x'00', x'00')"
        db.executemany(add, [(1, 0, 0), (1, 1, 0), (2, 0, 1), (2, 1, 0), (3, 4, 0), (4, 0, 0)])
        db.executemany("INSERT INTO home VALUES (?, ?)", [(1, "typo:1"), (2, "typo:1"), (3, "typo:1"), (4, "known:1")])
        Homes().settle(db, 5, "new:1", listed=("new:1", "known:1"))
        assert dict(db.execute("SELECT epoch_ns, address FROM home")) == {1: "new:1", 2: "typo:1", 3: "typo:1", 4: "known:1", 5: "new:1"}


def counted(db: sqlite3.Connection, epochs: str | None) -> int:
    """Batches among epochs."""
    return int(db.execute(f"SELECT count(*) FROM batch WHERE {AMONG}", (epochs, epochs)).fetchone()[0])
