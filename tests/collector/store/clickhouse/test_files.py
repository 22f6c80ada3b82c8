"""Several files of readings before the same shards: each counts its own, also what an operator had sent to two of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from joulemark.cli.collector import command
from joulemark.collector.store import configured
from joulemark.collector.store.base import Received
from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.moving import Moving
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.clickhouse.shards import Shards
from joulemark.collector.store.files import path_of
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.collector.store.united import UnitedReadings
from tests.collector.store.clickhouse.conftest import opened
from tests.collector.store.conftest import METERS, T0, S, batch, count
from tests.collector.store.test_integral import frozen
from tests.collector.store.test_recent import plain

ALL = (0, 2**62)
OWN = ((0, range(10)), (1, range(10, 20)))
"""Two parts of one start."""
TWICE = ((0, range(10)), (1, range(10)))
"""Batches whose acknowledgement was lost, and which the operator had sent again elsewhere."""
PARTLY = ((0, range(10)), (1, range(6)))
"""The same of some: both files begin with the same reading, and do not end so."""
Homes = tuple[tuple[int, range], ...]


@pytest.fixture
def one_shard(new_shard: Callable[[], Shard]) -> Archive:
    """A single shard, so that everything meets there."""
    return Archive(Shards([new_shard()]))


def batches(numbers: range) -> Iterator[Received]:
    """Each describes its device, as it does after it was asked to."""
    return (frozen(batch(number), devices=batch(0).view.devices) for number in numbers)


def filled(folder: Path, homes: Homes, open_one: Callable[[Path], SqliteStore], *, other: bool = False) -> list[SqliteStore]:
    """Both files with their share; with `other` the second has sealed somebody else first, whose description takes the first row."""
    folder.mkdir()
    stores = [open_one(path_of(folder, number)) for number in (0, 1)]
    if other:
        one = frozen(batch(0), devices=batch(0).view.devices)
        stores[1].append(Received("other", one.view, one.body, one.rx_ns)).result()
        stores[1].seal(T0, everything=True)
    for home, numbers in homes:
        for one in batches(numbers):
            stores[home].append(one).result()
    return stores


def said(stores: Sequence[SqliteReadings]) -> object:
    """What the files answer, each and together, of the device that both hold."""
    spans = [(T0 + 3 * S, T0 + 7 * S), (T0 + 2 * S, T0 + 15 * S)]
    each = [([plain(s) for s in one.series(METERS, *ALL)], one.integrals(METERS[:1], spans), count(one, "device")) for one in stores]
    united = UnitedReadings(stores)
    return each, [plain(one) for one in united.series(METERS, *ALL)], united.integrals(METERS[:1], spans)


@pytest.mark.parametrize(("homes", "other"), [(OWN, False), (TWICE, True), (PARTLY, False)])
def test_files_that_seal_onto_one_shard_answer_as_without(tmp_path: Path, one_shard: Archive, homes: Homes, other: bool) -> None:
    """Whatever the other file sealed under the same agent, start, batches and time: nothing is missed, replaced or taken for sent."""
    local = filled(tmp_path / "local", homes, lambda path: SqliteStore(path, seal_after_ns=100 * S), other=other)
    archived = filled(tmp_path / "archived", homes, lambda path: opened(path, one_shard, seal_after_ns=100 * S), other=other)
    for store in (*local, *archived):
        assert store.seal(T0, everything=True)
    assert said(archived) == said(local)
    for store in (*local, *archived):
        store.close()


@pytest.mark.parametrize("homes", [OWN, PARTLY])
def test_files_that_move_onto_one_shard_answer_as_before(tmp_path: Path, one_shard: Archive, homes: Homes) -> None:
    """Both have chunks of the same numbers, and each file gets its own back."""
    stores = filled(tmp_path / "moving", homes, lambda path: SqliteStore(path, seal_after_ns=100 * S))
    for store in stores:
        assert store.seal(T0, everything=True)
    before = said(stores)
    for store in stores:
        store.close()
        moving = Moving(store.path, one_shard)
        moving.run(lambda done, of: None)
        moving.close()
    stores = [opened(store.path, one_shard) for store in stores]
    assert said(stores) == before
    for store in stores:
        store.close()


def test_one_command_moves_every_file(tmp_path: Path, one_shard: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is copied for the way back and emptied of its chunks, and all answer as before; a second run finds nothing to do."""
    folder, keep = tmp_path / "data", tmp_path / "kept.db"
    stores = filled(folder, OWN, lambda path: SqliteStore(path, seal_after_ns=100 * S))
    for store in stores:
        assert store.seal(T0, everything=True) == 1
    before = said(stores)
    for store in stores:
        store.close()
    (tmp_path / "c.toml").write_text(f'[collector]\ndata_dir = "{folder}"\n', encoding="utf-8")
    monkeypatch.setattr(configured, "opened", lambda config: one_shard)
    arguments = ["move-to-clickhouse", "--config", str(tmp_path / "c.toml"), "--json"]
    done = CliRunner().invoke(command, [*arguments, "--keep", str(keep)])
    assert json.loads(done.stdout) == {"chunks": 2, "sums": 2, "sent": 2}, done.output
    for store, kept in zip(stores, (keep, tmp_path / "kept-1.db"), strict=True):
        assert (count(store, "chunk"), count(store, "archived"), count(SqliteReadings(kept), "chunk")) == (0, 1, 1)
    assert said([SqliteReadings(store.path, chunks=one_shard) for store in stores]) == before
    assert json.loads(CliRunner().invoke(command, arguments).stdout) == {"chunks": 0, "sums": 0, "sent": 0}
