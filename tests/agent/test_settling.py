"""Reads that are taken apart, numbered and judged with their batch: they stay what they were, and a read in progress goes first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.runner import Runner, State
from joulemark.agent.spool import Spool
from joulemark.agent.thinning import samples_of
from joulemark.agent.wiring import RunnerConfig
from joulemark.errors import MeterGone
from joulemark.proto import convert
from joulemark.readings import DeviceInfo, Sample
from joulemark.timebase import Clock
from tests.agent.test_runner import ScriptedMeter
from tests.conftest import ManualClock

S = 1_000_000_000


@pytest.fixture
def batcher(spool: Spool, batcher_of: Callable[..., Batcher]) -> Batcher:
    return batcher_of(spool)


@pytest.fixture
def rows(spool: Spool, batcher: Batcher) -> Callable[[], list[Sample]]:
    """Every sample that came so far."""

    def read() -> list[Sample]:
        batcher.close()
        views = [convert.decode(stored.frozen.body) for stored in spool.claim((-1, -1), 999)]
        return [row for view in views for block in view.blocks for row in samples_of(block)]

    return read


class LateMeter(ScriptedMeter):
    """One whose answers are taken apart later: a script entry that is an exception breaks that, others are as of ScriptedMeter."""

    def take(self, clock: Clock) -> LateAnswer:
        return LateAnswer(self.reads.pop(0), ScriptedMeter(self.device, [0]).read(clock))


class LateAnswer:
    """What one poll of it brought."""

    def __init__(self, answer: Any, samples: list[Sample]) -> None:
        self._answer, self._samples = answer, samples

    def samples(self) -> list[Sample]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return [] if self._answer is None else [one._replace(values=(one.values[0], self._answer)) for one in self._samples]


@pytest.fixture
def late_of(device: DeviceInfo, batcher: Batcher, manual_clock: ManualClock) -> Callable[[list[Any]], Runner]:
    """A runner of a LateMeter."""

    def build(reads: list[Any]) -> Runner:
        return Runner("late", LateMeter(device, reads), RunnerConfig(), clock=manual_clock, batcher=batcher, interval_ms=1000)

    return build


def test_what_is_taken_apart_later_is_dated_as_it_was_read(
    late_of: Callable[[list[Any]], Runner], rows: Callable[[], list[Sample]], manual_clock: ManualClock
) -> None:
    """Samples, and the gap of a device that is missing, keep the time of their read, however late the batch is closed."""
    runner = late_of([10, None, 30])
    polled_ns = []
    for _ in range(3):
        polled_ns.append(manual_clock.mono_ns())
        runner.poll()
        manual_clock.advance(S)
    manual_clock.advance(60 * S)
    found = rows()
    assert [one.values[1] for one in found] == [10, None, 30]
    assert [(one.t_read0_ns, one.t_read1_ns) for one in found] == [(t_ns, t_ns) for t_ns in polled_ns]
    assert [one.seq for one in found] == [0, 1, 2]
    assert found[1].reasons[0] == "the driver gave no sample"


@pytest.mark.parametrize("broken", [RuntimeError("no such field"), MeterGone("lost")], ids=["unforeseen", "said too late"])
def test_an_answer_that_cannot_be_taken_apart_is_a_gap(
    late_of: Callable[[list[Any]], Runner], rows: Callable[[], list[Sample]], manual_clock: ManualClock, broken: Exception
) -> None:
    """It is counted and told, dated as read, and the reads go on: the thread that closes batches closes no meter."""
    runner = late_of([10, broken, 30])
    for _ in range(3):
        runner.poll()
        manual_clock.advance(S)
    found = rows()
    assert [one.values[1] for one in found] == [10, None, 30]
    assert found[1].t_read1_ns - found[1].t_read0_ns < S
    assert str(broken).rstrip(".") in found[1].reasons[0]
    assert (runner.state, runner.cost.error_count) == (State.OPEN, 1)
    assert isinstance(runner.meter, LateMeter)
    assert runner.meter.close_count == 0


class HeldMeter(ScriptedMeter):
    """One whose second read lasts until it is let go."""

    def __init__(self, device: DeviceInfo) -> None:
        super().__init__(device, [10, 20])
        self.asked, self.let_go = threading.Event(), threading.Event()

    def read(self, clock: Clock) -> list[Sample]:
        samples = super().read(clock)
        if not self.reads:
            self.asked.set()
            assert self.let_go.wait(10)
        return samples


@pytest.fixture
def held(device: DeviceInfo, batcher: Batcher, manual_clock: ManualClock) -> Iterator[tuple[Runner, HeldMeter]]:
    """A runner that has read once and is in the middle of its second read."""
    meter = HeldMeter(device)
    runner = Runner("held", meter, RunnerConfig(), clock=manual_clock, batcher=batcher, interval_ms=1000)
    runner.poll()
    manual_clock.advance(S)
    polling = threading.Thread(target=runner.poll)
    polling.start()
    assert meter.asked.wait(10)
    yield runner, meter
    meter.let_go.set()
    polling.join(10)


def test_a_batch_waits_for_a_read_in_progress(held: tuple[Runner, HeldMeter], monkeypatch: pytest.MonkeyPatch, batcher: Batcher) -> None:
    """A read gives the interpreter up at each call of its driver: nobody takes it meanwhile to work on what was read before."""
    monkeypatch.setattr("joulemark.agent.runner.GIVES_WAY_S", 10.0)
    runner, meter = held
    settling = threading.Thread(target=runner.settle)
    settling.start()
    settling.join(0.1)
    assert settling.is_alive()
    meter.let_go.set()
    settling.join(10)
    assert not settling.is_alive()
    assert batcher.close()


def test_a_read_that_hangs_holds_no_batch_up(held: tuple[Runner, HeldMeter], rows: Callable[[], list[Sample]]) -> None:
    """What was read before it is settled while it hangs."""
    assert [one.values[1] for one in rows()] == [10]
    assert not held[1].let_go.is_set()
