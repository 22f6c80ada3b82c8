"""A database file is opened whole and up to date, or refused with what to do; a refused one is left as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from joulemark.database import opened
from joulemark.errors import EnvironmentFailed

first, second = Migrations("joulemark.trial"), Migrations("joulemark.trial")


@first(name="one")
@second(name="one")
def one(db: Database) -> None:
    db.table("sample").create({"n": int})


@second(name="two")
def two(db: Database) -> None:
    db.table("other").create({"n": int})


def test_missing_tables_are_made_and_rows_stay(tmp_path: Path) -> None:
    """An older file gets what it lacks, in a folder that was not there, and keeps what it holds."""
    path = tmp_path / "folder" / "trial.db"
    with closing(opened(path, first, kind="trial.db")) as db:
        db.execute("INSERT INTO sample VALUES (7)")
        db.conn.commit()
    with closing(opened(path, second, kind="trial.db")) as db:
        assert {"sample", "other"} <= set(db.table_names())
        assert db.execute("SELECT n FROM sample").fetchall() == [(7,)]
        assert db.execute("PRAGMA foreign_keys").fetchall() == [(1,)]
        assert db.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def test_a_newer_file_is_refused_untouched(tmp_path: Path) -> None:
    """A file that a later version changed is not opened, and not a byte of it changes."""
    path = tmp_path / "trial.db"
    opened(path, second, kind="trial.db").close()
    before = path.read_bytes()
    with pytest.raises(EnvironmentFailed, match=r"changed by a newer joulemark \(two\)"):
        opened(path, first, kind="trial.db")
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is no database, but a text that is long enough to be told from one" * 20, None])
def test_what_is_no_database_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    """Another file of that name, or a folder in its place, names the file and what to check."""
    path = tmp_path / "another name"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(EnvironmentFailed) as caught:
        opened(path, first, kind="trial.db")
    assert "another name" in caught.value.what
    assert "that it is the trial.db it is named after" in caught.value.next_step
    assert content is None or path.read_bytes() == content


def test_a_writer_is_waited_for(tmp_path: Path) -> None:
    """Two processes may open it: one that only reads goes on beside one that writes."""
    path = tmp_path / "trial.db"
    with closing(opened(path, first, kind="trial.db")) as writer, closing(sqlite3.connect(path)) as reader:
        writer.conn.execute("BEGIN IMMEDIATE")
        writer.conn.execute("INSERT INTO sample VALUES (1)")
        assert reader.execute("SELECT count(*) FROM sample").fetchone() == (0,)
        with closing(opened(path, first, kind="trial.db")) as third:
            assert third.table_names()
