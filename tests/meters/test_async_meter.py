from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress

import pytest

from joulemark.errors import MeterFault, MeterTransient, MeterUnavailable
from joulemark.meters.async_meter import LOOP, AsyncMeter
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample
from joulemark.timebase import Clock, SystemClock, utc_minus_mono_ns
from tests.waiting import eventually

DEADLINE_S = 0.2
DEVICE = DeviceInfo("echo:node1:1", (MeterInfo("echo:node1:1:power", "echo", Quantity.POWER, 0, Boundary.OUTLET),))


class Echo(AsyncMeter):
    """A meter that waits `wait_s` in its device, and has a task of its own between reads."""

    kind = "echo"

    def __init__(self, deadline_s: float = 30.0) -> None:
        super().__init__(deadline_s=deadline_s)
        self.wait_s = 0.0
        self.connect_wait_s = 0.0
        self.goodbye_s = 0.0
        self.ticks = 0
        self.cancelled = 0
        self.left = 0
        self._task: asyncio.Task[None] | None = None

    async def connect(self) -> tuple[DeviceInfo, ...]:
        self._task = asyncio.create_task(self._tick())
        await asyncio.sleep(self.connect_wait_s)
        return (DEVICE,)

    async def poll(self, clock: Clock) -> list[Sample]:
        t_read0_ns = clock.mono_ns()
        try:
            await asyncio.sleep(self.wait_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        shift_ns = utc_minus_mono_ns(clock)
        return [Sample(DEVICE.device_id, t_read0_ns, clock.mono_ns(), shift_ns, (7,), (None,), (Quality.OK,), ("",))]

    async def disconnect(self) -> None:
        self.left += 1
        await asyncio.sleep(self.goodbye_s)
        if self._task is not None:
            self._task.cancel()

    async def _tick(self) -> None:
        while True:
            self.ticks += 1
            await asyncio.sleep(0.01)


def loop_threads() -> int:
    return sum(thread.name == "meters-asyncio" for thread in threading.enumerate())


def test_many_meters_share_one_thread_that_ends_with_the_last() -> None:
    """However many meters are open there is one loop, and none when they are closed."""
    meters = [Echo() for _ in range(5)]
    for meter in meters:
        meter.open()
    assert loop_threads() == 1
    assert [meter.read(SystemClock())[0].values for meter in meters] == [(7,)] * 5
    for meter in meters[1:]:
        meter.close()
    assert meters[0].read(SystemClock())
    meters[0].close()
    assert loop_threads() == 0


def test_a_read_ends_at_its_deadline_and_is_cancelled_in_the_device() -> None:
    """A device that does not answer costs the deadline, leaves no coroutine behind, and the next read works."""
    meter = Echo(DEADLINE_S)
    meter.open()
    try:
        meter.wait_s = 30.0
        begin_s = time.monotonic()
        with pytest.raises(MeterTransient, match=r"no answer within 0\.2 s"):
            meter.read(SystemClock())
        assert DEADLINE_S <= time.monotonic() - begin_s < DEADLINE_S + 5.0
        assert meter.cancelled == 1
        meter.wait_s = 0.0
        eventually(lambda: answers(meter), "the next read works")
    finally:
        meter.close()


def answers(meter: Echo) -> bool:
    with suppress(MeterTransient):
        return meter.read(SystemClock())[0].values == (7,)
    return False


def test_a_slow_meter_does_not_hold_up_another() -> None:
    """While one meter waits for its device, another answers at once."""
    slow, quick = Echo(), Echo()
    slow.open()
    quick.open()
    try:
        slow.wait_s = 1.5
        thread = threading.Thread(target=slow.read, args=(SystemClock(),))
        thread.start()
        quick.read(SystemClock())
        assert thread.is_alive()
        thread.join()
    finally:
        slow.close()
        quick.close()


def test_work_between_reads_goes_on_and_ends_with_the_meter() -> None:
    """A task that `connect` starts runs while nobody reads, and not after `close`."""
    meter = Echo()
    meter.open()
    eventually(lambda: meter.ticks > 2, "the task runs")
    meter.close()
    ended = meter.ticks
    time.sleep(0.05)
    assert meter.ticks == ended


def test_a_device_that_never_answers_cannot_be_opened() -> None:
    """`open` gives up at twice the deadline with the mending step, lets go of what it took, and may be tried again."""
    meter = Echo(DEADLINE_S)
    meter.connect_wait_s = 60.0
    with pytest.raises(MeterUnavailable, match=r"no answer within 0\.4 s") as raised:
        meter.open()
    assert raised.value.next_step
    assert (meter.info, meter.left, loop_threads()) == ((), 1, 0)
    meter.connect_wait_s = 0.0
    eventually(lambda: reopened(meter), "it may be tried again")
    assert meter.info == (DEVICE,)
    meter.close()


def reopened(meter: Echo) -> bool:
    with suppress(MeterUnavailable):
        meter.open()
    return bool(meter.info)


def test_a_device_that_takes_no_goodbye_is_left() -> None:
    """`close` ends within its time, and the loop with it, whatever the device does."""
    meter = Echo()
    meter.open()
    meter.goodbye_s = 60.0
    begin_s = time.monotonic()
    meter.close()
    assert time.monotonic() - begin_s < 20.0
    assert loop_threads() == 0


def test_a_closed_meter_is_not_read() -> None:
    """A read before `open` or after `close` is a fault of the caller, told as one."""
    meter = Echo()
    with pytest.raises(MeterFault, match="before open"):
        meter.read(SystemClock())


def test_the_loop_refuses_work_that_nobody_entered_for() -> None:
    """Work given to a loop that does not run is refused, and no coroutine is left unawaited."""
    with pytest.raises(MeterFault):
        LOOP.run(asyncio.sleep(0), within_s=0.1)


def test_what_a_library_lets_fall_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in a callback of the loop is a line of the agent's log, no traceback on its standard error."""
    meter = Echo()
    meter.open()

    async def fall() -> None:
        asyncio.get_running_loop().call_soon(lambda: [][1])
        await asyncio.sleep(0.01)

    LOOP.run(fall(), within_s=30.0)
    meter.close()
    assert ["IndexError" in record.getMessage() and record.exc_info is None for record in caplog.records] == [True]


def test_a_flood_of_bad_packets_is_one_line_without_what_is_in_them(caplog: pytest.LogCaptureFixture) -> None:
    """What a library cannot read is told once for each kind of failure, and no word of the packet stands in the log."""
    meter = Echo()
    meter.open()
    context = {"message": "Exception in callback received(b'public')", "exception": ValueError("a\nb" + "x" * 10_000)}
    for _ in range(1000):
        assert LOOP._loop is not None
        LOOP._loop.call_soon_threadsafe(LOOP._loop.call_exception_handler, context)
    meter.read(SystemClock())
    meter.close()
    [line] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "public" not in line
    assert line.isprintable()
    assert len(line) < 300
