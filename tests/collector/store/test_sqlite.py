"""The SQLite store: exactly once, and sealed equals unsealed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from joulemark.collector.store.base import UNKNOWN_BOUND_NS, Received
from joulemark.collector.store.columns import double_integral
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import EnvironmentFailed
from joulemark.proto import convert
from joulemark.proto.messages import Ack, Batch, ClockState, Loss
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


def count(store: SqliteStore, table: str) -> int:
    db = sqlite3.connect(store.path)
    try:
        return int(db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])
    finally:
        db.close()


def test_a_batch_sent_twice_is_stored_once(store: SqliteStore) -> None:
    """A batch that arrives three times, the last time after sealing, is stored once and counted as two duplicates."""
    assert store.append(batch(0)).result() is True
    assert store.append(batch(0)).result() is False
    store.seal(T0 + 100 * S, everything=True)
    assert store.append(batch(0)).result() is False
    assert count(store, "log") == 0
    stream = store.streams()[0]
    assert (stream.batch_count, stream.sample_count, stream.duplicate_count, stream.acked_seq) == (1, 10, 2, 0)
    assert len(store.series(METERS[1:], 0, 2 * T0)[0]) == 10


def test_acks_are_kept_for_each_epoch(store: SqliteStore) -> None:
    """The highest durable batch of each epoch is what a restarted collector acknowledges."""
    for number in range(3):
        store.append(batch(number)).result()
    store.append(batch(0, epoch_ns=T0 + 1)).result()
    assert store.acks("h") == [Ack(T0, 2), Ack(T0 + 1, 0)]
    assert store.acks("nobody") == []


@pytest.mark.parametrize("clock", [SYNCED, ClockState()])
def test_sealed_series_equal_unsealed_ones(store: SqliteStore, clock: ClockState) -> None:
    """Sealing changes no time, value, quality, uncertainty or reason, with the clock known from the start or only later."""
    for number in range(35):
        store.append(batch(number, clock=SYNCED if number > 3 else clock)).result()
    windows = [(T0, T0 + 40 * S), (T0 + 7 * S, T0 + 19 * S)]
    before = [store.series(METERS, *window) for window in windows]
    assert store.seal(T0 + 36 * S) == 3
    assert 0 < count(store, "log") < 35, "the span that is still growing must stay in the log"
    after = [store.series(METERS, *window) for window in windows]
    for old, new in zip(chain(*before), chain(*after), strict=True):
        for name in ("t_ns", "value", "quality", "t_unc_ns"):
            np.testing.assert_array_equal(getattr(old, name), getattr(new, name))
        assert old.reasons == new.reasons
        assert (old.meter, old.clock_bound_ns, old.device_stamps) == (new.meter, new.clock_bound_ns, new.device_stamps)
    assert before[0][0].reasons


def test_the_clock_offset_of_each_batch_moves_its_rows(store: SqliteStore) -> None:
    """Rows stand on the collector's axis by the offset of their own batch, also after sealing."""
    store.append(batch(0, clock=ClockState(offset_ns=5_000, bound_ns=100, offset_known=True))).result()
    store.append(batch(1, clock=ClockState(offset_ns=9_000, bound_ns=300, offset_known=True))).result()
    expected = [
        (s.t_read0_ns + s.t_read1_ns) // 2 + s.utc_minus_mono_ns + (5_000 if s.seq < 10 else 9_000)
        for rng in [[random.Random(0), random.Random(1)]]
        for s in (sample(i, rng[i // 10]) for i in range(20))
    ]
    for _ in range(2):
        series = store.series(["fake:h:0:energy"], T0 - S, T0 + 60 * S)[0]
        assert series.t_ns.tolist() == expected
        assert series.clock_bound_ns == 300
        store.seal(T0, everything=True)


def test_a_clock_nobody_compared_is_not_called_exact(store: SqliteStore) -> None:
    """Without a known offset the bound is 16 s; with agent and collector under one kernel it is 0."""
    store.append(batch(0, clock=ClockState())).result()
    assert store.series(METERS[:1], T0 - S, T0 + 60 * S)[0].clock_bound_ns == UNKNOWN_BOUND_NS
    local = batch(5, clock=ClockState(), epoch_ns=T0 + 5)
    store.append(Received("h", local.view, local.body, local.rx_ns, same_clock=True)).result()
    assert store.series(METERS[:1], T0 + 4 * S, T0 + 60 * S)[0].clock_bound_ns == 0


def test_rows_wait_for_their_description(store: SqliteStore) -> None:
    """Blocks of a device nobody described are durable, are not sealed, and are read once the description arrives."""
    store.append(batch(1)).result()
    assert store.series(METERS, 0, 2 * T0) == []
    assert store.seal(T0, everything=True) == 0
    assert count(store, "log") == 1
    frozen = convert.freeze(Batch(T0, 2, "boot", T0 + 2 * S, SYNCED, {}, devices=(DEVICE,)))
    store.append(Received("h", convert.decode(frozen.body), frozen.body, T0 + 2 * S)).result()
    assert [len(s) for s in store.series(METERS, 0, 2 * T0)] == [10, 10]
    assert store.seal(T0, everything=True) == 1


def test_losses_and_states_are_kept(store: SqliteStore) -> None:
    """Counted losses and the clock of the agent outlive the log."""
    for number in range(3):
        store.append(batch(number)).result()
    store.seal(T0, everything=True)
    assert store.losses(T0, T0 + S) == [("h", Loss("fake:h:0", 3, T0, T0 + S, "spool full"))]
    assert store.losses(T0 + 2 * S, T0 + 3 * S) == []
    states = store.states(T0, T0 + 100 * S)
    assert [s.clock for s in states] == [SYNCED]
    assert (states[0].offset_ns, states[0].bound_ns) == (1_500_000, 40_000)


def test_sums_are_exact_beyond_int64(store: SqliteStore) -> None:
    """Twice the trapezoid equals big-integer arithmetic, also where int64 would have overflowed."""
    rng = np.random.default_rng(7)
    for scale in (10**3, 10**6, 10**12):
        t_ns = T0 + np.cumsum(rng.integers(1, S, 6000))
        value = rng.integers(-scale, scale * 700, 6000)
        exact = sum((int(t_ns[i + 1]) - int(t_ns[i])) * (int(value[i]) + int(value[i + 1])) for i in range(len(value) - 1))
        assert double_integral(t_ns, value) == exact
    assert abs(exact) > 2**63


def test_stored_sums_equal_the_readings(store: SqliteStore) -> None:
    """Each chunk's integral is that of the readings in it."""
    for number in range(4):
        store.append(batch(number)).result()
    store.seal(T0, everything=True)
    series = store.series(METERS[:1], 0, 2 * T0)[0].integrable()
    db = sqlite3.connect(store.path)
    row = db.execute("SELECT n, first, last, double_integral FROM chunk_sum WHERE meter_id = ?", METERS[:1]).fetchone()
    db.close()
    assert row == (len(series), series.value[0], series.value[-1], double_integral(series.t_ns, series.value))


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    """A file of another version is left alone, with the next step named."""
    db = sqlite3.connect(tmp_path / "readings.db")
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    with pytest.raises(EnvironmentFailed, match="version 99"):
        SqliteStore(tmp_path / "readings.db")
