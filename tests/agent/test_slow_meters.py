"""Meters that take their time, through real parts: a BMC that hangs, the NVIDIA driver's stand-in, and fakes that never answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.runner import HANGING_S, Runner, State
from joulemark.agent.sampler import STOP_WAIT_S, Sampler
from joulemark.agent.spool import Spool
from joulemark.agent.thinning import samples_of
from joulemark.agent.wiring import RunnerConfig
from joulemark.config import MeterTable
from joulemark.meters import registry
from joulemark.proto import convert
from joulemark.readings import Quality, Sample
from joulemark.timebase import SystemClock
from tests.standins import nvml_standin
from tests.standins.ipmi_standin import Bmc
from tests.standins.nvml_standin import NvmlWave
from tests.standins.switches import Switches
from tests.waiting import eventually, unchanged

S = 1_000_000_000
FAST_MS = 20
BMC_S = 15.0
CLOCK = SystemClock()
Options = dict[str, Any]


@pytest.fixture
def batcher(spool: Spool, batcher_of: Callable[..., Batcher]) -> Batcher:
    return batcher_of(spool)


@pytest.fixture
def runner_of(batcher: Batcher) -> Callable[..., Runner]:
    def build(kind: str, options: Options, interval_ms: int = FAST_MS) -> Runner:
        (meter,) = registry.build([MeterTable(kind, options)], host="node1")
        return Runner(kind, meter, RunnerConfig(), clock=CLOCK, batcher=batcher, interval_ms=interval_ms)

    return build


@pytest.fixture
def sampler_of() -> Iterator[Callable[..., Sampler]]:
    started: list[Sampler] = []

    def start(*runners: Runner) -> Sampler:
        started.append(Sampler(runners, CLOCK))
        started[-1].start()
        return started[-1]

    yield start
    for sampler in started:
        if not all(runner.state is State.ENDED for lane in sampler.lanes for runner in lane.runners):
            sampler.stop()


@pytest.fixture
def rows(spool: Spool, batcher: Batcher) -> Callable[[], dict[str, list[Sample]]]:
    """Every sample so far, by the kind of its device."""

    def read() -> dict[str, list[Sample]]:
        batcher.close()
        found: dict[str, list[Sample]] = {}
        for stored in spool.claim((-1, -1), 9999):
            for block in convert.decode(stored.frozen.body).blocks:
                found.setdefault(block.device_id.split(":")[0], []).extend(samples_of(block))
        return found

    return read


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Options]:
    """Options of an nvml meter on a stand-in driver with these settings."""
    library = nvml_standin.library()

    def build(**settings: str | int) -> Options:
        for name, value in NvmlWave(settings=settings).env().items():
            monkeypatch.setenv(name, value)
        return {"library": str(library)}

    return build


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Bmc]:
    standin = Bmc(tmp_path / "bmc")
    standin.start()
    yield standin
    standin.resume()
    standin.stop()


def paced(rows: list[Sample], begin_ns: int, end_ns: int) -> bool:
    """Whether a meter of 20 ms was read all the time: no second without a read, and no fewer than a quarter of them."""
    times = [begin_ns, *(row.t_read0_ns for row in rows if begin_ns <= row.t_read0_ns <= end_ns), end_ns]
    return max(b - a for a, b in pairwise(times)) < 2 * S and len(times) > (end_ns - begin_ns) / (FAST_MS * S / 1000) / 4


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_bmc_of_fifteen_seconds_delays_nobody(
    runner_of: Callable[..., Runner],
    sampler_of: Callable[..., Sampler],
    rows: Callable[[], dict[str, list[Sample]]],
    gpu: Callable[..., Options],
    bmc: Bmc,
) -> None:
    """While one BMC read takes 15 s, driver and fake keep their 20 ms and answer marks at once; the BMC has one call in flight,
    whose gap is told while it lasts, three marks are one read after it, and the values come back.
    """
    account = {"host": "127.0.0.1", "user": bmc.user, "password_file": str(bmc.password_file), "port": bmc.port, "deadline_s": BMC_S}
    slow = runner_of("ipmi", account, 500)
    sampler = sampler_of(slow, runner_of("nvml", gpu()), runner_of("fake", {}))
    eventually(lambda: slow.cost.read_count >= 2, "the BMC is read", within_s=120.0)
    bmc.pause()
    before = unchanged(lambda: slow.cost.read_count, "reads of a BMC that hangs", for_s=HANGING_S + 2.0)
    marked_ns = CLOCK.mono_ns()
    hung_ns = marked_ns - round((HANGING_S + 1.0) * S)
    for _ in range(3):
        sampler.read_now()
    sampler.tell_hanging()
    assert unchanged(lambda: slow.cost.read_count, "as above", for_s=2.0) == before
    assert len([p for p in psutil.Process().children() if "ipmi_child" in " ".join(p.cmdline())]) == 1
    resumed_ns = CLOCK.mono_ns()
    eventually(lambda: slow.cost.read_count > before, "the read is given up")
    bmc.resume()
    eventually(lambda: rows()["ipmi"][-1].values == (512,), "the values come back", within_s=120.0)
    sampler.stop()
    found = rows()
    for kind in ("nvml", "fake"):
        assert paced(found[kind], hung_ns, resumed_ns)
        pinned = [row for row in found[kind] if row.pinned]
        assert 1 <= len(pinned) <= 3
        assert 0 <= pinned[0].t_read0_ns - marked_ns < 2 * S
    told, late, *after = [row for row in found["ipmi"] if row.t_read1_ns > hung_ns]
    assert told.reasons[0].startswith("no answer for ")
    assert late.reasons == ("no answer within 15 s",)
    assert BMC_S * S <= late.t_read1_ns - late.t_read0_ns < 1.3 * BMC_S * S
    assert [row.pinned for row in after].count(True) == 1
    assert after[-1].values == (512,)


def test_a_stop_waits_for_no_bmc(
    runner_of: Callable[..., Runner], sampler_of: Callable[..., Sampler], rows: Callable[[], dict[str, list[Sample]]]
) -> None:
    """Meters that never answer, in `read` or at their first mark, hold up the end together for no longer than one BMC's deadline."""
    stuck = [runner_of("fake", {"fault": "hang", "fault_after": n}) for n in (0, 0, 3)]
    going = runner_of("replay", {})
    sampler = sampler_of(*stuck, going)
    eventually(lambda: going.cost.read_count > 5, "the one that answers is read")
    sampler.read_now()
    began = time.monotonic()
    sampler.stop()
    assert time.monotonic() - began < 1.9 * STOP_WAIT_S, "no two of them are waited for in turn"
    assert [runner.state for runner in stuck] == [State.ENDED] * 3
    assert len(rows()["replay"]) > 5


def test_marks_do_not_pile_up_behind_a_slow_meter(
    runner_of: Callable[..., Runner], sampler_of: Callable[..., Sampler], rows: Callable[[], dict[str, list[Sample]]]
) -> None:
    """Fifty marks during one slow read are one read more, after it; there is never a second call into the same device."""
    slow = runner_of("fake", {}, 60_000)
    inside, most = [0], [0]
    marked = threading.Event()
    read = slow.meter.read

    def held(clock: Any) -> list[Sample]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        try:
            marked.wait(60)
            return read(clock)
        finally:
            inside[0] -= 1

    slow.meter.read = held  # type: ignore[method-assign]  # the real read, held up and counted
    sampler = sampler_of(slow)
    eventually(lambda: inside == [1], "the first read begins")
    marks = [threading.Thread(target=sampler.read_now) for _ in range(50)]
    for mark in marks:
        mark.start()
    for mark in marks:
        mark.join()
    marked.set()
    eventually(lambda: slow.cost.read_count >= 2, "the read for the marks")
    unchanged(lambda: slow.cost.read_count, "reads after the marks", for_s=0.5)
    sampler.stop()
    assert [row.pinned for row in rows()["fake"]] == [False, True]
    assert most == [1]


def test_a_gpu_that_fell_off_the_bus_is_found_again(
    runner_of: Callable[..., Runner],
    rows: Callable[[], dict[str, list[Sample]]],
    gpu: Callable[..., Options],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lost GPU leaves gaps with the driver's words until a new start of its library finds it; its counter, which began anew, is
    marked as reset, and the values go on under the same name.
    """
    switches = Switches(tmp_path / "switches")
    runner = runner_of("nvml", gpu(SWITCHES=str(switches.folder), ENERGY_STEP_NS=10**7))
    polled(runner, 10)
    switches.lose()
    polled(runner, 5)
    monkeypatch.setenv(f"{nvml_standin.PREFIX}RELOAD_NS", str(time.time_ns()))
    switches.find()
    eventually(lambda: polled(runner, 1) and runner.state is State.OPEN, "it is found again")
    polled(runner, 10)
    runner.close()
    found = rows()["nvml"]
    assert len({row.device_id for row in found}) == 1
    assert [row.seq for row in found] == list(range(len(found)))
    states = [("gap" if row.values[2] is None else "value") for row in found]
    assert set(states[: states.index("gap")]) == set(states[_end(states) :]) == {"value"}
    assert all("lost" in row.reasons[0] for row in found if row.values[2] is None)
    assert [row.qualities[2] for row in found].count(Quality.RESET) == 1
    assert found[_end(states)].qualities[2] is Quality.RESET


def polled(runner: Runner, count: int) -> bool:
    """That many polls, 20 ms apart."""
    for _ in range(count):
        runner.poll()
        time.sleep(FAST_MS / 1000)
    return True


def _end(states: list[str]) -> int:
    """Index of the first value after the gaps."""
    return states.index("gap") + states.count("gap")
