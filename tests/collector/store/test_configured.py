"""The store as the configuration wants it."""

from __future__ import annotations

import logging
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector.store import configured
from joulemark.collector.store.clickhouse.sealer import Begun, archive
from joulemark.collector.store.sealing import Span
from joulemark.config import ClickhouseConfig, CollectorConfig, Config
from joulemark.errors import EnvironmentFailed
from tests.collector.store.conftest import METERS, T0, S, batch, count


def test_without_shards_readings_db_keeps_everything(tmp_path: Path) -> None:
    """What one side writes the other reads, and no database of another kind is asked for."""
    config = Config(collector=CollectorConfig(data_dir=tmp_path))
    with configured.store(config) as store:
        store.append(batch(0)).result()
        assert store.seal(T0, everything=True) == 1
        assert count(store, "chunk") == 1
        reader = configured.readings(config)
        assert [len(one) for one in reader.series(METERS, T0 - S, T0 + S)] == [10, 10]
        assert reader.shards() == []


def test_a_collector_starts_while_a_shard_is_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It warns, takes batches, keeps them in the log when it seals, and remembers which shard failed; its readings are still read."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    shard = f"http://127.0.0.1:{port}/joulemark"
    config = Config(collector=CollectorConfig(data_dir=tmp_path), clickhouse=ClickhouseConfig(shards=(shard,)))
    with caplog.at_level(logging.WARNING), configured.store(config) as store:
        assert f"the ClickHouse shard 127.0.0.1:{port}/joulemark failed" in caplog.text
        store.append(batch(0)).result()
        assert store.seal(T0, everything=True) == 0
        reader = configured.readings(config)
        assert [len(one) for one in reader.series(METERS, T0 - S, T0 + S)] == [10, 10]
        assert [(one.name, one.failing_since_ns) for one in reader.shards()] == [(f"127.0.0.1:{port}/joulemark", T0)]


def test_a_collector_does_not_start_without_the_shards_of_its_readings(tmp_path: Path) -> None:
    """Where `[clickhouse]` was taken away, what lies there would be missing from every answer: the start fails and names it."""
    config = Config(collector=CollectorConfig(data_dir=tmp_path))
    with configured.store(config):
        pass
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db, db:
        archive(db, Begun(Span("h", T0, 3), T0, "ch-a:8443/joulemark"), (T0, T0 + S), "[[1,1]]", 10)
    with pytest.raises(EnvironmentFailed, match="lie on the ClickHouse shards ch-a:8443/joulemark"), configured.store(config):
        pass
