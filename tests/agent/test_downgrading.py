"""The spool goes back to the version before, whole, and comes forward again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.agent.downgrading import Downgraded, downgraded
from joulemark.agent.spool import Spool
from joulemark.agent.spool_schema import SCHEMA_VERSION
from joulemark.config import Config, SpoolConfig
from joulemark.errors import EnvironmentFailed, UsageError
from tests.agent.test_homes import put


def tables(path: Path) -> tuple[int, list[tuple[str, str]]]:
    """The version of a file, and the statement that made each of its tables and indexes."""
    with closing(sqlite3.connect(path)) as db:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        assert db.execute("SELECT schema_version FROM meta").fetchone() == (version,)
        return version, db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()


def test_it_has_the_tables_of_the_version_before(tmp_path: Path, opened: Callable[..., Spool], repository: Path) -> None:
    """Its tables are those that the version before made, its batches are those of before, and it opens again with their home."""
    path = tmp_path / "spool.db"
    spool = opened(path)
    put(spool, "a:1", 3)
    before = [(s.key, s.frozen.body) for s in spool.claim((-1, -1), 9)]
    spool.close()
    assert downgraded(Config(spool=SpoolConfig(path))) == Downgraded(SCHEMA_VERSION - 1, 3, "a:1")
    golden = Path(shutil.copy(repository / f"tests/data/golden/spool-v{SCHEMA_VERSION - 1}.db", tmp_path / "golden.db"))
    assert tables(path) == tables(golden)
    again = opened(path)
    assert [(s.key, s.frozen.body) for s in again.claim((-1, -1), 9)] == before
    again.new_epoch("a:1")
    again.close()
    assert opened(path).homes.waiting == {"a:1": (3, 3)}


def test_what_would_be_lost_is_refused(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    """No spool, one that is in use, and batches of two collectors, which stay as they are."""
    path = tmp_path / "spool.db"
    config = Config(spool=SpoolConfig(path))
    with pytest.raises(UsageError, match="there is no spool"):
        downgraded(config)
    spool = opened(path)
    put(spool, "a:1", 2)
    with pytest.raises(EnvironmentFailed, match="another agent uses this spool"):
        downgraded(config)
    put(spool, "b:1", 1)
    spool.close()
    with pytest.raises(UsageError, match="2 for a:1, 1 for b:1"):
        downgraded(config)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert db.execute("SELECT COUNT(*) FROM home").fetchone()[0] >= 2
