"""The collector's axis at its start and while its host's clock is stepped."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from joulemark.client import Client
from joulemark.collector import axis
from joulemark.collector.catalog import Catalog
from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.collector.store.sqlite import SqliteReadings, SqliteStore
from joulemark.runs import PhaseKind
from tests.collector.conftest import Agent, Collector
from tests.conftest import ManualClock

S = 1_000_000_000
RUN = Recorded("r", marks=(Mark(Edge.START, "", PhaseKind.OTHER, 10, 1, "boot", 11),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a catalogue in which a run is open."""
    catalog = Catalog(tmp_path / "catalog.db")
    catalog.start(RUN, 11)
    catalog.close()
    return tmp_path


def stop(folder: Path) -> None:
    catalog = Catalog(folder / "catalog.db")
    catalog.mark("r", Mark(Edge.STOP, "", PhaseKind.OTHER, 99, 3, "boot", 100))
    catalog.close()


def test_an_open_run_is_seen_without_its_owner(folder: Path) -> None:
    """Started and not stopped; no catalogue, an empty file and something else hold none."""
    assert axis.has_open_run(folder / "catalog.db")
    stop(folder)
    assert not axis.has_open_run(folder / "catalog.db")
    assert not axis.has_open_run(folder / "none.db")
    for name, text in (("empty.db", ""), ("other.db", "no database " * 50)):
        (folder / name).write_text(text)
        assert not axis.has_open_run(folder / name)


def test_the_axis_waits_for_the_end_of_the_run(folder: Path, manual_clock: ManualClock) -> None:
    """Stepped by 5 s between two starts: with the run open the axis stays, after its stop the next start takes UTC."""
    store = SqliteStore(folder / "readings.db")
    began = axis.anchored(store, manual_clock, folder / "catalog.db")
    assert began.utc_ns() == manual_clock.utc
    manual_clock.advance(100 * S)
    manual_clock.utc += 5 * S
    assert axis.anchored(store, manual_clock, folder / "catalog.db").utc_ns() == manual_clock.utc - 5 * S
    assert axis.current(store, manual_clock).minus_mono_ns == began.minus_mono_ns
    assert [step.step_ns for step in store.clock_steps(0, 2**62)] == [5 * S]
    stop(folder)
    assert axis.anchored(store, manual_clock, folder / "catalog.db").utc_ns() == manual_clock.utc
    store.close()


def test_a_step_while_running_is_an_event_and_moves_nothing(folder: Path, manual_clock: ManualClock) -> None:
    """The watch sees a step of -2 s once, at its time on the axis, and the axis goes on."""
    store = SqliteStore(folder / "readings.db")
    clock = axis.anchored(store, manual_clock, folder / "catalog.db")

    async def watched() -> None:
        watching = asyncio.create_task(axis.watch(store, manual_clock, 0.01))
        for step_ns in (0, -2 * S, 0, 0):
            await asyncio.sleep(0.05)
            manual_clock.utc += step_ns
        watching.cancel()

    before_ns = clock.utc_ns()
    asyncio.run(watched())
    assert clock.utc_ns() == before_ns
    assert [(step.agent_id, step.t_ns, step.step_ns) for step in store.clock_steps(0, 2**62)] == [("", before_ns, -2 * S)]
    store.close()


def test_a_restart_within_a_run_keeps_axis_and_energy(start_collector: Callable[..., Collector]) -> None:
    """A collector killed and started again within a run: one axis, marks of both lives on it, the energy of the phase exact."""
    collector = start_collector()
    agent, client = Agent(), Client(collector.rest)
    run_id = client.start()
    client.begin(run_id, "p")
    collector.kill()
    collector.start()
    client = Client(collector.rest)
    client.end(run_id, "p")
    client.stop(run_id)
    store = SqliteReadings(collector.folder / "data" / "readings.db")
    assert len(store.axes()) == 1
    begin_ns = client.call("GET", f"/v1/runs/{run_id}")["phases"][0]["begin_ns"]
    agent.send(collector.grpc, agent.batch(0, begin_ns=begin_ns - 5 * S, rows=400))
    (phase,) = client.energy(run_id)["phases"]
    assert phase["energy_j"] == pytest.approx(200 * phase["duration_s"], rel=1e-6)
    line = [
        line for line in httpx.get(f"{collector.rest}/metrics").text.splitlines() if line.startswith("joulemark_axis_minus_utc_seconds")
    ]
    assert abs(float(line[0].split()[1])) < 0.001
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT COUNT(*) FROM clock_step").fetchone() == (0,)
