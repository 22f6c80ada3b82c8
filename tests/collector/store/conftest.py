"""A real store, and batches of one device whose readings have gaps, driver stamps and a drifting clock."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.collector.store import files
from joulemark.collector.store.base import Received
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, Loss
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample, TimestampSource

S = 1_000_000_000
T0 = 1_790_000_000 * S
UTC_MINUS_MONO = T0 - 50 * S
DEVICE = DeviceInfo(
    "fake:h:0",
    (
        MeterInfo("fake:h:0:power", "fake", Quantity.POWER, -3, Boundary.GPU, timestamp_source=TimestampSource.DRIVER),
        MeterInfo("fake:h:0:energy", "fake", Quantity.ENERGY_COUNTER, -6, Boundary.GPU),
    ),
)
METERS = ["fake:h:0:power", "fake:h:0:energy"]
SYNCED = ClockState(offset_ns=1_500_000, bound_ns=40_000, offset_known=True)


def sample(seq: int, rng: random.Random) -> Sample:
    """One read at T0 + seq x 0.1 s; every ninth is a gap, every fourth has no driver stamp."""
    mono = 50 * S + seq * S // 10 + rng.randrange(1_000_000)
    gap = seq % 9 == 8
    return Sample(
        "fake:h:0",
        mono,
        mono + 20_000,
        UTC_MINUS_MONO + seq // 50,
        (None if gap else rng.randrange(10**6), seq * 10**6),
        (None if seq % 4 == 3 else UTC_MINUS_MONO + mono - 7_000, None),
        (Quality.GAP if gap else Quality.OK, Quality.OK),
        ("driver did not answer" if gap else "", ""),
        seq=seq,
        pinned=seq % 25 == 0,
    )


def batch(number: int, *, size: int = 10, clock: ClockState = SYNCED, described: bool = True, epoch_ns: int = T0) -> Received:
    rng = random.Random(number)
    samples = tuple(sample(number * size + i, rng) for i in range(size))
    frozen = convert.freeze(
        Batch(
            epoch_ns=epoch_ns,
            batch_seq=number,
            boot_id="boot",
            closed_ns=T0 + number * size * S // 10,
            clock=clock,
            samples={"fake:h:0": samples},
            devices=(DEVICE,) if described and number == 0 else (),
            losses=(Loss("fake:h:0", 3, T0, T0 + S, "spool full"),) if number == 1 else (),
        )
    )
    return Received("h", convert.decode(frozen.body), frozen.body, T0 + number * S)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "readings.db", seal_after_ns=10 * S)
    yield store
    store.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[SqliteStore, SqliteStore, SqliteStore]]:
    """One file for everything, and two that share it."""
    stores = [SqliteStore(path, seal_after_ns=10 * S) for path in (tmp_path / "readings.db", *placed(tmp_path / "shards"))]
    yield stores[0], stores[1], stores[2]
    for store in stores:
        store.close()


def placed(folder: Path) -> list[Path]:
    """The first two files of a data folder."""
    folder.mkdir()
    return [files.path_of(folder, number) for number in (0, 1)]


def count(store: SqliteReadings, table: str) -> int:
    db = sqlite3.connect(store.path)
    try:
        return int(db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])
    finally:
        db.close()
