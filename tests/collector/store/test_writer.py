"""The writer: one commit for many, and a failure harms only itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector.store.writer import Writer


def rows(path: Path) -> list[int]:
    """What a second connection sees: only what is committed."""
    with closing(sqlite3.connect(path)) as db:
        return [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]


def insert(db: sqlite3.Connection, n: int) -> int:
    db.execute("INSERT INTO t VALUES (?)", (n,))
    return n


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    writer = Writer(path, lambda db: db.execute("CREATE TABLE t (n INTEGER UNIQUE)"))
    yield writer
    writer.close()


def test_a_commit_waits_for_the_disk(writer: Writer) -> None:
    """Each commit is synced with the log: what is acknowledged survives a loss of power."""
    found = writer.submit(lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")])
    assert found.result() == [2, "wal"]


def test_a_result_means_durable(writer: Writer, path: Path) -> None:
    """When the future is done, another connection sees the row."""
    assert writer.submit(lambda db: insert(db, 1)).result(10) == 1
    assert rows(path) == [1]


def test_one_bad_piece_harms_only_itself(writer: Writer, path: Path) -> None:
    """Of four pieces in one group, two fail with their own error and the other two are stored."""
    gate = threading.Event()
    writer.submit(lambda db: gate.wait(10))
    works = [lambda db, n=n: insert(db, n) for n in (1, 1, 2**63, 2)]
    futures = [writer.submit(work) for work in works]
    gate.set()
    assert [type(f.exception(10)) for f in futures] == [type(None), sqlite3.IntegrityError, OverflowError, type(None)]
    assert rows(path) == [1, 2]


def test_what_nobody_foresaw_harms_only_itself(writer: Writer, path: Path) -> None:
    """An error that is neither of data nor of the disk reaches who submitted the piece, and the writer goes on."""

    def mistaken(db: sqlite3.Connection) -> int:
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError, match="a mistake of ours"):
        writer.submit(mistaken).result(10)
    assert writer.submit(lambda db: insert(db, 1)).result(10) == 1
    assert rows(path) == [1]


def test_pieces_that_wait_share_a_commit(writer: Writer, path: Path) -> None:
    """Nothing of a group is visible before all of it is: the second piece still sees the log without the first one committed."""
    gate = threading.Event()
    writer.submit(lambda db: gate.wait(10))
    writer.submit(lambda db: insert(db, 1))
    seen = writer.submit(lambda db: (insert(db, 2), rows(path)))
    gate.set()
    assert seen.result(10) == (2, [])
    assert rows(path) == [1, 2]


def test_what_waits_for_the_same_work_is_handed_to_it_at_once(writer: Writer) -> None:
    """Two before and one behind another piece: calls of two and of one, each with its own result; alone again when one of them fails."""
    gate, calls = threading.Event(), []

    def work(db: sqlite3.Connection, numbers: Sequence[int]) -> list[int]:
        calls.append(list(numbers))
        return [insert(db, n) * 10 for n in numbers]

    writer.submit(lambda db: gate.wait(10))
    futures = [writer.hand(work, 1), writer.hand(work, 2), writer.submit(lambda db: insert(db, 3)), writer.hand(work, 4)]
    gate.set()
    assert [future.result(10) for future in futures] == [10, 20, 3, 40]
    gate.clear()
    writer.submit(lambda db: gate.wait(10))
    good, bad = writer.hand(work, 5), writer.hand(work, 1)
    gate.set()
    assert (good.result(10), type(bad.exception(10))) == (50, sqlite3.IntegrityError)
    assert calls == [[1, 2], [4], [5, 1], [5], [1]]


def test_closing_commits_what_was_submitted(path: Path) -> None:
    """Close waits for the queue, then releases the file; no write-ahead log stays behind."""
    writer = Writer(path, lambda db: db.execute("CREATE TABLE t (n INTEGER)"))
    futures = [writer.submit(lambda db, n=n: insert(db, n)) for n in range(2500)]
    writer.close()
    assert all(f.done() for f in futures)
    assert rows(path) == list(range(2500))
    assert [p.name for p in path.parent.iterdir()] == ["w.db"]


def test_a_file_that_cannot_be_prepared_is_released(path: Path) -> None:
    """What `prepare` raises comes out, and no thread or connection holds the file."""
    threads = threading.active_count()
    with pytest.raises(sqlite3.OperationalError):
        Writer(path, lambda db: db.execute("no sql"))
    assert threading.active_count() == threads
    path.unlink()
