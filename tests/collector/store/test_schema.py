"""Tables of readings.db, and what becomes of a file of another version."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector.store import schema
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import EnvironmentFailed
from tests.collector import golden
from tests.collector.store.conftest import batch


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_newer_file_is_refused_and_not_touched(tmp_path: Path, journal: str) -> None:
    """The message names both versions and what to do; not a byte of the file changes, whatever its journal."""
    path = tmp_path / "readings.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA journal_mode = {journal}")
        db.executescript(f"CREATE TABLE later (n); PRAGMA user_version = {schema.VERSION + 1};")
    before = path.read_bytes()
    with pytest.raises(EnvironmentFailed, match=rf"version {schema.VERSION + 1}.* up to version {schema.VERSION}") as refused:
        SqliteStore(path)
    assert "install that version" in refused.value.next_step
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A file of something else is an error with a next step, and stays."""
    (tmp_path / "readings.db").write_text("no database, but longer than the header of one is " * 4)
    with pytest.raises(EnvironmentFailed, match=r"readings\.db cannot be used"):
        SqliteStore(tmp_path / "readings.db")


def test_a_new_file_has_gone_through_every_step(tmp_path: Path) -> None:
    """A fresh file and a migrated one of version 1 have the same tables."""
    shutil.copy(golden.FOLDER / "readings-v1.db", tmp_path / "old.db")
    tables = []
    for name in ("new.db", "old.db"):
        SqliteStore(tmp_path / name).close()
        with closing(sqlite3.connect(tmp_path / name)) as db:
            tables.append(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall())
    assert tables[0] == tables[1]


KILLED = """
import os, signal, sqlite3, sys
from joulemark.collector.store import schema
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
db.create_function("die", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
schema.STEPS = [step.replace("CREATE TABLE axis", "SELECT die(); CREATE TABLE axis") for step in schema.STEPS]
schema.prepare(db)
"""


def test_a_kill_in_the_middle_of_a_migration_leaves_the_old_file(tmp_path: Path) -> None:
    """SIGKILL between two statements of a step: the file is of version 1 as before, and migrates at the next start."""
    path = tmp_path / "readings.db"
    shutil.copy(golden.FOLDER / "readings-v1.db", path)
    done = subprocess.run([sys.executable, "-c", KILLED, path], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert "axis_ns" not in {row[1] for row in db.execute("PRAGMA table_info(stream)")}
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


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
