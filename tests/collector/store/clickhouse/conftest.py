"""The real engine of ClickHouse in this process: one for all tests, as chDB allows, with fresh databases as shards for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.sealer import Sealer
from joulemark.collector.store.clickhouse.shard import Shard
from joulemark.collector.store.clickhouse.shards import Shards
from joulemark.collector.store.sqlite import SqliteStore
from tests.collector.store.conftest import S

numbers = itertools.count()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of the engine."""
    client = clickhouse_connect.get_client(dsn=f"chdb://{tmp_path_factory.mktemp('chdb')}/engine")
    yield client
    client.close()


@pytest.fixture
def new_shard(engine: Client) -> Iterator[Callable[[], Shard]]:
    """Makes shards, each an empty database."""
    made: list[Shard] = []

    def make() -> Shard:
        database = f"d{next(numbers)}"
        engine.command(f"CREATE DATABASE {database}")
        made.append(Shard.at(f"here/{database}", dsn=f"{engine.uri}?database={database}"))
        return made[-1]

    yield make
    for shard in made:
        shard.close()


@pytest.fixture
def archive(new_shard: Callable[[], Shard]) -> Archive:
    """Two shards."""
    return Archive(Shards([new_shard(), new_shard()]))


@pytest.fixture
def archived(tmp_path: Path, archive: Archive) -> Iterator[SqliteStore]:
    """A store that seals into the archive."""
    store = opened(tmp_path / "archived.db", archive)
    yield store
    store.close()


def opened(path: Path, archive: Archive, *, seal_after_ns: int = 10 * S) -> SqliteStore:
    """A store at `path` before the archive."""
    return SqliteStore(path, seal_after_ns=seal_after_ns, chunks=archive, sealer=lambda at, writer: Sealer(at, writer, archive))
