from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.agent import spool_schema
from joulemark.agent.spool import Spool
from joulemark.agent.spool_schema import SCHEMA_VERSION, connected, scalar
from joulemark.config import SpoolConfig
from joulemark.errors import EnvironmentFailed
from joulemark.proto import convert
from joulemark.timebase import SystemClock

BOUND = 1024 * 1024
MIGRATE_AND_DIE = """
import os, signal, sys
from pathlib import Path
import sqlite3
from joulemark.agent import spool_schema
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
left = [int(sys.argv[2])]
def die(statement):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
db.set_trace_callback(die)
spool_schema.migrate(db, 1)
"""


@pytest.fixture
def golden(repository: Path, tmp_path: Path) -> Path:
    """A copy of the spool that schema 1 left: two epochs of four batches, three of them sent, one loss that no batch carried."""
    return Path(shutil.copy(repository / "tests/data/golden/spool-v1.db", tmp_path / "spool.db"))


def test_spool_of_version_1_is_migrated(golden: Path) -> None:
    """Every batch of the older file is delivered byte for byte, sent ones stay frozen, the loss and the last epoch are kept."""
    with closing(sqlite3.connect(golden)) as db:
        before = db.execute("SELECT epoch_ns, batch_seq, body, sha256 FROM batch ORDER BY 1, 2").fetchall()
        (epoch_ns,) = db.execute("SELECT last_ns FROM epoch").fetchone()
    spool = Spool(SpoolConfig(golden, BOUND), SystemClock())
    spool.open()
    after = [(s.epoch_ns, s.batch_seq, s.frozen.body, s.frozen.sha256) for s in spool.claim((-1, -1), 99)]
    assert after == before
    assert len(after) == 8
    assert [(x.device_id, x.sample_count, x.reason) for x in spool.losses()] == [("fake:host:0", 2, "spool full")]
    assert [x.sample_count for x in convert.decode(after[-1][2]).losses] == [7]
    assert spool.new_epoch() > epoch_ns
    assert len(spool.instance_id) == 32
    spool.close()
    with closing(sqlite3.connect(golden)) as db:
        assert scalar(db, "PRAGMA user_version") == scalar(db, "SELECT schema_version FROM meta") == SCHEMA_VERSION


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """Each commit is synced with the log, in a new file and in one that was there: what is durable survives a loss of power."""
    for _ in range(2):
        with closing(connected(tmp_path / "spool.db", BOUND)) as db:
            assert [scalar(db, f"PRAGMA {name}") for name in ("synchronous", "journal_mode")] == [2, "wal"]


@pytest.mark.parametrize("version", [2, 3])
def test_spool_of_this_version_and_the_last_opens(repository: Path, tmp_path: Path, version: int) -> None:
    """The kept files of both: six batches, one of them sent, counts beside their bodies, the same instance, one loss that waits.

    What has no home belongs from the next start on to the home of that.
    """
    path = Path(shutil.copy(repository / f"tests/data/golden/spool-v{version}.db", tmp_path / "spool.db"))
    spool = Spool(SpoolConfig(path, BOUND), SystemClock())
    spool.open()
    assert spool.instance_id == "00112233445566778899aabbccddeeff"
    stored = spool.claim((-1, -1), 99)
    assert [(s.batch_seq, s.sample_count) for s in stored] == [(2, 3), (3, 3), (0, 3), (1, 3), (2, 3), (3, 3)]
    assert all(s.is_sound for s in stored)
    assert [x.sample_count for x in spool.losses()] == [6]
    assert spool.homes.addresses() == ([] if version == 2 else ["10.0.0.5:7470"])
    spool.new_epoch("10.0.0.6:7470")
    assert spool.batch_count(home=f"10.0.0.{6 if version == 2 else 5}:7470") == 6
    spool.close()


@pytest.mark.parametrize("statement", range(1, 10))
def test_killed_migration_leaves_a_file_that_opens(golden: Path, statement: int) -> None:
    """SIGKILL at any statement of the migration: the next start finds the old or the new schema, and every batch."""
    subprocess.run([sys.executable, "-c", MIGRATE_AND_DIE, str(golden), str(statement)], check=False, timeout=20)
    with closing(connected(golden, BOUND)) as db:
        assert scalar(db, "SELECT count(*) FROM batch") == 8
        assert scalar(db, "SELECT schema_version FROM meta") == SCHEMA_VERSION


def test_same_instance_for_the_life_of_the_file(tmp_path: Path) -> None:
    """A file keeps the random name that it was made with; another file has another."""
    names = []
    for name in ("one.db", "one.db", "two.db"):
        spool = Spool(SpoolConfig(tmp_path / name, BOUND), SystemClock())
        spool.open()
        names.append(spool.instance_id)
        spool.close()
    assert names[0] == names[1] != names[2]


def test_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    """A spool of a newer version is left as it is, with a message that says both versions."""
    path = tmp_path / "spool.db"
    connected(path, BOUND).close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA user_version = 7; UPDATE meta SET schema_version = 7")
    before = path.read_bytes()
    with pytest.raises(EnvironmentFailed, match="schema 7, and this version knows schema 3"):
        connected(path, BOUND)
    assert path.read_bytes() == before


def test_version_that_stands_once_is_damage(tmp_path: Path) -> None:
    """A header that names a newer schema than the table does was not written by a newer version: it is damaged."""
    path = tmp_path / "spool.db"
    connected(path, BOUND).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(spool_schema.Damaged, match="header says schema 7, its tables say 3"):
        connected(path, BOUND)


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """A path that names somebody's database is refused with the key to change, and nothing is written there."""
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE song (title TEXT); INSERT INTO song VALUES ('x')")
    before = path.read_bytes()
    with pytest.raises(EnvironmentFailed, match=r"another program.*set spool\.path"):
        connected(path, BOUND)
    assert path.read_bytes() == before
