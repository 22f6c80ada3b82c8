"""Two hosts with clocks of their own: every reading lies on the collector's axis within its stated bound, also through steps."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from joulemark.client import Client
from joulemark.collector.store import schema
from joulemark.collector.store.columns import Columns
from joulemark.collector.store.sqlite import SqliteReadings
from joulemark.meters.fake import FakeConfig, Waveform, energy_j
from joulemark.proto import convert
from joulemark.timebase import SystemClock
from tests.standins import clock_standin
from tests.standins.clock_standin import Host

S = 1_000_000_000
WAVE = FakeConfig(Waveform.SINE, mean_w=20_000.0, amplitude_w=15_000.0, period_s=3.0)
CONFIG = """\
[agent]
agent_id = "{name}"
collector = "127.0.0.1:{grpc}"
batch_period_ms = 500
clock_probe_period_s = 2.0
[spool]
path = "{folder}/{name}.db"
[collector]
grpc_listen = "127.0.0.1:{grpc}"
rest_listen = "127.0.0.1:{rest}"
data_dir = "{folder}/data"
[[meter]]
kind = "fake"
axis = "monotonic"
interval_ms = 50
waveform = "sine"
mean_w = 20000
amplitude_w = 15000
period_s = 3.0
counter_step_s = 0.0
device_time = {stamps}
"""


@dataclass(frozen=True)
class Seen:
    """What a batch placed: how far each of its readings lies from the truth beyond its own read bracket, and the bound it stated."""

    agent_id: str
    known: bool
    bound_ns: int
    off_ns: list[float]

    def worst_ns(self, share: float) -> float:
        """How far the worst reading lies outside `share` of the bound; negative when it lies inside."""
        return max(self.off_ns) - share * self.bound_ns


def host_time_ns(counter_mj: int, near_ns: float) -> float:
    """When, on the host's own monotonic clock, its wave had drawn so much energy: every reading carries its own time."""
    low, high = near_ns - 10 * S, near_ns + 10 * S
    while high - low > 1:
        middle = (low + high) / 2
        low, high = (middle, high) if energy_j(WAVE, 0, round(middle)) * 1000 < counter_mj else (low, middle)
    return high


def seen(store: SqliteReadings, hosts: dict[str, Host], axis_ns: int) -> Iterator[Seen]:
    """Every batch in the log, in order."""
    with closing(schema.reader(store.path)) as db:
        rows = db.execute("SELECT agent_id, body FROM log ORDER BY agent_id, epoch_ns, batch_seq").fetchall()
    for agent_id, body in rows:
        view, host = convert.decode(body), hosts[agent_id]
        for block in view.blocks:
            columns = Columns.from_block(block, view.clock)
            at_ns = (columns.utc_ns() + columns.shared["offset_ns"] - axis_ns).tolist()
            mono_ns, bracket_ns = (columns.shared[name].tolist() for name in ("mono_ns", "bracket_ns"))
            reads = zip(mono_ns, bracket_ns, columns.values[1].tolist(), at_ns, strict=True)
            off_ns = [abs(at - host.true_ns(host_time_ns(value, mono))) - bracket / 2 for mono, bracket, value, at in reads]
            yield Seen(agent_id, view.clock.offset_known, view.clock.bound_ns, off_ns)


@dataclass
class World:
    """Two agents, each with its clock, and what the collector says."""

    hosts: dict[str, Host]
    store: SqliteReadings
    axis_ns: int
    energy: dict[str, Any]
    run: dict[str, Any]
    card: dict[str, Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A is 37.5 s ahead and gains 100 ppm, B is 12 s behind and loses 50 ppm. The collector comes late. A is stepped by 5 s before its
    first probe and by -5 s within the second phase.
    """
    folder, since_ns = tmp_path_factory.mktemp("hosts"), SystemClock().mono_ns() - 20_000 * S
    crystal = clock_standin.build(folder)
    hosts = {name: Host(name, folder, ppm, since_ns) for name, ppm in (("a", 100), ("b", -50))}
    grpc, rest = free_ports(2)
    with ExitStack() as ending:

        def start(name: str, command: str) -> None:
            config = folder / f"{name}.toml"
            config.write_text(CONFIG.format(name=name, folder=folder, grpc=grpc, rest=rest, stamps=str(name == "a").lower()))
            log = ending.enter_context((folder / f"{name}.log").open("w"))
            env = hosts[name].env(crystal) if name in hosts else {}
            arguments = [sys.executable, "-m", "joulemark", *command.split(), "--config", str(config)]
            process = subprocess.Popen(arguments, stdout=log, stderr=log, env={**os.environ, **env})
            ending.callback(process.wait, 20)
            ending.callback(process.terminate)

        hosts["a"].set_utc(37.5)
        hosts["b"].set_utc(-12.0)
        start("a", "agent run")
        start("b", "agent run")
        until(lambda: min(spooled(folder / f"{name}.db") for name in ("a", "b")) > 0, "batches in two spools", folder)
        hosts["a"].set_utc(42.5)
        before = spooled(folder / "a.db")
        until(lambda: spooled(folder / "a.db") > before + 1, "batch after the step", folder)
        start("collector", "collector run")
        url = f"http://127.0.0.1:{rest}"
        until(lambda: answer(f"{url}/readyz").get("agents_connected") == 2, "two agents", folder)
        store = SqliteReadings(folder / "data" / "readings.db")
        until(lambda: len({s.agent_id for s in store.states(0, 2**62) if s.clock.offset_known}) == 2, "two known clocks", folder)
        client = Client(url)
        run_id = client.start()
        client.begin(run_id, "steady")
        time.sleep(3)
        client.end(run_id, "steady")
        client.begin(run_id, "stepped")
        time.sleep(1.5)
        hosts["a"].set_utc(37.5)
        time.sleep(2.5)
        client.end(run_id, "stepped")
        client.stop(run_id)
        until(lambda: bool(answer(f"{url}/v1/runs/{run_id}/energy").get("settled")), "a settled run", folder)
        energy, run = answer(f"{url}/v1/runs/{run_id}/energy"), answer(f"{url}/v1/runs/{run_id}")
        card = answer(f"{url}/v1/runs/{run_id}/card")
    return World(hosts, store, store.axes()[-1].minus_mono_ns, energy, run, card)


def spooled(path: Path) -> int:
    """Batches in a spool, 0 while there is none."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT COUNT(*) FROM batch").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def free_ports(count: int) -> list[int]:
    with ExitStack() as open_ports:
        sockets = [open_ports.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def answer(url: str) -> dict[str, Any]:
    """The JSON at `url`, empty while nobody answers."""
    try:
        found: dict[str, Any] = httpx.get(url, timeout=10).json()
    except (httpx.TransportError, ValueError):
        return {}
    return found


def until(condition: Callable[[], bool], what: str, folder: Path) -> None:
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up, f"no {what}: " + "".join(log.read_text()[-2000:] for log in folder.glob("*.log"))
        time.sleep(0.1)


def test_every_reading_lies_within_the_bound_of_its_batch(world: World) -> None:
    """Hundreds of readings of known times; taken without its bound each host would be wrong, so the bound is not idle."""
    batches = [batch for batch in seen(world.store, world.hosts, world.axis_ns) if batch.known]
    report = {}
    for name in ("a", "b"):
        own = [batch for batch in batches if batch.agent_id == name]
        assert sum(len(batch.off_ns) for batch in own) > 100
        assert max(batch.worst_ns(1.0) for batch in own) <= 0
        assert max(batch.worst_ns(0.0) for batch in own) > 0
        assert float(np.median([batch.bound_ns for batch in own])) < 5_000_000
        report[name] = {"worst_ns": max(b.worst_ns(0.0) for b in own), "bound_ns": float(np.median([b.bound_ns for b in own]))}
    print(json.dumps(report))


def test_readings_from_before_the_first_probe_lie_there_too(world: World) -> None:
    """Taken while the collector was away, with a step of 5 s between them: on the axis by the relation that came later."""
    assert any(not batch.known for batch in seen(world.store, world.hosts, world.axis_ns))
    for name in ("a", "b"):
        (series,) = world.store.series([f"fake:{name}:0:energy"], 0, 2**62)
        host = world.hosts[name]
        times = zip(series.t_ns.tolist(), series.value.tolist(), strict=True)
        true_ns = [host.true_ns(host_time_ns(value, host.mono_ns(t_ns - world.axis_ns))) + world.axis_ns for t_ns, value in times]
        off_ns = np.abs(series.t_ns - np.array(true_ns))
        assert bool(np.all(off_ns <= series.clock_bound_ns + series.t_unc_ns))
        assert series.clock_bound_ns < 50_000_000


@pytest.mark.parametrize("name", ["steady", "stepped"])
def test_energy_of_a_phase_is_right_through_a_step(world: World, name: str) -> None:
    """The two hosts' energy between marks on the collector's host is what their waves drew then, within its own uncertainty."""
    (phase,) = [phase for phase in world.energy["phases"] if phase["name"] == name]
    drawn_j = 0.0
    for host in (world.hosts["a"], world.hosts["b"]):
        begin_ns, end_ns = (round(host.mono_ns(phase[edge] - world.axis_ns)) for edge in ("begin_ns", "end_ns"))
        drawn_j += energy_j(WAVE, begin_ns, end_ns)
    assert abs(phase["energy_j"] - drawn_j) <= min(phase["u95_j"], 0.03 * drawn_j)


def test_steps_are_events_of_the_run(world: World) -> None:
    """Both steps of A are kept; the one within the run is told by the run, its energy and its card."""
    steps = [(step.agent_id, round(step.step_ns / S, 3)) for step in world.store.clock_steps(0, 2**62)]
    assert sorted(steps) == [("a", -5.0), ("a", 5.0)]
    for told in (world.run["findings"], world.energy["findings"], world.card["findings"]):
        assert sum("agent a was stepped by -5.000 s" in finding for finding in told) == 1
    assert [(step["agent_id"], round(step["step_ns"] / S)) for step in world.card["clock_steps"]] == [("a", -5)]
