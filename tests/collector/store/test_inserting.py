"""One batch into the tables: what is counted, kept and refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.collector.store.base import AlteredBatch
from joulemark.collector.store.inserting import extent
from joulemark.collector.store.relation import Relation
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState
from tests.collector.store.conftest import SYNCED, T0, S, batch, count


def test_state_is_kept_every_ten_seconds(store: SqliteStore) -> None:
    """Of 25 batches, one a second, three states are kept; a clock that jumps back by an hour is told at once."""
    for number in range(25):
        store.append(batch(number)).result()
    assert count(store, "state") == 3
    body = convert.freeze(Batch(T0, 25, "boot", T0 - 3600 * S, SYNCED, {})).body
    store.append(replace(batch(25), view=convert.decode(body), body=body)).result()
    assert count(store, "state") == 4


def test_a_batch_without_samples_counts_no_reading(store: SqliteStore) -> None:
    """It is acknowledged and numbered; the newest reading stays the one before."""
    store.append(batch(0)).result()
    before = store.streams()[0]
    body = convert.freeze(Batch(T0, 1, "boot", T0 + 100 * S, SYNCED, {})).body
    store.append(replace(batch(1), view=convert.decode(body), body=body)).result()
    after = store.streams()[0]
    assert (after.batch_count, after.sample_count, after.last_ns) == (2, before.sample_count, before.last_ns)


def test_the_extent_is_on_the_axis() -> None:
    """First and last row by monotonic time plus the relation; without a row the closing time, twice."""
    received = batch(0)
    t0_ns, t1_ns, samples = extent(received, Relation(7, None, 0))
    assert (samples, 50 * S <= t0_ns - 7 < 51 * S, t0_ns < t1_ns < 52 * S) == (10, True, True)
    empty = replace(received.view, blocks=(), clock=ClockState(at_mono_ns=5, utc_minus_mono_ns=1))
    assert extent(replace(received, view=empty), Relation(7, None, 0)) == (12, 12, 0)


def test_a_clock_beyond_any_date_is_refused_and_leaves_nothing(store: SqliteStore) -> None:
    """An offset that does not fit is an error of this batch alone, and no part of it is stored."""
    wild = ClockState(offset_ns=2**63 - 1, offset_known=True, at_mono_ns=1, utc_minus_mono_ns=2**63 - 1)
    with pytest.raises(OverflowError):
        store.append(batch(0, clock=wild)).result()
    assert (count(store, "log"), count(store, "stream"), count(store, "loss")) == (0, 0, 0)


def test_a_batch_that_comes_again_tells_its_losses_once(store: SqliteStore) -> None:
    """Neither losses nor descriptions nor the step of a clock are kept twice, in the log or sealed; the duplicates are counted."""
    for number in (0, 1, 1):
        store.append(batch(number)).result()
    store.seal(T0, everything=True)
    store.append(batch(1)).result()
    assert [count(store, table) for table in ("loss", "device", "clock_step")] == [1, 1, 0]
    assert store.streams()[0].duplicate_count == 2


def test_other_content_under_a_key_leaves_nothing(store: SqliteStore) -> None:
    """A second body for a stored key is refused; what was stored is what came first."""
    store.append(batch(0)).result()
    with pytest.raises(AlteredBatch):
        store.append(replace(batch(0), body=batch(1).body)).result()
    assert (count(store, "log"), store.streams()[0].batch_count) == (1, 1)
