"""The parts of an alignment that is carried out, against a real collector; the whole of it is in tests/e2e/test_calibrate.py."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import joulemark
from joulemark.calibration.gates import Gate
from joulemark.calibration.procedure import HELD_OUT, Plan, Progress, Step
from joulemark.cli import aligning
from joulemark.cli.aligning import Bench
from joulemark.errors import EnvironmentFailed, FormatError, InsufficientData, UsageError
from joulemark.load.generators import Generator, Kind, Load
from tests.collector.conftest import POWER_W, Agent, Collector, S
from tests.kit import alignment

POWER, ENERGY = "fake:host-a:0:power", "fake:host-a:0:energy"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """With ninety seconds of 200 W, most of them yet to come."""
    started = Collector(tmp_path_factory.mktemp("collector")).start()
    agent = Agent()
    agent.send(started.grpc, agent.batch(0, begin_ns=time.time_ns() - 10 * S, rows=900))
    yield started
    started.kill()


@pytest.fixture
def client(collector: Collector) -> joulemark.Client:
    return joulemark.Client(collector.rest)


@pytest.fixture
def bench_of(client: joulemark.Client, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """A bench with the one meter of that collector, under a load that is stopped at the end."""
    with ExitStack() as stack:

        def made(generator: Generator, **more: Any) -> Bench:
            load = stack.enter_context(Load(generator, tmp_path / "log"))
            return Bench(client, load, tmp_path, (aligning.meter_of(client.meters(), POWER),), lambda _: None, **more)

        yield made


def test_a_meter_is_known_by_its_id(client: joulemark.Client) -> None:
    """As its agent describes it; the nearest name is offered for a wrong one, and what is no power is refused."""
    meter = aligning.meter_of(client.meters(), POWER)
    assert meter == replace(Agent().device.meters[0])
    with pytest.raises(UsageError, match=f"did you mean '{POWER}'"):
        aligning.meter_of(client.meters(), POWER + "s")
    with pytest.raises(UsageError, match="not power"):
        aligning.meter_of(client.meters(), ENERGY)
    with pytest.raises(UsageError, match="start its agent"):
        aligning.meter_of([], POWER)


def test_whether_a_meter_is_here(client: joulemark.Client, collector: Collector) -> None:
    """By the kernel's boot id of its agent: processes of another machine cannot be seen."""
    stranger = Agent("host-b", boot_id="another")
    stranger.send(collector.grpc, stranger.batch(0, begin_ns=time.time_ns() - S))
    assert aligning.here(client, client.meters(), POWER) is True
    assert aligning.here(client, client.meters(), "fake:host-b:0:power") is False


def test_gates_see_the_readings(bench_of: Callable[..., Bench], client: joulemark.Client) -> None:
    """A stream that is alive and steady passes; without a thermometer that gate cannot tell until it is accepted."""
    bench = bench_of(Generator(Kind.HAND), sleep=lambda _: None)
    seen = {one.gate: one for one in aligning.look(bench, client.meters(), ["temperature"])}
    assert set(seen) == set(Gate)
    assert [seen[gate].passed for gate in (Gate.STREAMS, Gate.CLOCKS, Gate.TEMPERATURE, Gate.STEADY)] == [True, True, None, True]
    assert (seen[Gate.TEMPERATURE].accepted, seen[Gate.TEMPERATURE].shut) == (True, False)
    strange = replace(bench.meters[0], meter_id=ENERGY)
    silent = {one.gate: one for one in aligning.look(replace(bench, meters=(strange,)), [], [])}
    assert (silent[Gate.EXCLUSIVE].passed, silent[Gate.MONITORS].passed) == (None, None)


def test_live_means_and_steadiness_of_a_stretch(bench_of: Callable[..., Bench]) -> None:
    """200 W are shown while the load stands; of a stretch without readings it says that they have not come."""
    shown: list[str] = []
    bench = bench_of(Generator(Kind.HAND), live=shown.append)
    bench.wait(0.05, "settling")
    assert f"{POWER} {POWER_W:.1f} W" in shown[0]
    now_ns = time.time_ns()
    assert aligning.steadiness_of(bench, now_ns - 2 * S, now_ns).startswith(f"{POWER} mean {POWER_W:.1f} W, CV 0.00%")
    assert aligning.steadiness_of(bench, now_ns + 600 * S, now_ns + 601 * S) == "the readings have not arrived yet"


def test_readings_that_never_come(bench_of: Callable[..., Bench]) -> None:
    """After a minute, here without waiting, the silent meter is named; readings that are there are given."""
    bench = bench_of(Generator(Kind.HAND), sleep=lambda _: None)
    now_ns = time.time_ns()
    assert len(aligning.arrived(bench, now_ns - 2 * S, now_ns)[POWER]) >= 20
    with pytest.raises(InsufficientData, match=POWER):
        aligning.arrived(bench, now_ns, now_ns + 600 * S)


def test_a_load_that_ends_is_an_error(bench_of: Callable[..., Bench]) -> None:
    """Also in the middle of a plateau: a quiet machine is never taken for full load."""
    bench = bench_of(Generator(Kind.COMMAND, "sleep 0.3; echo out of memory; exit 5 # {level}"))
    bench.load.hold(1.0)
    with pytest.raises(EnvironmentFailed, match="status 5: out of memory"):
        bench.wait(5.0, "full: measuring")


def test_a_load_by_hand_is_waited_for(bench_of: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for by its level; when the power never changes, that is told."""
    monkeypatch.setattr(aligning, "BY_HAND_S", 0.5)
    bench = bench_of(Generator(Kind.HAND))
    said: list[str] = []
    with pytest.raises(EnvironmentFailed, match="has not changed"):
        replace(bench, say=said.append).settle(Step("mid", 1, 0.5, 0.1, 2, 1.0))
    assert said == ["bring the machine to 50% of its load now, by your own command"]


def test_a_command_of_ones_own_is_held_out(bench_of: Callable[..., Bench]) -> None:
    """It lasts as long as it lasts, after the load was stopped; one that fails is an error."""
    bench = bench_of(Generator(Kind.COMMAND, "sleep 60 # {level}"))
    bench.load.hold(1.0)
    bench.settle(Step(HELD_OUT, 1, 0.75, 10.0, 0, 60.0))
    bench.load.require()
    aligning.own_command(bench, f"echo done > {bench.folder}/ran")
    assert (bench.folder / "ran").read_text() == "done\n"
    with pytest.raises(EnvironmentFailed, match="status 4"):
        aligning.own_command(bench, "exit 4")


def test_progress_is_kept_in_its_folder(tmp_path: Path) -> None:
    """Written whole, read back equal; a folder without it is refused."""
    progress = Progress(Plan("a", "b", "w"), "run", 5).beginning()
    aligning.kept(tmp_path, progress)
    assert aligning.resumed(tmp_path) == progress
    with pytest.raises(UsageError, match=r"holds no procedure\.json"):
        aligning.resumed(tmp_path / "none")
    (tmp_path / "procedure.json").write_text('{"schema": "x"}')
    with pytest.raises(FormatError):
        aligning.resumed(tmp_path)


def test_the_record_is_what_is_written_and_handed_in(client: joulemark.Client, tmp_path: Path) -> None:
    """The files have the hashes that the record names; the collector takes them; the next alignment of the pair finds this one."""
    made = alignment.made(1, before_ns=time.time_ns())
    files = aligning.files_of(made, Progress(Plan("a", "b", "w"), "run", 5))
    record = aligning.written(tmp_path, files)
    assert {path: hashlib.sha256((tmp_path / path).read_bytes()).hexdigest() for path in record.files} == record.files
    assert json.loads((tmp_path / "calibration" / record.alignment_id / "procedure.json").read_text())["run_id"] == "run"
    assert client.calibrate(files) == record.alignment_id
    assert aligning.newest_before(client, record.sensor, record.reference) == record
    assert aligning.newest_before(client, record.sensor, "another") is None
