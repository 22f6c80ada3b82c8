"""Spans on shards become a file, and out of that chunks of a readings.db which answers the same without any shard."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.snapshot import copy_database
from joulemark.collector.store import segments
from joulemark.collector.store.chunks import LOCAL, Chunks
from joulemark.collector.store.clickhouse import fetching
from joulemark.collector.store.clickhouse.archive import Archive
from joulemark.collector.store.clickhouse.moving import Moving
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.errors import EnvironmentFailed, InsufficientData
from tests.collector import golden
from tests.collector.store.conftest import batch

S, T0 = golden.S, golden.T0
SPANS = [(T0 + 3 * S, T0 + 30 * S), (T0 + 10 * S, T0 + 20 * S)]
POWERS = ["fake:ahead:0:power", "fake:local:0:power"]


def answers(path: Path, chunks: Chunks = LOCAL) -> list[Any]:
    """Series and energies of all hosts."""
    store = SqliteReadings(path, chunks=chunks)
    meters = [meter.meter_id for found in store.devices() for meter in found.device.meters]
    series = [(one.meter, one.t_ns.tolist(), one.value.tolist(), one.reasons) for one in store.series(meters, T0 - S, T0 + 200 * S)]
    return [series, store.integrals(POWERS, SPANS)]


def sums(path: Path, chunks: Chunks = LOCAL) -> list[Any]:
    """(meter, times, count, values, whole number) of every sum."""
    store = SqliteReadings(path, chunks=chunks)
    meters = [meter.meter_id for found in store.devices() for meter in found.device.meters]
    with closing(sqlite3.connect(path)) as db:
        rows = [(meter_id, row) for meter_id in meters for row in chunks.sums(db, meter_id, 0, 2**62)]
    return [(meter_id, *row[1:6], int(row[6]), *row[7:]) for meter_id, row in rows]


@pytest.fixture
def live(tmp_path: Path, archive: Archive) -> Path:
    """The golden hosts, all sealed onto the shards."""
    golden.write_readings(tmp_path / "readings.db")
    store = SqliteStore(tmp_path / "readings.db", seal_after_ns=25 * S)
    store.seal(T0 + 1000 * S, everything=True)
    store.close()
    moving = Moving(tmp_path / "readings.db", archive)
    moving.run(lambda done, of: None)
    moving.close()
    return tmp_path / "readings.db"


def fetched(archive: Archive, live: Path, *statements: str) -> Path:
    """A copy of the readings with everything put back, after `statements` to the file between the copy and the fetching."""
    copy, place = live.with_name("copy.db"), live.with_name("segment.db")
    copy_database(live, copy)
    with closing(sqlite3.connect(live)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
    with closing(sqlite3.connect(copy)) as db:
        spans = segments.away(db)
    fetching.write(archive, copy, live, spans, place)
    assert segments.put_back(copy, [place]) == len(spans) > 0
    return copy


def test_a_copy_answers_without_shards_what_it_answers_with_them(archive: Archive, live: Path) -> None:
    """Every reading, energy and reason to the last digit, and nothing is left that points to a shard."""
    before = answers(live, archive)
    assert any(readings for _, readings, *_ in before[0])
    copy = fetched(archive, live)
    assert answers(copy) == before
    with closing(sqlite3.connect(copy)) as db:
        assert [db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("archived", "begun", "shard")] == [0, 0, 0]


def test_what_the_sealer_sent_and_what_moved_since_is_put_back(archive: Archive, archived: SqliteStore, tmp_path: Path) -> None:
    """Spans that were sealed onto shards, one of whose clocks became known later: the times that count now are those of the copy."""
    for number in range(40):
        archived.append(batch(number)).result()
    archived.seal(T0 + 10**6 * S, everything=True)
    with closing(sqlite3.connect(archived.path)) as db:
        db.execute("UPDATE archived SET t0_ns = t0_ns + 77, t1_ns = t1_ns + 77, moved_ns = 77")
        db.commit()
    before = sums(archived.path, archive)
    assert len(before) > 0
    assert sums(fetched(archive, archived.path)) == before


@pytest.mark.parametrize("when", ["before", "since"])
def test_readings_that_were_deleted_come_back_as_sums_alone(archive: Archive, live: Path, when: str) -> None:
    """Whether they were deleted before the copy or since: their energy is told as before, and asking for them is the error that it was."""
    before = sums(live, archive)
    if when == "before":
        with closing(sqlite3.connect(live)) as db:
            db.execute("UPDATE archived SET raw = 'deleted'")
            db.commit()
    for shard in archive.shards:
        shard.command("DELETE FROM chunk WHERE 1")
    copy = fetched(archive, live, *(["UPDATE archived SET raw = 'due'"] if when == "since" else []))
    assert sums(copy) == before
    with pytest.raises(InsufficientData, match="were deleted"):
        SqliteReadings(copy).series(POWERS[:1], T0 - S, T0 + 200 * S)


@pytest.mark.parametrize("table", ["chunk", "chunk_sum"])
def test_a_shard_that_lost_something_ends_it(archive: Archive, live: Path, table: str) -> None:
    """A chunk or a sum that is not there, and that nobody deleted, is no backup with a hole."""
    for shard in archive.shards:
        shard.command(f"DELETE FROM {table} WHERE agent_id = 'ahead'")
    with pytest.raises(EnvironmentFailed, match="once took"):
        fetched(archive, live)


def test_the_same_spans_are_the_same_file(archive: Archive, live: Path) -> None:
    """Byte for byte, so that who fetches again keeps no second copy."""
    with closing(sqlite3.connect(live)) as db:
        spans = segments.away(db)
    places = [live.with_name(name) for name in ("one.db", "other.db")]
    for place in places:
        fetching.write(archive, live, live, spans, place)
    assert places[0].read_bytes() == places[1].read_bytes()
