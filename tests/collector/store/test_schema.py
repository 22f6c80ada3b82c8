"""Tables of readings.db."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector.store import schema
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import EnvironmentFailed
from tests.collector.store.conftest import batch


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    """A file of another version is left alone, with the next step named."""
    db = sqlite3.connect(tmp_path / "readings.db")
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    with pytest.raises(EnvironmentFailed, match="version 99"):
        SqliteStore(tmp_path / "readings.db")
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db:
        assert db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,)


def test_a_reader_sees_one_moment_and_cannot_write(store: SqliteStore) -> None:
    """What is committed after a reader opened stays unseen by it, and it may not write."""
    store.append(batch(0)).result()
    with closing(schema.reader(store.path)) as db:
        before = db.execute("SELECT COUNT(*) FROM log").fetchone()
        store.append(batch(1)).result()
        assert db.execute("SELECT COUNT(*) FROM log").fetchone() == before == (1,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM log")


def test_a_reader_does_not_create_the_file(tmp_path: Path) -> None:
    """Asking before the first start is an error and leaves no empty database behind."""
    with pytest.raises(sqlite3.OperationalError):
        schema.reader(tmp_path / "readings.db")
    assert list(tmp_path.iterdir()) == []
