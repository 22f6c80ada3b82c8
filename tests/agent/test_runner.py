from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.runner import Runner, State
from joulemark.agent.sampler import Lane
from joulemark.agent.spool import Spool
from joulemark.agent.thinning import samples_of
from joulemark.agent.wiring import OnOpenError, RunnerConfig
from joulemark.errors import MeterFault, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.base import Isolation
from joulemark.proto import convert
from joulemark.readings import DeviceInfo, Quality, Sample
from joulemark.timebase import Clock
from tests.conftest import ManualClock

S = 1_000_000_000
OK = "ok"


class ScriptedMeter:
    """Answers each `open` and `read` as its script says: an exception is raised, anything else is a sample."""

    kind: ClassVar[str] = "scripted"
    isolation: ClassVar[Isolation] = Isolation.SHARED

    def __init__(self, device: DeviceInfo, reads: list[Any], opens: list[Any] | None = None) -> None:
        self.device, self.reads, self.opens = device, reads, opens or []
        self.open_count = self.close_count = 0
        self.info: tuple[DeviceInfo, ...] = ()

    def open(self) -> None:
        self.open_count += 1
        if self.opens and isinstance(answer := self.opens.pop(0), Exception):
            raise answer
        self.info = (self.device,)

    def read(self, clock: Clock) -> list[Sample]:
        answer = self.reads.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            return []
        t_ns = clock.mono_ns()
        values = (300_000, answer)
        return [Sample(self.device.device_id, t_ns, t_ns, clock.utc_ns() - t_ns, values, (None, None), (Quality.OK, Quality.OK), ("", ""))]

    def close(self) -> None:
        self.close_count += 1


RunnerOf = Callable[..., Runner]


@pytest.fixture
def batcher(spool: Spool, batcher_of: Callable[..., Batcher]) -> Batcher:
    return batcher_of(spool)


@pytest.fixture
def runner_of(device: DeviceInfo, batcher: Batcher, manual_clock: ManualClock) -> RunnerOf:
    def build(reads: list[Any], opens: list[Any] | None = None, policy: OnOpenError = OnOpenError.RETRY) -> Runner:
        meter = ScriptedMeter(device, reads, opens)
        return Runner("scripted", meter, RunnerConfig(on_open_error=policy), clock=manual_clock, batcher=batcher, interval_ms=1000)

    return build


@pytest.fixture
def rows(spool: Spool, batcher: Batcher) -> Callable[[], list[Sample]]:
    """Every sample that came so far."""

    def read() -> list[Sample]:
        batcher.close()
        views = [convert.decode(stored.frozen.body) for stored in spool.claim((-1, -1), 999)]
        return [row for view in views for block in view.blocks for row in samples_of(block)]

    return read


def polled(runner: Runner, clock: ManualClock, times: int, **how: bool) -> None:
    for _ in range(times):
        runner.poll(**how)
        clock.advance(S)


@pytest.mark.parametrize("error", [MeterTransient("bus timeout"), RuntimeError("not foreseen")])
def test_error_becomes_a_gap(runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock, error: Exception) -> None:
    """A read that fails, foreseen or not, leaves a numbered gap with its reason, is counted, and the next read goes on."""
    runner = runner_of([1, error, 2])
    polled(runner, manual_clock, 3)
    got = rows()
    assert [row.seq for row in got] == [0, 1, 2]
    assert [row.qualities[0] for row in got] == [Quality.OK, Quality.GAP, Quality.OK]
    assert str(error).split(".")[0] in got[1].reasons[0]
    assert (runner.cost.read_count, runner.cost.error_count) == (3, 1)


def test_repeated_error_is_reported_once(runner_of: RunnerOf, manual_clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    """A meter that fails a hundred times in a row is one log line; after a success the next failure is a new one."""
    runner = runner_of([MeterTransient("bus timeout")] * 100 + [1] + [MeterTransient("bus timeout")])
    polled(runner, manual_clock, 102)
    assert [r.message for r in caplog.records] == ["meter scripted: bus timeout"] * 2


def test_missing_sample_is_a_gap(runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock) -> None:
    """A driver that forgets a device leaves a gap, not silence."""
    polled(runner_of([None]), manual_clock, 1)
    assert rows()[0].reasons == ("the driver gave no sample",) * 2


def test_a_device_that_is_read_seldom_leaves_no_gap(
    runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock
) -> None:
    """A poll without a sample of a device that its driver reads now and then is no gap; one that fails is."""
    runner = runner_of([1, None, MeterTransient("bus timeout"), 2])
    assert isinstance(runner.meter, ScriptedMeter)
    runner.meter.device = replace(runner.meter.device, seldom=True)
    polled(runner, manual_clock, 4)
    got = rows()
    assert [row.seq for row in got] == [0, 1, 2]
    assert [row.reasons[0] for row in got] == ["", "bus timeout", ""]


def test_gone_meter_is_opened_again(runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock) -> None:
    """A lost device is opened again with growing waits; until then each deadline is a gap that says why, and numbers go on."""
    runner = runner_of([100, MeterGone("fell off the bus"), 50], opens=[OK, MeterUnavailable("still away"), OK])
    polled(runner, manual_clock, 5)
    got = rows()
    assert [row.seq for row in got] == [0, 1, 2, 3, 4]
    assert [row.reasons[0] for row in got] == ["", "fell off the bus", "still away", "still away", ""]
    assert got[4].qualities[1] is Quality.RESET
    assert runner.meter.open_count == 3  # type: ignore[attr-defined]  # it is a ScriptedMeter


def test_what_was_read_before_a_new_description_stays_under_the_old(
    runner_of: RunnerOf, spool: Spool, batcher: Batcher, manual_clock: ManualClock
) -> None:
    """A meter that comes back as another within one batch period: two batches, each with the description of its readings."""
    runner = runner_of([100, MeterGone("fell off the bus"), 50], opens=[OK, OK])
    polled(runner, manual_clock, 2)
    assert isinstance(runner.meter, ScriptedMeter)
    known = runner.meter.device
    runner.meter.device = replace(known, meters=tuple(replace(meter, note="another") for meter in known.meters))
    polled(runner, manual_clock, 1)
    batcher.close()
    views = [convert.decode(stored.frozen.body) for stored in spool.claim((-1, -1), 999)]
    assert [[meter.note for meter in view.devices[0].meters] for view in views] == [["", ""], ["another", "another"]]
    assert [[row.seq for row in samples_of(view.blocks[0])] for view in views] == [[0, 1], [2]]


def test_device_that_is_not_found_again_leaves_gaps(
    runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock, device: DeviceInfo
) -> None:
    """Of two devices one is gone when the meter is opened again: its stream goes on as gaps that say so, the other's as values."""
    other = DeviceInfo("fake:host:1", tuple(replace(m, meter_id=m.meter_id.replace(":0:", ":1:")) for m in device.meters))
    runner = runner_of([1, MeterGone("reload"), 2])
    runner.meter.open = lambda: setattr(runner.meter, "info", found.pop(0))  # type: ignore[method-assign]  # a driver that misbehaves
    found = [(device, other), (device,)]
    polled(runner, manual_clock, 3)
    later = {row.device_id: row for row in rows() if row.seq == 2}
    assert later["fake:host:0"].values[1] == 2
    assert later["fake:host:1"].reasons == ("the driver gave no sample",) * 2


def test_hanging_call_is_told_while_it_lasts(runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock) -> None:
    """A read that has not come back for more than 5 s leaves dated gaps that say for how long; its late answer is kept too."""
    runner = runner_of([1])
    polled(runner, manual_clock, 1)

    def late(clock: Clock) -> list[Sample]:
        for _ in range(7):
            manual_clock.advance(S)
            runner.tell_hanging()
        return [Sample("fake:host:0", manual_clock.mono - 7 * S, manual_clock.mono, 0, (7, 7), (None,) * 2, (Quality.OK,) * 2, ("",) * 2)]

    runner.meter.read = late  # type: ignore[method-assign]  # a driver that misbehaves
    runner.poll()
    runner.tell_hanging()
    assert [row.reasons[0] for row in rows()] == ["", "no answer for 6 s", "no answer for 7 s", ""]
    assert [row.seq for row in rows()] == [0, 1, 2, 3]


def test_a_meter_that_was_left_tells_no_more(runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock) -> None:
    """A meter given up at the stop adds nothing to the last batch, however long its call goes on."""
    runner = runner_of([1])
    polled(runner, manual_clock, 1)

    def left(clock: Clock) -> list[Sample]:
        runner.leave()
        manual_clock.advance(60 * S)
        runner.tell_hanging()
        assert len(rows()) == 1
        return []

    runner.meter.read = left  # type: ignore[method-assign]  # a driver that misbehaves
    runner.poll()


BROKEN = [
    None,
    7,
    [None],
    ["text"],
    [Sample("fake:host:9", 0, 0, 0, (1, 1), (None,) * 2, (Quality.OK,) * 2, ("",) * 2)],
    [Sample("fake:host:0", 0, 0, 0, (1,), (None,), (Quality.OK,), ("",))],
    [Sample("fake:host:0", 0, 0, 0, (1, 1), (None,), (Quality.OK,) * 2, ("",) * 2)],
    [Sample("fake:host:0", 0, 0, 0, (1, 1), (None,) * 2, (Quality.OK,), ("",) * 2)],
    [Sample("fake:host:0", 0, 0, 0, (1, 1), (None,) * 2, (Quality.OK,) * 2, ("", ""))],
    [Sample("fake:host:0", 6 * S, 5 * S, 0, (1, 1), (None,) * 2, (Quality.OK,) * 2, ("", ""))],
    [Sample("fake:host:0", 5 * S, 5 * S, 0.5, (1, 1), (None,) * 2, (Quality.OK,) * 2, ("", ""))],  # type: ignore[arg-type]  # a driver that breaks its types is the point
    [Sample("fake:host:0", 5 * S, 5 * S, 0, (1, 1), (None,) * 2, (Quality.OK,) * 2, ("", ""))] * 2,
]


@pytest.mark.parametrize("answer", BROKEN)
def test_answer_that_breaks_the_interface_is_a_gap(
    runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock, answer: Any
) -> None:
    """No list, no samples, another device, another width, times outside of the call, a device twice: gaps, and the next read goes on."""
    runner = runner_of([])
    runner.meter.read = lambda clock: answer  # type: ignore[method-assign]  # a driver that misbehaves
    polled(runner, manual_clock, 2)
    assert [row.seq for row in rows()] == [0, 1]
    assert all(row.qualities == (Quality.GAP,) * 2 and all(row.reasons) and row.values == (None, None) for row in rows())


@pytest.mark.parametrize("state", [State.CLOSED, State.FAULTY, State.ENDED])
def test_driver_that_cannot_close_holds_nothing_up(
    runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock, state: State
) -> None:
    """A driver whose `close` raises ends, and comes back, like any other."""
    runner = runner_of([1, {State.CLOSED: MeterGone("away"), State.FAULTY: MeterFault("broken"), State.ENDED: 2}[state], 3])

    def refuse() -> None:
        raise RuntimeError("cannot close")

    runner.meter.close = refuse  # type: ignore[method-assign]  # a driver that misbehaves
    polled(runner, manual_clock, 2)
    if state is State.ENDED:
        runner.close()
    assert runner.state is state
    assert len(rows()) == 2


def test_hanging_meter_is_left_alone(runner_of: RunnerOf, manual_clock: ManualClock) -> None:
    """A meter given up at the stop is not closed: what hangs in a read would hang there too, and hold up the end."""
    runner = runner_of([1])
    polled(runner, manual_clock, 1)
    reading, hanging = threading.Event(), threading.Event()
    runner.meter.read = lambda clock: [reading.set(), hanging.wait(30)][:0]  # type: ignore[method-assign]  # a driver that misbehaves
    lane = Lane("scripted", [runner], manual_clock)
    lane.start()
    assert reading.wait(10)
    lane.ask_to_stop()
    lane.join(0.2)
    runner.close()
    hanging.set()
    assert runner.meter.close_count == 0  # type: ignore[attr-defined]  # it is a ScriptedMeter


def test_fault_is_a_gap_until_the_end(runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock) -> None:
    """A meter that cannot recover is not read again; every deadline after it is a gap with the reason."""
    runner = runner_of([1, MeterFault("bad firmware")])
    polled(runner, manual_clock, 4)
    assert [row.reasons[0] for row in rows()] == ["", "bad firmware", "bad firmware", "bad firmware"]
    assert runner.state is State.FAULTY


def test_open_policies(runner_of: RunnerOf, manual_clock: ManualClock) -> None:
    """`fail` raises at the start, `skip` never asks again, `retry` waits 1, 2, 4 s and then opens."""
    refused = MeterUnavailable("no permission")
    with pytest.raises(MeterUnavailable):
        runner_of([], [refused], OnOpenError.FAIL).start()
    skipping = runner_of([], [refused], OnOpenError.SKIP)
    polled(skipping, manual_clock, 5)
    assert skipping.state is State.ENDED
    retrying = runner_of([7] * 9, [refused] * 3)
    polled(retrying, manual_clock, 7)
    assert retrying.state is State.CLOSED
    polled(retrying, manual_clock, 1)
    assert retrying.state is State.OPEN
    assert retrying.meter.open_count == 4  # type: ignore[attr-defined]  # it is a ScriptedMeter


def test_pinned_read_is_marked(runner_of: RunnerOf, rows: Callable[[], list[Sample]], manual_clock: ManualClock) -> None:
    """A read at a phase mark is pinned and shares the numbering."""
    runner = runner_of([1, 2])
    polled(runner, manual_clock, 1)
    polled(runner, manual_clock, 1, pinned=True)
    assert [(row.seq, row.pinned) for row in rows()] == [(0, False), (1, True)]
