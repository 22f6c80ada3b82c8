"""A readings.db moves onto the shards in one command that may be killed, and answers the same after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.moving import Moved, Moving
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.clickhouse.shards import Shards
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import EnvironmentFailed, RemoteUnreachable
from tests.collector import golden
from tests.collector.store.clickhouse.conftest import opened

S, T0 = golden.S, golden.T0
SPANS = [(T0 + 3 * S, T0 + 30 * S), (T0 + 10 * S, T0 + 20 * S)]
POWERS = ["fake:ahead:0:power", "fake:local:0:power"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The golden hosts, all sealed in the file."""
    golden.write_readings(tmp_path / "readings.db")
    store = SqliteStore(tmp_path / "readings.db", seal_after_ns=25 * S)
    store.seal(T0 + 1000 * S, everything=True)
    store.close()
    return tmp_path / "readings.db"


def answers(path: Path, archive: Archive) -> list[Any]:
    """Series, energies and bytes of all hosts."""
    store = opened(path, archive)
    meters = [meter.meter_id for found in store.devices() for meter in found.device.meters]
    series = [(one.meter, one.t_ns.tolist(), one.value.tolist(), one.reasons) for one in store.series(meters, T0 - S, T0 + 200 * S)]
    found = [series, store.integrals(POWERS, SPANS), [store.stored_bytes(name) for name in ("ahead", "local", "alone")]]
    store.close()
    return found


def moved(path: Path, archive: Archive) -> Moved:
    """One run of the command."""
    moving = Moving(path, archive)
    try:
        return moving.run(lambda done, of: None)
    finally:
        moving.close()


def rows(path: Path, table: str) -> int:
    """Of a table."""
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


def test_everything_answers_the_same_from_the_shards(path: Path, archive: Archive) -> None:
    """Chunks and sums leave the file, nothing else does; a run after the last one finds nothing to do."""
    before, count, sums = answers(path, archive), rows(path, "chunk"), rows(path, "chunk_sum")
    assert moved(path, archive) == Moved(count, sums, count)
    assert (rows(path, "chunk"), rows(path, "chunk_sum"), rows(path, "archived")) == (0, 0, count)
    assert answers(path, archive) == before
    assert moved(path, archive) == Moved(0, 0, 0)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT 1 FROM sqlite_master WHERE name = 'moving'").fetchone() is None


def test_a_run_that_was_killed_is_continued_and_sends_only_what_is_missing(path: Path, archive: Archive) -> None:
    """A shard fails at the second host: nothing is switched, the file answers as before, and the next run sends the rest."""
    before, count, Failing.inserts = answers(path, archive), rows(path, "chunk"), 0
    archive.shards._by_name = {name: Failing(name, shard._opened) for name, shard in archive.shards._by_name.items()}
    with pytest.raises(RemoteUnreachable):
        moved(path, archive)
    assert (rows(path, "chunk"), rows(path, "archived")) == (count, 0)
    assert answers(path, archive) == before
    Failing.inserts = -1000
    again = moved(path, archive)
    assert 0 < again.sent < again.chunks == count
    assert answers(path, archive) == before


class Failing(Shard):
    """All of them fail together from the third insert on."""

    inserts = 0

    def insert(self, table: str, rows: Sequence[Sequence[Any]], *, token: str) -> None:
        Failing.inserts += 1
        if Failing.inserts > 2:
            raise RemoteUnreachable("the shard is down", "wait")
        super().insert(table, rows, token=token)


class Damaging(Shard):
    """Holds something else than it was sent."""

    statement = ""

    def insert(self, table: str, rows: Sequence[Sequence[Any]], *, token: str) -> None:
        super().insert(table, rows, token=token)
        if table == "chunk_sum":
            self.command(self.statement)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE chunk UPDATE body = concat(body, 'x') WHERE 1 SETTINGS mutations_sync = 2",
        "ALTER TABLE chunk_sum UPDATE double_integral = double_integral + 1 WHERE 1 SETTINGS mutations_sync = 2",
        "DELETE FROM chunk_sum WHERE 1",
        "DELETE FROM chunk WHERE 1",
    ],
)
def test_a_shard_that_holds_anything_else_is_not_switched_to(path: Path, archive: Archive, statement: str) -> None:
    """One bit of a chunk, one unit of an integral, a missing sum or chunk: the run ends with the shard, the file is as it was."""
    before, count = answers(path, archive), rows(path, "chunk")
    shards = [Damaging(shard.name, shard._opened) for shard in archive.shards]
    for shard in shards:
        shard.statement = statement
    with pytest.raises(EnvironmentFailed, match="nothing was switched over"):
        moved(path, Archive(Shards(shards)))
    assert (rows(path, "chunk"), rows(path, "archived")) == (count, 0)
    assert answers(path, archive) == before


def test_a_copy_for_the_way_back_is_the_file_of_before(path: Path, archive: Archive, tmp_path: Path) -> None:
    """With --keep the whole file is kept elsewhere, and never over another one."""
    before = answers(path, archive)
    moving = Moving(path, archive)
    moving.keep(tmp_path / "kept.db")
    with pytest.raises(EnvironmentFailed, match="exists already"):
        moving.keep(tmp_path / "kept.db")
    moving.run(lambda done, of: None)
    moving.close()
    assert answers(tmp_path / "kept.db", Archive(Shards([]))) == before
