"""The collector's own clock: what is known of it, kept while it runs and told beside the agents'."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from joulemark.collector import axis, own_clock
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.discipline import kernel_clock
from joulemark.proto.messages import ClockState
from joulemark.timebase import SystemClock
from tests.collector.conftest import Collector
from tests.conftest import ManualClock

S = 1_000_000_000


def test_a_state_holds_what_the_kernel_says(tmp_path: Path, manual_clock: ManualClock) -> None:
    """The axis against the host's UTC, which a step moves away from it, and the kernel's word."""
    store = SqliteStore(tmp_path / "readings.db")
    clock = axis.anchored(store, manual_clock, tmp_path / "catalog.db")
    manual_clock.utc += 3 * S
    state = own_clock.state(clock, manual_clock)
    assert (state.offset_ns, state.offset_known) == (-3 * S, True)
    assert state.kernel_synchronized == kernel_clock().synchronized
    assert state.kernel_max_error_ns > 0
    store.close()


def test_states_are_kept_apart_from_those_of_agents(tmp_path: Path) -> None:
    """Those of a span and the last before it come back as they were, and nobody takes them for an agent's."""
    store = SqliteStore(tmp_path / "readings.db")
    for second in (10, 20, 30, 40):
        store.told(second * S, ClockState(discipline="chrony", discipline_bound_ns=second)).result()
    found = store.own_states(25 * S, 35 * S)
    assert [(one.t_ns // S, one.clock.discipline_bound_ns, one.agent_id) for one in found] == [(20, 20, ""), (30, 30, "")]
    assert store.states(0, 2**62) == []
    store.close()


def test_a_full_disk_costs_one_state(tmp_path: Path, manual_clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be kept is told in the log, and the next state is tried."""
    store = SqliteStore(tmp_path / "readings.db")
    clock = axis.anchored(store, manual_clock, tmp_path / "catalog.db")
    with sqlite3.connect(store.path) as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON state BEGIN SELECT RAISE(FAIL, 'disk is full'); END")

    async def kept() -> None:
        keeping = asyncio.create_task(own_clock.keep(store, clock, manual_clock, 0.01))
        while "disk is full" not in caplog.text:
            await asyncio.sleep(0.01)
        with sqlite3.connect(store.path) as db:
            db.execute("DROP TRIGGER full")
        while not store.own_states(0, 2**62):
            await asyncio.sleep(0.01)
        keeping.cancel()

    asyncio.run(asyncio.wait_for(kept(), 10.0))
    store.close()


def test_a_running_collector_tells_of_itself(start_collector: Callable[..., Collector]) -> None:
    """Soon after its start there is a state."""
    store = SqliteReadings(start_collector().folder / "data" / "readings.db")
    deadline_ns = SystemClock().mono_ns() + 10 * S
    while not (found := store.own_states(0, 2**62)) and SystemClock().mono_ns() < deadline_ns:
        time.sleep(0.05)
    assert found[0].clock.kernel_max_error_ns > 0
