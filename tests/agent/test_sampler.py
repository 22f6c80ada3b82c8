from __future__ import annotations

import ctypes
import os
import resource
import statistics
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.runner import Runner
from joulemark.agent.sampler import Bell, Sampler, in_real_time
from joulemark.agent.spool import Spool
from joulemark.agent.thinning import samples_of
from joulemark.agent.wiring import RunnerConfig
from joulemark.config import MeterTable
from joulemark.meters import registry
from joulemark.proto import convert
from joulemark.readings import Sample
from joulemark.timebase import SystemClock
from tests.standins import nvml_standin
from tests.standins.nvml_standin import NvmlWave
from tests.waiting import eventually

MS = 1_000_000


@pytest.fixture
def batcher(spool: Spool, batcher_of: Callable[..., Batcher]) -> Batcher:
    return batcher_of(spool)


@pytest.fixture
def sampler_of(batcher: Batcher) -> Iterator[Callable[..., Sampler]]:
    """A running sampler over fake meters, one for each set of options; each has a host name of its own."""
    started: list[Sampler] = []

    def start(*options: dict[str, Any], interval_ms: int = 20) -> Sampler:
        runners = []
        for i, option in enumerate(options):
            (meter,) = registry.build([MeterTable("fake", option)], host=f"h{i}")
            runners.append(Runner(f"fake:{i}", meter, RunnerConfig(), clock=SystemClock(), batcher=batcher, interval_ms=interval_ms))
        started.append(Sampler(runners, SystemClock()))
        started[-1].start()
        return started[-1]

    yield start
    for sampler in started:
        sampler.stop()


def rows_of(spool: Spool, batcher: Batcher) -> dict[str, list[Sample]]:
    batcher.close()
    found: dict[str, list[Sample]] = {}
    for stored in spool.claim((-1, -1), 999):
        for block in convert.decode(stored.frozen.body).blocks:
            found.setdefault(block.device_id, []).extend(samples_of(block))
    return found


def read_counts(sampler: Sampler) -> list[int]:
    """Reads so far, of each meter."""
    return [cost.read_count for cost in sampler.costs]


def test_reads_stand_on_one_grid(sampler_of: Callable[..., Sampler], spool: Spool, batcher: Batcher) -> None:
    """Reads stand whole intervals apart from one grid, whichever of them came late; what one takes never moves the next."""
    sampler = sampler_of({"hang_ms": 7}, interval_ms=60)
    eventually(lambda: read_counts(sampler) >= [25], "25 reads")
    sampler.stop()
    (rows,) = rows_of(spool, batcher).values()
    late = [(row.t_read0_ns - rows[0].t_read0_ns + 30 * MS) % (60 * MS) - 30 * MS for row in rows]
    assert len(rows) + sampler.late_tick_count >= (rows[-1].t_read0_ns - rows[0].t_read0_ns) // (60 * MS)
    on_grid = statistics.median(late)
    assert statistics.median(abs(one - on_grid) for one in late) < 6 * MS, "anywhere in the interval it would be 15"


def test_slow_meter_delays_nobody(sampler_of: Callable[..., Sampler], spool: Spool, batcher: Batcher) -> None:
    """Beside a meter that takes 300 ms a read, another keeps its 20 ms; the slow one's missed deadlines are counted, not replayed."""
    sampler = sampler_of({"hang_ms": 300}, {})
    eventually(lambda: min(read_counts(sampler)) >= 4, "four slow reads")
    sampler.stop()
    rows = rows_of(spool, batcher)
    steps = [b.t_read0_ns - a.t_read0_ns for a, b in pairwise(rows["fake:h1:0"])]
    assert len(rows["fake:h1:0"]) > 5 * len(rows["fake:h0:0"])
    assert statistics.median(steps) < 100 * MS
    slow = next(lane for lane in sampler.lanes if lane.name == "fake:0")
    assert slow.late_tick_count >= 13 * (len(rows["fake:h0:0"]) - 1)


def test_read_now_is_pinned_at_once(sampler_of: Callable[..., Sampler], spool: Spool, batcher: Batcher) -> None:
    """A phase mark is read at once though the next deadline is a minute away, and its sample is pinned."""
    sampler = sampler_of({}, {}, interval_ms=60_000)
    eventually(lambda: read_counts(sampler) == [1, 1], "the first reads")
    marked_ns = SystemClock().mono_ns()
    sampler.read_now()
    eventually(lambda: read_counts(sampler) == [2, 2], "the reads for the mark")
    sampler.stop()
    for rows in rows_of(spool, batcher).values():
        assert [row.pinned for row in rows] == [False, True]
        assert 0 <= rows[1].t_read0_ns - marked_ns < 5_000 * MS


def test_costs_are_kept_per_meter(sampler_of: Callable[..., Sampler]) -> None:
    """Reads, errors and time in the driver are counted for each meter apart."""
    sampler = sampler_of({"hang_ms": 30}, {"gone_after": 2})
    eventually(lambda: min(read_counts(sampler)) >= 3, "the second is gone")
    sampler.stop()
    slow, gone = sorted(sampler.costs, key=lambda cost: cost.source)
    assert slow.error_count == 0
    assert slow.busy_ns >= slow.read_count * 30 * MS
    assert gone.error_count >= 1


def test_the_sampler_is_ordinary_unless_real_time_is_granted(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Without a granted priority nothing is asked for; with one the thread asks for the lowest, not for its children; a refusal is told."""
    asked: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda pid, policy, param: asked.append((pid, policy, param.sched_priority)))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (0, 0))
    assert (in_real_time(), asked) == (False, [])
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1, 1))
    assert (in_real_time(), asked) == (True, [(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 1)])

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    assert not in_real_time()
    assert "ordinary priority: Operation not permitted" in caplog.text


def counted() -> tuple[int, int]:
    """Calls on a GPU that the stand-in driver took, and how many of them began while another was under way."""
    library = ctypes.CDLL(str(nvml_standin.library()))
    for name in ("standin_call_count", "standin_overlap_count"):
        getattr(library, name).restype = ctypes.c_longlong
    return library.standin_call_count(), library.standin_overlap_count()


@pytest.mark.parametrize("locked", [True, False])
def test_meters_of_one_driver_share_a_thread(locked: bool, monkeypatch: pytest.MonkeyPatch, batcher: Batcher) -> None:
    """Two tables of GPUs of one driver are polled by one thread, and no call waits for another; in two threads calls do overlap. What the
    agent says of its reads is what the driver counted.
    """
    for name, value in NvmlWave(gpus=8, settings={"CALL_NS": 2 * MS}).env().items():
        monkeypatch.setenv(name, value)
    driver = registry.driver("nvml")
    assert driver.lock
    assert registry.driver("fake").lock == ""
    options = {"library": str(nvml_standin.library()), "witness_interval_s": 0.0}
    tables = [MeterTable("nvml", {**options, "gpus": [str(i) for i in range(at, at + 4)]}) for at in (0, 4)]
    lock = driver.lock if locked else ""
    runners = [
        Runner(f"nvml:{i}", meter, RunnerConfig(), clock=SystemClock(), batcher=batcher, interval_ms=30, lock=lock)
        for i, meter in enumerate(registry.build(tables, host="h"))
    ]
    sampler = Sampler(runners, SystemClock())
    assert len(sampler.lanes) == (1 if locked else 2)
    for runner in runners:
        runner.meter.open()
    (calls, overlaps), before = counted(), read_counts(sampler)
    sampler.start()
    eventually(lambda: min(read_counts(sampler)) >= 10, "ten reads of each")
    sampler.stop()
    took = tuple(now - then for now, then in zip(counted(), (calls, overlaps), strict=True))
    assert before == [0, 0]
    assert took[0] == 4 * sum(read_counts(sampler))
    assert (took[1] == 0) is locked
    assert all(2 * 4 * MS <= cost.busy_median_ns <= cost.busy_max_ns <= cost.busy_ns for cost in sampler.costs)


def test_a_bell_ends_one_wait_and_is_kept_for_the_next() -> None:
    """Rung before the wait, twice at that: it ends at once, and the next one lasts its time; rung from another thread it ends early."""
    bell = Bell()
    bell.ring()
    bell.ring()
    assert bell.wait(60.0)
    assert not bell.wait(0.01)
    ringer = threading.Timer(0.05, bell.ring)
    ringer.start()
    assert bell.wait(60.0)
    ringer.join()
