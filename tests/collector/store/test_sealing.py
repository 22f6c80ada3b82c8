"""Sealing: which spans are finished, and what their chunks say."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from joulemark.collector.store import schema, sealing
from joulemark.collector.store.base import Received
from joulemark.collector.store.columns import double_integral
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, Loss
from tests.collector.store.conftest import METERS, T0, S, batch, count

SPAN_NS = 29 * S // 10


def last_seqs(store: SqliteStore, now_ns: int) -> list[int]:
    """Where the finished spans of 2.9 s end."""
    with closing(schema.reader(store.path)) as db:
        return [span.last_seq for span in sealing.spans(db, now_ns, span_ns=SPAN_NS)]


def test_a_span_is_finished_by_the_next_one_or_by_silence(store: SqliteStore) -> None:
    """Of seven batches, one a second, three make a span of 2.9 s; the seventh stays open until its epoch was silent for as long."""
    for number in range(7):
        store.append(batch(number)).result()
    assert last_seqs(store, T0 + 6 * S) == [2, 5]
    assert last_seqs(store, T0 + 6 * S + SPAN_NS - 1) == [2, 5]
    assert last_seqs(store, T0 + 6 * S + SPAN_NS) == [2, 5, 6]


def test_chunks_and_log_change_in_one_transaction(store: SqliteStore) -> None:
    """Sealing that is rolled back half-way leaves the log as it was and no chunk."""
    for number in range(3):
        store.append(batch(number)).result()
    with closing(schema.reader(store.path)) as db:
        (span,) = sealing.spans(db, T0, span_ns=600 * S, everything=True)
        sealed = sealing.encode(db, span)
    assert sealed is not None
    broken = replace(sealed, chunks=(*sealed.chunks, replace(sealed.chunks[0], row=(None,) * 8)))
    with pytest.raises(sqlite3.IntegrityError):
        store._writer.submit(broken.store).result()
    assert (count(store, "log"), count(store, "chunk"), count(store, "chunk_sum")) == (3, 0, 0)


def test_a_batch_without_samples_leaves_the_log(store: SqliteStore) -> None:
    """A batch that only counts a loss makes no chunk, is not kept for ever, and its loss stays."""
    loss = Loss("fake:h:0", 3, T0, T0 + S, "spool full")
    frozen = convert.freeze(Batch(T0, 0, "boot", T0, ClockState(offset_known=True), {}, losses=(loss,)))
    store.append(Received("h", convert.decode(frozen.body), frozen.body, T0)).result()
    assert store.seal(T0, everything=True) == 0
    assert (count(store, "log"), store.losses(T0, T0)) == (0, [("h", loss)])


def test_gaps_do_not_count_in_sums(store: SqliteStore) -> None:
    """Of ten reads with one gap, nine are summed; of a counter, which has no integral, nothing is."""
    store.append(batch(0)).result()
    store.seal(T0, everything=True)
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT meter_id, n FROM chunk_sum").fetchall() == [(METERS[0], 9)]


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
