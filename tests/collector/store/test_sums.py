"""Rows of hours: what they come to, when they are written, and that what a store answers with them is the brute force."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.collector.store import sums
from joulemark.collector.store.base import Received
from joulemark.collector.store.chunks import LOCAL, NO_CHUNK, Row
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.collector.store.sums import alone, joined, runs, stored
from joulemark.proto.messages import ClockState
from tests.collector.store.conftest import METERS, SYNCED, T0, S, batch, count
from tests.collector.store.test_integral import altered, brute, filled, frozen

HOUR_NS = 10 * S
SEAL_NS = 29 * S // 10
BATCHES = 46


@pytest.fixture(autouse=True)
def short_hours() -> Iterator[None]:
    """An hour of ten seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "HOUR_NS", HOUR_NS)
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """Chunks of three seconds."""
    store = SqliteStore(tmp_path / "readings.db", seal_after_ns=SEAL_NS)
    yield store
    store.close()


def hours(store: SqliteStore) -> list[int]:
    """Which have a row, counted from T0."""
    with closing(sqlite3.connect(store.path)) as db:
        return [hour - T0 // HOUR_NS for (hour,) in db.execute("SELECT hour FROM hour_sum ORDER BY hour")]


def energy(store: SqliteStore, begin_ns: int, end_ns: int) -> object:
    """Its integral, None for none; asserts that this, the readings and the longest gap are those of the brute force."""
    ((found,),) = store.integrals(METERS[:1], [(begin_ns, end_ns)])
    if found is not None:
        assert (found.double, found.readings, found.longest_ns) == brute(store, begin_ns, end_ns)
    return found


def test_rows_join_exactly() -> None:
    """Twice the integral of two rows and of the line between them; beyond int64 it is kept as text."""
    rows = [Row(1, 0, 10, 3, 5, 7, 100, 6, 1, 2), Row(2, 14, 20, 2, 9, 11, str(2**63), 6, 3, 4)]
    assert joined(rows) == Row(NO_CHUNK, 0, 20, 5, 5, 11, str(100 + 2**63 + 4 * 16), 6, 1, 4)
    assert joined([*rows, rows[1]._replace(t0_ns=90, t1_ns=91)]).longest_ns == 70
    assert stored(-(2**63) + 1) == -(2**63) + 1


def test_rows_that_touch_belong_together() -> None:
    """An overlap with any row before, not only the last one, joins them; so does a stamp on both sides of a border."""
    row = Row(1, 0, 100, 3, 1, 1, 0, 1, None, None)
    rows = [row, row._replace(t0_ns=10, t1_ns=20), row._replace(t0_ns=50, t1_ns=60), row._replace(t0_ns=101, t1_ns=102)]
    assert [len(group) for group in runs(rows)] == [3, 1]
    apart = [row._replace(last_stamp_ns=7), row._replace(t0_ns=200, t1_ns=300, first_stamp_ns=7)]
    assert [len(group) for group in runs(apart)] == [2]
    assert not alone(apart)
    assert not alone([row._replace(longest_ns=None)])
    assert alone([])


def test_an_hour_that_is_over_stands_for_its_chunks(store: SqliteStore) -> None:
    """Chunks, and their rows, in the middle of a span may be gone; the last hour may still get more, and has no row."""
    filled(store, range(BATCHES))
    store.seal(T0, everything=True)
    assert hours(store) == [0, 1, 2, 3]
    span = T0 + 5 * S, T0 + 44 * S
    before = energy(store, *span)
    inside = f"t0_ns > {T0 + 12 * S} AND t1_ns < {T0 + 38 * S}"
    altered(store, f"DELETE FROM chunk_sum WHERE {inside}")
    altered(store, f"UPDATE chunk SET body = x'00' WHERE {inside}")
    assert store.integrals(METERS[:1], [span]) == [[before]]
    altered(store, "UPDATE hour_sum SET double_integral = 1")
    assert store.integrals(METERS[:1], [span]) != [[before]]


def test_only_the_hours_that_are_asked_for_are_read(store: SqliteStore) -> None:
    """By their numbers, as rows without a chunk: a file that holds years is not read for a day."""
    filled(store, range(BATCHES))
    store.seal(T0, everything=True)
    first = T0 // HOUR_NS
    with closing(sqlite3.connect(store.path)) as db:
        rows = LOCAL.hours(db, METERS[0], first + 1, first + 2)
        assert [(row[0], row[1] // HOUR_NS - first) for row in rows] == [(NO_CHUNK, 1), (NO_CHUNK, 2)]
        assert rows == LOCAL.hours(db, METERS[0], first, first + 9)[1:3]


def test_an_hour_with_an_edge_in_it_is_not_asked(store: SqliteStore) -> None:
    """Spans in every hour leave no hour whole; an edge on the first reading of an hour counts as in it."""
    filled(store, range(BATCHES))
    store.seal(T0, everything=True)
    altered(store, "UPDATE hour_sum SET double_integral = 1")
    for begin_s in (5, 12, 25, 33):
        assert energy(store, T0 + begin_s * S, T0 + begin_s * S + 3 * S) is not None
    with closing(sqlite3.connect(store.path)) as db:
        ((first_ns, last_ns),) = db.execute("SELECT t0_ns, t1_ns FROM hour_sum ORDER BY hour LIMIT 1 OFFSET 1").fetchall()
    assert energy(store, first_ns, last_ns) is not None


def test_a_chunk_that_comes_late_is_in_its_hour(store: SqliteStore) -> None:
    """Of another start of the agent, between the others: the hour is summed anew; among the others: it loses its row."""
    filled(store, [n for n in range(BATCHES) if n not in range(15, 18)])
    store.seal(T0, everything=True)
    assert hours(store) == [0, 1, 2, 3]
    before = energy(store, T0 + 5 * S, T0 + 44 * S)
    filled(store, range(15, 18), lambda one: frozen(one, epoch_ns=T0 + 1))
    energy(store, T0 + 5 * S, T0 + 44 * S)
    store.seal(T0, everything=True)
    assert hours(store) == [0, 1, 2, 3]
    assert energy(store, T0 + 5 * S, T0 + 44 * S) != before
    filled(store, range(24, 26), lambda one: frozen(one, epoch_ns=T0 + 2, clock=replace(SYNCED, offset_ns=SYNCED.offset_ns + S // 20)))
    store.seal(T0, everything=True)
    assert hours(store) == [0, 1, 3]
    energy(store, T0 + 5 * S, T0 + 44 * S)


def test_what_moves_leaves_its_hours(store: SqliteStore) -> None:
    """Rows that were placed before their clock was compared are placed anew: no row of an hour outlives that."""
    filled(store, range(30), lambda one: frozen(one, clock=ClockState(at_mono_ns=one.view.closed_ns - T0 + 50 * S)))
    store.seal(T0, everything=True)
    assert hours(store) != []
    known = ClockState(7 * S, 40_000, offset_known=True, at_mono_ns=81 * S, utc_minus_mono_ns=T0 - 50 * S)
    filled(store, range(30, 32), lambda one: frozen(one, clock=known))
    assert hours(store) == []
    energy(store, T0 + 12 * S, T0 + 36 * S)


def test_a_step_of_the_clock_passes_the_hours_by(store: SqliteStore) -> None:
    """What is dated anew is read, whatever the rows say."""
    filled(store, range(BATCHES))
    store.seal(T0, everything=True)
    altered(store, "UPDATE hour_sum SET double_integral = 1")
    altered(store, f"INSERT INTO clock_step (agent_id, epoch_ns, t_ns, unc_ns, step_ns) VALUES ('h', 0, {T0 + 20 * S}, 0, 5)")
    assert energy(store, T0 + 5 * S, T0 + 44 * S) is not None


starts = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 25), st.integers(-3, 3), st.booleans()), min_size=1, max_size=4)


@settings(max_examples=12, deadline=None)
@given(starts, st.randoms(use_true_random=False))
def test_any_history_gives_the_brute_force(history: list[tuple[int, int, int, bool]], rng: random.Random) -> None:
    """Starts of an agent one after another or among each other, each sealed or left in the log, asked for many spans."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "readings.db", seal_after_ns=SEAL_NS)
        for number, (first, size, shift, sealed) in enumerate(history):
            clock = replace(SYNCED, offset_ns=SYNCED.offset_ns + shift * S // 20)

            def changed(one: Received, epoch_ns: int = T0 + number, clock: ClockState = clock) -> Received:
                return frozen(one, epoch_ns=epoch_ns, clock=clock)

            filled(store, range(first, first + size), changed)
            if sealed:
                store.seal(T0, everything=True)
        if not any(first == 0 for first, *_ in history):
            store.append(batch(0)).result()
        for _ in range(6):
            begin_ns = T0 + rng.randrange(45 * S)
            energy(store, begin_ns, begin_ns + rng.randrange(1, 40 * S))
        assert count(store, "chunk") >= len(hours(store)) * 2
        store.close()
