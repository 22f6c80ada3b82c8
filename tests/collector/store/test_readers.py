"""Kept connections: each question sees what is durable then, of the file that is there then."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector.store.readers import Readers


def written(path: Path, number: int) -> None:
    """A table with one number."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE IF NOT EXISTS n (n)")
        db.execute("INSERT INTO n VALUES (?)", (number,))


def numbers(readers: Readers) -> list[int]:
    """All of them."""
    with readers.view() as db:
        return [n for (n,) in db.execute("SELECT n FROM n ORDER BY 1")]


def test_a_kept_connection_sees_what_came_since(tmp_path: Path) -> None:
    """The second question is put to the connection of the first, in a view of its own; two at once have one each."""
    path = tmp_path / "readings.db"
    written(path, 1)
    readers = Readers(path)
    assert numbers(readers) == [1]
    written(path, 2)
    with readers.view() as one, readers.view() as other:
        assert one is not other
        assert one.execute("SELECT COUNT(*) FROM n").fetchone() == (2,)
        written(path, 3)
        assert one.execute("SELECT COUNT(*) FROM n").fetchone() == (2,)
    assert numbers(readers) == [1, 2, 3]
    assert len(readers._idle) == 2
    readers.close()
    assert len(readers._idle) == 0


def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    """A restored file is read, and not the one that was moved away; without a file there is no answer."""
    path, other = tmp_path / "readings.db", tmp_path / "other.db"
    written(path, 1)
    written(other, 7)
    readers = Readers(path)
    assert numbers(readers) == [1]
    path.rename(tmp_path / "away.db")
    with pytest.raises(sqlite3.OperationalError):
        numbers(readers)
    shutil.copy(other, path)
    assert numbers(readers) == [7]


def test_a_question_that_fails_leaves_no_view(tmp_path: Path) -> None:
    """Its connection is given up."""
    path = tmp_path / "readings.db"
    written(path, 1)
    readers = Readers(path)
    with pytest.raises(ZeroDivisionError), readers.view():
        raise ZeroDivisionError
    assert len(readers._idle) == 0
    assert numbers(readers) == [1]
