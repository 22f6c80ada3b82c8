"""Backups of a collector whose sealed readings lie on shards of ClickHouse: the real engine, in this process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector import snapshot
from joulemark.collector.backups import Backup, Backups
from joulemark.collector.proof import Proof, proven
from joulemark.collector.store import configured
from joulemark.collector.store.chunks import LOCAL, Chunks
from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.clickhouse.shelves import Shelves
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.config import CollectorConfig, Config
from joulemark.errors import EnvironmentFailed, InsufficientData, RemoteUnreachable
from tests.collector.store.clickhouse.conftest import opened
from tests.collector.store.conftest import T0, S, batch

ALL_NS = (T0 - 100 * S, T0 + 10**6 * S)
BackUp = Callable[..., tuple[Backups, Backup, Shelves]]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: Archive) -> Config:
    """A data folder, of a configuration with two shards."""
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(configured, "opened", lambda _: archive)
    monkeypatch.setattr(archive.shards, "close", lambda: None)
    return Config(collector=CollectorConfig(data_dir=tmp_path / "data"))


@pytest.fixture
def store(config: Config, archive: Archive) -> SqliteStore:
    """Readings of one host, sealed onto its shard, and some that still lie in the log."""
    made = opened(config.collector.data_dir / "readings.db", archive)
    sealed(made, 0, 60)
    for number in range(60, 64):
        made.append(batch(number)).result()
    return made


def sealed(store: SqliteStore, first: int, end: int) -> None:
    """Take batches and seal all that is there."""
    for number in range(first, end):
        store.append(batch(number)).result()
    store.seal(T0 + 10**6 * S, everything=True)


@pytest.fixture
def back_up(config: Config, tmp_path: Path) -> BackUp:
    """Makes one more backup."""

    def made(**how: Any) -> tuple[Backups, Backup, Shelves]:
        backups, scratch = Backups(tmp_path / "b"), tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        with backups.writing(), closing(Shelves(config, backups, scratch, **how)) as shelves:
            return backups, backups.add(T0, snapshot.copied(snapshot.contents(config), scratch, shelves.of)), shelves

    return made


def series(path: Path, chunks: Chunks = LOCAL) -> list[Any]:
    """Every reading of every meter."""
    found = SqliteReadings(path, chunks=chunks)
    meters = [meter.meter_id for one in found.devices() for meter in one.device.meters]
    return [(one.meter, one.t_ns.tolist(), one.value.tolist(), one.reasons) for one in found.series(meters, *ALL_NS)]


def proof_of(backups: Backups, backup: Backup, tmp_path: Path, **how: Any) -> Proof:
    """What verify finds."""
    (tmp_path / "proof").mkdir()
    try:
        return proven(backups, backup, tmp_path / "proof", **how)
    finally:
        assert list((tmp_path / "proof").iterdir()) == []
        (tmp_path / "proof").rmdir()


def test_what_lies_on_shards_is_backed_up_proven_and_restored(
    store: SqliteStore, archive: Archive, back_up: BackUp, tmp_path: Path
) -> None:
    """The backup is proven by every reading without a shard; restored, the readings are those of before, in a readings.db of their own."""
    before = series(store.path, archive)
    backups, backup, shelves = back_up()
    assert (shelves.spans > 0, shelves.left_out) == (True, 0)
    assert [file.name[:23] for file in backup.files] == ["shards/readings.db/0000", "readings.db"]
    for shard in archive.shards:
        shard.command("DROP TABLE chunk")
    proof = proof_of(backups, backup, tmp_path)
    assert (proof.faults, proof.spans_from_shards, proof.spans_left_out) == ([], shelves.spans, 0)
    assert proof.spans > 0
    assert snapshot.restored(backups, backup, tmp_path / "again") == shelves.spans
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["readings.db"]
    assert series(tmp_path / "again" / "readings.db") == before
    assert sum(len(times) for _, times, *_ in before) > 1000
    store.close()


def test_what_a_backup_has_is_not_fetched_again(
    store: SqliteStore, archive: Archive, back_up: BackUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing new no shard is asked; with another span sealed one segment is made anew, and both backups restore what was then."""
    first = back_up()[1]
    then = series(store.path, archive)
    asked = []
    rows = Shard.rows
    monkeypatch.setattr(Shard, "rows", lambda *args, **more: asked.append(args) or rows(*args, **more))
    backups, second, shelves = back_up()
    assert (asked, shelves.spans > 0) == ([], True)
    assert second.files[0] == first.files[0]
    next((tmp_path / "b" / "blocks").glob(f"*/{first.files[0].blocks[0]}")).unlink()
    back_up()
    assert len(asked) > 0
    sealed(store, 64, 90)
    third = back_up()[1]
    assert third.files[0].name != first.files[0].name
    for backup, readings in ((first, then), (third, series(store.path, archive))):
        snapshot.restored(backups, backup, tmp_path / backup.name)
        assert series(tmp_path / backup.name / "readings.db") == readings
    store.close()


def test_a_segment_that_was_damaged_is_a_fault(store: SqliteStore, back_up: BackUp, tmp_path: Path) -> None:
    """Verify names it, and nothing is restored."""
    backups, backup, _ = back_up()
    store.close()
    block = next((tmp_path / "b" / "blocks").glob(f"*/{backup.files[0].blocks[-1]}"))
    block.write_bytes(bytes(len(block.read_bytes())))
    assert all("shards/readings.db" in fault for fault in proof_of(backups, backup, tmp_path).faults)
    assert proof_of(backups, backup, tmp_path).faults != []
    with pytest.raises(InsufficientData, match="damaged"):
        snapshot.restored(backups, backup, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_wrong_reading_of_a_segment_is_a_fault(store: SqliteStore, archive: Archive, back_up: BackUp, tmp_path: Path) -> None:
    """A sum on the shard that is not that of its readings is found in the backup, without the shard."""
    for shard in archive.shards:
        shard.command("ALTER TABLE chunk_sum UPDATE double_integral = double_integral + 1 WHERE 1 SETTINGS mutations_sync = 2")
    backups, backup, _ = back_up()
    store.close()
    assert any("are not those of its readings" in fault for fault in proof_of(backups, backup, tmp_path).faults)


def test_what_is_left_to_the_engine_is_said(store: SqliteStore, archive: Archive, back_up: BackUp, tmp_path: Path) -> None:
    """A backup without shards says so; verify calls it a fault unless it is told, and a restore of it asks the shards as before."""
    before = series(store.path, archive)
    backups, backup, shelves = back_up(without=True)
    store.close()
    assert (shelves.spans, shelves.left_out > 0) == (0, True)
    (fault,) = proof_of(backups, backup, tmp_path).faults
    assert "not in this backup" in fault
    assert "here/" in fault
    proof = proof_of(backups, backup, tmp_path, without_shards=True)
    assert (proof.faults, proof.spans_left_out) == ([], shelves.left_out)
    assert snapshot.restored(backups, backup, tmp_path / "again", from_shards=False) == 0
    assert series(tmp_path / "again" / "readings.db", archive) == before
    with closing(sqlite3.connect(tmp_path / "again" / "readings.db")) as db:
        assert db.execute("SELECT COUNT(*) FROM archived").fetchone()[0] == shelves.left_out


def test_no_backup_has_a_hole(
    store: SqliteStore, archive: Archive, back_up: BackUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard that is away, one that lost something and a configuration that names none each end the backup, and there is none."""

    def down(*args: Any, **more: Any) -> Any:
        raise RemoteUnreachable("the ClickHouse shard here failed", "start it")

    with monkeypatch.context() as away:
        away.setattr(Shard, "rows", down)
        with pytest.raises(RemoteUnreachable):
            back_up()
    with monkeypatch.context() as none:
        none.setattr(configured, "opened", lambda _: None)
        with pytest.raises(EnvironmentFailed, match="names none"):
            back_up()
    for shard in archive.shards:
        shard.command("DELETE FROM chunk WHERE 1")
    with pytest.raises(EnvironmentFailed, match="once took"):
        back_up()
    assert Backups(tmp_path / "b").names() == []
    store.close()
