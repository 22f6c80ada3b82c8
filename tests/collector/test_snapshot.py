"""What of a data folder is backed up, and put back."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector import snapshot
from joulemark.collector.backups import Backup, Backups
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.config import CollectorConfig, Config, PricesConfig
from joulemark.errors import EnvironmentFailed, InsufficientData, UsageError
from tests.collector import golden
from tests.collector.store.conftest import METERS, T0, S, batch


def backed_up(config: Config, backups: Backups, scratch: Path) -> Backup:
    """One more backup."""
    scratch.mkdir(exist_ok=True)
    with backups.writing():
        return backups.add(T0 + len(list(scratch.parent.rglob("*"))) * S, snapshot.copied(snapshot.contents(config), scratch))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A folder with a run, readings and what else lies there."""
    folder = tmp_path / "data"
    folder.mkdir()
    golden.write_readings(folder / "readings.db")
    golden.write_catalog(folder / "catalog.db")
    (folder / "tokens.json").write_text("{}")
    (folder / "tokens.json").chmod(0o600)
    (folder / "board" / "archives" / "ab").mkdir(parents=True)
    (folder / "board" / "archives" / "ab" / "abcd").write_bytes(b"an archive")
    (folder / "board" / "incoming").mkdir()
    for name in ("collector.lock", "board/incoming/half", "board/lock"):
        (folder / name).write_text("")
    (folder / "out").symlink_to("/etc/passwd")
    return Config(collector=CollectorConfig(data_dir=folder))


def test_everything_that_lasts_is_in_it_readings_last(config: Config, tmp_path: Path) -> None:
    """Databases, tokens and archives; no lock, no half archive, no link. Runs are copied before what was read for them."""
    prices = tmp_path / "elsewhere.db"
    sqlite3.connect(prices).close()
    found = snapshot.contents(Config(collector=config.collector, prices=PricesConfig(prices)))
    assert [name for name, _ in found] == ["board/archives/ab/abcd", "tokens.json", "catalog.db", "prices.db", "readings.db"]
    with pytest.raises(UsageError, match="no data folder"):
        snapshot.contents(Config(collector=CollectorConfig(data_dir=tmp_path / "none")))


def test_what_is_restored_is_what_was_there(config: Config, tmp_path: Path) -> None:
    """Every file to the bit, with who may read it; the restored store and catalogue answer as the ones of before."""
    backups = Backups(tmp_path / "b")
    backup = backed_up(config, backups, tmp_path / "scratch")
    snapshot.restored(backups, backup, tmp_path / "again")
    before, after = config.collector.data_dir, tmp_path / "again"
    for file in backup.files:
        assert hashlib.sha256((after / file.name).read_bytes()).hexdigest() == file.sha256
    assert (after / "tokens.json").read_bytes() == (before / "tokens.json").read_bytes()
    assert stat.S_IMODE((after / "tokens.json").stat().st_mode) == 0o600
    for name in ("readings.db", "catalog.db"):
        with closing(sqlite3.connect(before / name)) as one, closing(sqlite3.connect(after / name)) as other:
            assert list(one.iterdump()) == list(other.iterdump())
    assert golden.answers(after / "readings.db", after / "catalog.db") == golden.answers(before / "readings.db", before / "catalog.db")


def test_a_copy_is_one_moment_of_a_store_that_is_written(tmp_path: Path) -> None:
    """While batches are stored and sealed, each copy holds whole batches only, in order; the writer notices nothing. The second backup of
    a store that grew by a fiftieth adds a few blocks: what is new lies on pages that became free here and there.
    """
    folder = tmp_path / "data"
    folder.mkdir()
    config = Config(collector=CollectorConfig(data_dir=folder))
    store = SqliteStore(folder / "readings.db", seal_after_ns=10 * S)
    for number in range(400):
        store.append(batch(number, size=200)).result()
    store.seal(T0 + 10**6 * S, everything=True)
    backups = Backups(tmp_path / "b")
    first = backed_up(config, backups, tmp_path / "scratch")
    assert backups.added_bytes > 500_000
    for number in range(400, 408):
        store.append(batch(number, size=200)).result()
    again = Backups(tmp_path / "b")
    second = backed_up(config, again, tmp_path / "scratch")
    assert again.added_bytes < second.size / 3, (again.added_bytes, second.size)
    pending = [store.append(batch(number, size=200)) for number in range(408, 500)]
    third = backed_up(config, Backups(tmp_path / "b"), tmp_path / "scratch")
    assert all(future.result() for future in pending)
    store.close()
    for backup, most in ((first, 400), (second, 408), (third, 500)):
        place = tmp_path / backup.name
        snapshot.restored(again, backup, place)
        found = SqliteReadings(place / "readings.db")
        (stream,) = found.streams()
        assert stream.batch_count == stream.acked_seq + 1 <= most
        assert sum(len(one) for one in found.series(METERS[1:], T0 - 100 * S, T0 + 10**6 * S)) == stream.batch_count * 200


def test_nothing_is_written_over(config: Config, tmp_path: Path) -> None:
    """A folder with anything in it is refused; an empty one, as systemd makes it, is taken."""
    backups = Backups(tmp_path / "b")
    backup = backed_up(config, backups, tmp_path / "scratch")
    with pytest.raises(UsageError, match="not empty"):
        snapshot.restored(backups, backup, config.collector.data_dir)
    (tmp_path / "empty").mkdir()
    snapshot.restored(backups, backup, tmp_path / "empty")
    assert (tmp_path / "empty" / "readings.db").exists()


def test_what_is_damaged_is_not_restored(config: Config, tmp_path: Path) -> None:
    """A flipped byte in the last block: the folder does not appear, not even in part."""
    backups = Backups(tmp_path / "b")
    backup = backed_up(config, backups, tmp_path / "scratch")
    block = next((tmp_path / "b" / "blocks").glob(f"*/{backup.files[-1].blocks[-1]}"))
    block.write_bytes(bytes(len(block.read_bytes())))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InsufficientData, match=r"readings\.db"):
        snapshot.restored(backups, backup, tmp_path / "again")
    assert sorted(tmp_path.iterdir()) == before


def test_a_database_that_is_none_ends_the_backup(config: Config, tmp_path: Path) -> None:
    """The message names the file; there is no backup."""
    (config.collector.data_dir / "board.db").write_bytes(b"no database" * 1000)
    backups = Backups(tmp_path / "b")
    with pytest.raises(EnvironmentFailed, match=r"board\.db"):
        backed_up(config, backups, tmp_path / "scratch")
    assert backups.names() == []
