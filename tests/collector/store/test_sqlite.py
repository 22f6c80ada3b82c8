"""The SQLite store: exactly once, and sealed equals unsealed."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from joulemark.collector.store import sealing
from joulemark.collector.store.base import AlteredBatch
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto.messages import Ack, ClockState, Loss
from tests.collector.store.conftest import METERS, SYNCED, T0, S, batch, count


def test_closing_does_not_wait_for_every_span(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is closed while it seals finishes the span at hand and begins no other; the rest stays in the log."""
    for number in range(40):
        store.append(batch(number)).result()
    encoding, go_on, encode = threading.Event(), threading.Event(), sealing.encode

    def slowly(db: sqlite3.Connection, span: sealing.Span) -> sealing.Sealed | None:
        encoding.set()
        go_on.wait(10)
        return encode(db, span)

    monkeypatch.setattr(sealing, "encode", slowly)
    with ThreadPoolExecutor(2) as pool:
        sealed = pool.submit(store.seal, T0, everything=True)
        assert encoding.wait(10)
        closed = pool.submit(store.close)
        assert store._closing.wait(10)
        go_on.set()
        assert (sealed.result(10), closed.result(10)) == (1, None)
    assert (count(store, "chunk"), count(store, "log") > 0) == (1, True)


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


def test_losses_and_states_are_kept(store: SqliteStore) -> None:
    """Counted losses, dated on the collector's axis, and the clock of the agent outlive the log."""
    for number in range(3):
        store.append(batch(number)).result()
    store.seal(T0, everything=True)
    assert store.losses(T0, T0 + S) == [("h", Loss("fake:h:0", 3, T0 + 1_500_000, T0 + S + 1_500_000, "spool full"))]
    assert store.losses(T0 + 2 * S, T0 + 3 * S) == []
    states = store.states(T0, T0 + 100 * S)
    assert [replace(s.clock, at_mono_ns=0, utc_minus_mono_ns=0) for s in states] == [SYNCED]
    assert (states[0].offset_ns, states[0].bound_ns) == (1_500_000, 40_000)


def test_nothing_is_acknowledged_past_a_batch_that_failed(store: SqliteStore) -> None:
    """When a batch cannot be stored, the ones behind it on its stream are not either: else their acknowledgement would delete it."""
    assert store.append(batch(0)).result() is True
    failed = store.append(replace(batch(1), rx_ns=2**63))
    behind = store.append(batch(2), after=failed)
    assert isinstance(failed.exception(), OverflowError)
    assert isinstance(behind.exception(), sqlite3.OperationalError)
    assert store.acks("h") == [Ack(T0, 0)]


def test_other_content_under_a_stored_key_is_refused(store: SqliteStore) -> None:
    """A batch that differs from the one stored under its key fails: it is neither stored, nor overwrites, nor counts as a duplicate."""
    assert store.append(batch(0)).result() is True
    before = store.series(METERS, 0, 2 * T0)
    other = replace(batch(1, size=4), view=replace(batch(1, size=4).view, batch_seq=0))
    with pytest.raises(AlteredBatch, match=f"batch 0 of epoch {T0} of agent 'h'"):
        store.append(other).result()
    assert [s.value.tolist() for s in store.series(METERS, 0, 2 * T0)] == [s.value.tolist() for s in before]
    assert store.streams()[0].duplicate_count == 0


def test_stored_bytes_are_those_of_one_agent(store: SqliteStore) -> None:
    """Log, chunks, descriptions and losses of an agent are counted, nobody else's; sealing makes them fewer."""
    for number in range(3):
        store.append(batch(number)).result()
    before = store.stored_bytes("h")
    assert before > sum(len(batch(number).body) for number in range(3))
    store.append(replace(batch(0), agent_id="other")).result()
    assert store.stored_bytes("h") == before
    store.seal(T0 + 100 * S, everything=True)
    assert 0 < store.stored_bytes("h") < before
    assert store.stored_bytes("nobody") == 0
