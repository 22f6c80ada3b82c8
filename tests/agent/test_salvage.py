from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from joulemark.agent import salvage
from joulemark.agent.spool import Spool
from joulemark.agent.spool_schema import connected, scalar

BOUND = 1024 * 1024
Opened = Callable[..., Spool]
Fill = Callable[..., list[tuple[int, int]]]


def test_only_sound_rows_are_rescued(tmp_path: Path, opened: Opened, fill: Fill) -> None:
    """A row of a wrong kind, or whose body is not what was hashed, stays behind; the others keep id, key, mark and epoch."""
    spool = opened(tmp_path / "spool.db")
    written = fill(spool, 6)
    spool.claim((-1, -1), 3)
    spool.close()
    with closing(sqlite3.connect(spool.path, isolation_level=None)) as db:
        db.execute("UPDATE batch SET body = zeroblob(1000) WHERE batch_seq = 1")
        db.execute("UPDATE batch SET sent = 'yes' WHERE batch_seq = 4")
    with closing(connected(tmp_path / "fresh.db", BOUND)) as fresh:
        assert salvage.rescue(spool.path, fresh) == 4
        rows = fresh.execute("SELECT id, epoch_ns, batch_seq, sent FROM batch ORDER BY id").fetchall()
        assert scalar(fresh, "SELECT last_ns FROM epoch") == written[0][0]
        assert scalar(fresh, "SELECT instance_id FROM meta") == spool.instance_id
    assert rows == [(n + 1, written[0][0], n, int(n < 3)) for n in (0, 2, 3, 5)]


def test_nothing_can_be_read_of_what_is_no_database(tmp_path: Path) -> None:
    """Text, nothing at all, and an absent file give no rows and no error."""
    for content in (b"text " * 1000, b"", None):
        path = tmp_path / "spool.db"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with closing(connected(tmp_path / f"fresh-{content is None}-{bool(content)}.db", BOUND)) as fresh:
            assert salvage.rescue(path, fresh) == 0


def test_files_kept_aside_are_bounded(tmp_path: Path) -> None:
    """Of ten large damaged files two fit into the bound; the newest is kept whatever its size, with its log."""
    path = tmp_path / "spool.db"
    for now_ns in range(10, 20):
        path.write_bytes(bytes(BOUND // 2))
        salvage.set_aside(path, now_ns=now_ns, max_bytes=BOUND)
        assert not path.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["spool.db.damaged-18", "spool.db.damaged-19"]
    path.write_bytes(bytes(2 * BOUND))
    (tmp_path / "spool.db-wal").write_bytes(b"log")
    aside = salvage.set_aside(path, now_ns=20, max_bytes=BOUND)
    assert sorted(p.name for p in tmp_path.iterdir()) == [aside.name, f"{aside.name}-wal"]
