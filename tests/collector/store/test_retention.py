"""Old raw readings leave readings.db; sums and runs stay."""

from __future__ import annotations

import itertools
import logging
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from joulemark.collector.store import retention
from joulemark.collector.store.base import Deletions, Received
from joulemark.collector.store.keeping import Keeping
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import InsufficientData
from joulemark.proto import convert
from joulemark.proto.messages import Batch
from tests.collector.store.catalogue import catalogue
from tests.collector.store.conftest import DEVICE, METERS, SYNCED, T0, UTC_MINUS_MONO, S, sample

DAY = 86_400 * S
SPAN_S = 10
"""Of a chunk; the kept margin around a run is two seconds."""


def batch(number: int) -> Received:
    """Ten seconds of reads, 1 s apart, each stamped by the driver at its own time."""
    reads = [SPAN_S * number + second for second in range(SPAN_S)]
    samples = tuple(
        sample(10 * second, random.Random(second))._replace(
            values=(1000 + second % 7, second * 10**6),
            t_device_ns=(UTC_MINUS_MONO + 50 * S + second * S, None),
        )
        for second in reads
    )
    told = Batch(
        epoch_ns=T0, batch_seq=number, boot_id="boot", closed_ns=T0, clock=SYNCED, samples={"fake:h:0": samples}, devices=(DEVICE,)
    )
    frozen = convert.freeze(told)
    return Received("h", convert.decode(frozen.body), frozen.body, T0 + number * SPAN_S * S)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """Twelve chunks of ten seconds, with two days between what is asked and now; the days and the margin are small."""
    keeping = Keeping(DAY, 2 * S, tmp_path / "catalog.db")
    made = SqliteStore(tmp_path / "readings.db", seal_after_ns=SPAN_S * S // 2, keeping=keeping)
    for number in range(12):
        made.append(batch(number)).result()
        made.seal(T0, everything=True)
    yield made
    made.close()


def raw(store: SqliteStore) -> list[int]:
    """Which chunks have their content, by their number from 0 on."""
    with closing(sqlite3.connect(store.path)) as db:
        return [number - 1 for (number,) in db.execute("SELECT id FROM chunk WHERE layout != '' AND LENGTH(body) > 0 ORDER BY id")]


def borders(store: SqliteStore) -> list[int]:
    """Times in the middle between neighbouring chunks."""
    with closing(sqlite3.connect(store.path)) as db:
        rows = db.execute("SELECT t0_ns, t1_ns FROM chunk_sum WHERE meter_id = ? ORDER BY t0_ns", METERS[:1]).fetchall()
    return [(a[1] + b[0]) // 2 for a, b in itertools.pairwise(rows)]


def test_old_chunks_in_no_run_go_and_everything_else_stays(store: SqliteStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Runs with their margin and the newest chunk keep their readings; energies between chunks, and of a run, are the same, bit for bit."""
    catalogue(tmp_path / "catalog.db", (33, 47.5), (70, 70.5))
    spans = [*itertools.combinations(borders(store), 2), (T0 + 33 * S, T0 + 47 * S)]
    energies, taken = store.integrals(METERS[:1], spans), store.stored_bytes("h")
    with caplog.at_level(logging.INFO):
        store.seal(T0 + 2 * DAY)
    assert raw(store) == [3, 4, 6, 7, 11]
    assert store.integrals(METERS[:1], spans) == energies
    assert None not in energies[0]
    gone = store.deletions()
    assert gone.chunk_count == 7
    assert gone.byte_count == taken - store.stored_bytes("h") > 0
    assert f"deleted 7 chunks of raw readings, {gone.byte_count} bytes; their sums stay" in caplog.text


def test_what_needs_a_deleted_chunk_is_an_error_that_names_its_time(store: SqliteStore, tmp_path: Path) -> None:
    """Readings, and energies that begin or end in it: never a hole, never a number of what is left."""
    catalogue(tmp_path / "catalog.db")
    store.seal(T0 + 2 * DAY)
    message = r"the readings of h from 2026-09-21T.* to 2026-09-21T.*Z were deleted: .* in no run and older than collector.keep_raw_days"
    with pytest.raises(InsufficientData, match=message):
        store.series(METERS, T0, T0 + 5 * S)
    with pytest.raises(InsufficientData, match=message):
        store.integrals(METERS[:1], [(T0 + 15 * S + 1, borders(store)[6])])
    with pytest.raises(InsufficientData, match=message):
        store.recent(METERS, T0, T0 + 5 * S, now_ns=T0 + 10 * S)


def test_nothing_goes_without_a_catalogue(store: SqliteStore) -> None:
    """Nobody can tell what belongs to a run; a run that is told later finds its readings."""
    store.seal(T0 + 2 * DAY)
    assert raw(store) == list(range(12))
    assert store.deletions() == Deletions(0, 0)


def test_it_looks_once_an_hour(store: SqliteStore, tmp_path: Path) -> None:
    """What came to be old meanwhile goes with the next look."""
    catalogue(tmp_path / "catalog.db", (0, 45))
    store.seal(T0 + DAY + 60 * S)
    before = raw(store)
    store.seal(T0 + 2 * DAY - 30 * 60 * S)
    assert before != raw(store) == [0, 1, 2, 3, 4, 11]
    catalogue(tmp_path / "catalog.db")
    (tmp_path / "catalog.db").unlink()
    catalogue(tmp_path / "catalog.db")
    store.seal(T0 + 2 * DAY)
    assert raw(store) == [0, 1, 2, 3, 4, 11], "half an hour later"
    store.seal(T0 + 2 * DAY + 31 * 60 * S)
    assert raw(store) == [11]


def test_a_chunk_for_which_no_sum_stands_stays(store: SqliteStore, tmp_path: Path) -> None:
    """One that was sealed before sums told enough, and two that share a stamp of the device, are read for every energy over them."""
    catalogue(tmp_path / "catalog.db")
    store._writer.submit(lambda db: db.execute("UPDATE chunk_sum SET longest_ns = NULL WHERE chunk = 3")).result()
    store._writer.submit(
        lambda db: db.execute("UPDATE chunk_sum SET first_stamp_ns = (SELECT last_stamp_ns FROM chunk_sum WHERE chunk = 6) WHERE chunk = 7")
    ).result()
    store._writer.submit(lambda db: db.execute("DELETE FROM hour_sum")).result()
    store.seal(T0 + 2 * DAY)
    assert raw(store) == [2, 5, 6, 11]
    edges = borders(store)
    assert store.integrals(METERS[:1], [(edges[0], edges[9])])[0][0] is not None


def test_a_chunk_around_a_step_of_its_clock_stays(store: SqliteStore, tmp_path: Path) -> None:
    """Its readings are dated anew whenever they are asked for."""
    catalogue(tmp_path / "catalog.db")
    step = "INSERT INTO clock_step (agent_id, epoch_ns, t_ns, unc_ns, step_ns) VALUES ('h', ?, ?, ?, 5)"
    store._writer.submit(lambda db: db.execute(step, (T0, T0 + 30 * S, S))).result()
    store.seal(T0 + 2 * DAY)
    assert raw(store) == list(range(12)), "all of them lie within two minutes"


def test_it_goes_page_by_page_and_ends_when_told(store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small transactions empty what one would; who is told to stop has finished one."""
    catalogue(tmp_path / "catalog.db", (33, 47.5))
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    told = iter([False, False, True])
    keeping = Keeping(DAY, 2 * S, tmp_path / "catalog.db")
    assert retention.Retention(store.path, store._writer, keeping).apply(T0 + 2 * DAY, stopped=lambda: next(told)) == 3
    assert retention.Retention(store.path, store._writer, keeping).apply(T0 + 2 * DAY) == 6
    assert raw(store) == [3, 4, 11]


def test_a_chunk_that_was_moved_in_time_meanwhile_is_left(store: SqliteStore) -> None:
    """What was decided of another time does not hold."""
    with closing(sqlite3.connect(store.path)) as db:
        rows = db.execute("SELECT id, agent_id, device_id, t0_ns + 1, t1_ns + 1 FROM chunk").fetchall()
    assert store._writer.submit(retention.emptying([retention.Old(*row) for row in rows])).result() == (0, 0)
    assert raw(store) == list(range(12))


def test_the_space_is_used_again(store: SqliteStore, tmp_path: Path) -> None:
    """Pages of what went are free, and what comes takes them."""
    catalogue(tmp_path / "catalog.db")
    store._writer.submit(lambda db: db.execute("UPDATE chunk SET body = randomblob(40000)")).result()
    store.seal(T0 + 2 * DAY)
    with closing(sqlite3.connect(store.path)) as db:
        free, pages = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
        assert free >= 11 * 9
    store._writer.submit(lambda db: db.execute("UPDATE chunk SET body = randomblob(36000) WHERE id < 9")).result()
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA page_count").fetchone()[0] <= pages
