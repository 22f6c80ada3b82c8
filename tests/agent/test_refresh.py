"""The measured update period: found where reads show it, claimed nowhere else, told once and then rarely."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from joulemark.agent.batcher import Batcher
from joulemark.agent.refresh import DeviceRefresh, RefreshWatch
from joulemark.agent.runner import Runner
from joulemark.agent.spool import Spool
from joulemark.agent.wiring import RunnerConfig
from joulemark.proto import convert
from joulemark.readings import Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample, TimestampSource
from tests.agent.test_runner import ScriptedMeter
from tests.conftest import ManualClock

S = 1_000_000_000
POWER = MeterInfo("x:h:0:power", "x", Quantity.POWER, 0, Boundary.OUTLET, update_period_s=1.0)
COUNTER = replace(POWER, meter_id="x:h:0:energy", quantity=Quantity.ENERGY_COUNTER)

STAMPED = replace(POWER, timestamp_source=TimestampSource.DEVICE)


def noisy(n: int) -> int:
    """A power that is never twice the same for long."""
    return 1000 + n * 7919 % 613


def polled(meter: MeterInfo, *, refresh_s: float, poll_s: float, polls: int = 200, value: Callable[[int], int] = noisy) -> float | None:
    """The period found by reading `polls` times a value that is renewed every `refresh_s`, with its stamp if it is dated by the device."""
    watch = RefreshWatch(meter)
    for poll in range(polls):
        t_s = poll * poll_s + 0.013
        renewal = math.floor(t_s / refresh_s)
        watch.see(round(t_s * S), value(renewal), round(renewal * refresh_s * S))
    return watch.period_s


@pytest.mark.parametrize(("refresh_s", "poll_s"), [(1.0, 0.1), (2.5, 1.0), (3.0, 1.0), (1.3, 1.0), (0.1, 0.05), (20.0, 1.0)])
@pytest.mark.parametrize(
    "meter", [POWER, COUNTER, replace(POWER, timestamp_source=TimestampSource.DEVICE)], ids=["power", "counter", "stamped"]
)
def test_a_period_longer_than_the_reads_is_found(meter: MeterInfo, refresh_s: float, poll_s: float) -> None:
    """A sensor that is renewed less often than it is read shows its period within a tenth, whoever dates it."""
    value = noisy if meter.quantity is Quantity.POWER else lambda n: n * 500
    found = polled(meter, refresh_s=refresh_s, poll_s=poll_s, polls=400, value=value)
    assert found == pytest.approx(refresh_s, rel=0.1)


@pytest.mark.parametrize("refresh_s", [0.02, 0.1, 1.0])
def test_a_period_shorter_than_the_reads_is_not_claimed(refresh_s: float) -> None:
    """Where every read brings news nothing is known of the period."""
    assert polled(POWER, refresh_s=refresh_s, poll_s=1.0) is None


def test_a_load_that_stands_still_makes_no_period() -> None:
    """A power that is renewed at each read, but is the same for a third of them, was not renewed once a read."""
    assert polled(POWER, refresh_s=0.1, poll_s=1.0, value=lambda n: noisy(n) if n % 600 < 400 else 500) is None


def test_few_renewals_are_no_figure() -> None:
    """Seven intervals are not enough, eight are."""
    assert polled(POWER, refresh_s=3.0, poll_s=1.0, polls=3 * 9) is None
    assert polled(POWER, refresh_s=3.0, poll_s=1.0, polls=3 * 10) == pytest.approx(3.0)


def test_a_load_of_two_levels_is_no_sensor() -> None:
    """A load that jumps between two powers every 5 s says nothing of how often the sensor is renewed."""
    assert polled(POWER, refresh_s=5.0, poll_s=1.0, value=lambda n: 300 + n % 2 * 100) is None


def test_steps_of_a_coarse_counter_are_no_renewals() -> None:
    """A register of 0.1 kWh that moves by one step each 72 s may be renewed every second."""
    coarse = replace(COUNTER, exponent=2, step=3600)
    assert polled(coarse, refresh_s=72.0, poll_s=1.0, polls=2000, value=lambda n: n * 3600) is None
    assert polled(coarse, refresh_s=72.0, poll_s=1.0, polls=2000, value=lambda n: n * 7200) == pytest.approx(72.0, rel=0.01)


def test_a_value_that_is_renewed_without_changing_does_not_stretch_the_period() -> None:
    """A third of the renewals brings the same power again: the period is that of the others."""
    assert polled(POWER, refresh_s=3.0, poll_s=1.0, polls=600, value=lambda n: noisy(n - n % 3 // 2)) == pytest.approx(3.0, rel=0.1)


def test_what_a_witness_shows_claims_no_period() -> None:
    """A temperature that stays the same for ten reads was read anew each time: nothing is known of its sensor's period."""
    for quantity, known in ((Quantity.TEMPERATURE, False), (Quantity.POWER, True)):
        refresh = DeviceRefresh(DeviceInfo("x:h:0", (replace(POWER, quantity=quantity),)))
        assert any(refresh.see(sample(second, (noisy(second // 10),))) for second in range(600)) is known


def test_a_failed_read_makes_no_interval() -> None:
    """What lies between the readings around a gap is not taken for a period."""
    watch = RefreshWatch(POWER)
    for second in range(400):
        if second % 40 == 39:
            watch.lost()
        else:
            watch.see(second * S, noisy(second // 4), None)
    assert watch.period_s == pytest.approx(4.0)


def sample(second: float, values: Sequence[int | None], quality: Quality = Quality.OK) -> Sample:
    t_ns, n = round(second * S), len(values)
    return Sample("x:h:0", t_ns, t_ns, 0, tuple(values), (None,) * n, (quality,) * n, ("",) * n)


def test_a_description_is_told_once_and_again_when_it_changed() -> None:
    """The period is told with the first look after it is known, not again while it stays, and after ten minutes when it has doubled."""
    refresh = DeviceRefresh(DeviceInfo("x:h:0", (POWER, COUNTER)))
    told = []
    for second in range(2400):
        n = second // 3 if second < 1200 else second // 9
        found = refresh.see(sample(second, (noisy(n), n * 500 + (second >= 1200) * 500_000)))
        if found is not None:
            told.append((second, found.meters[0].update_period_measured_s))
    assert [t for t, _ in told] == [30, pytest.approx(1500, abs=300)]
    assert [period_s for _, period_s in told] == [pytest.approx(3.0), pytest.approx(9.0, rel=0.2)]
    assert refresh.given.meters == (POWER, COUNTER)


def test_what_is_no_number_is_passed_over() -> None:
    """Gaps and stale readings of a device describe nothing."""
    refresh = DeviceRefresh(DeviceInfo("x:h:0", (POWER,)))
    assert [refresh.see(sample(t, (noisy(t // 3),), Quality.STALE)) for t in range(100)] == [None] * 100
    assert [refresh.see(sample(t, (None,), Quality.GAP)) for t in range(100, 200)] == [None] * 100


@pytest.fixture
def views(
    device: DeviceInfo, spool: Spool, batcher_of: Callable[..., Batcher], manual_clock: ManualClock
) -> Callable[[], tuple[Runner, list[Any]]]:
    """A runner after 60 reads a second apart of a counter that moves every third one, and all that it spooled."""

    def read() -> tuple[Runner, list[Any]]:
        batcher = batcher_of(spool)
        meter = ScriptedMeter(device, [second // 3 * 1000 for second in range(60)])
        runner = Runner("scripted", meter, RunnerConfig(), clock=manual_clock, batcher=batcher, interval_ms=1000)
        for _ in range(60):
            runner.poll()
            manual_clock.advance(S)
        batcher.close()
        return runner, [convert.decode(stored.frozen.body) for stored in spool.claim((-1, -1), 99)]

    return read


def test_a_measured_period_travels_after_the_rows_it_came_from(views: Callable[[], tuple[Runner, list[Any]]]) -> None:
    """The rows before the period was known lie in a batch with the old description, those behind it in one with the new."""
    _, batches = views()
    assert len(batches) == 2
    periods = [
        [m.update_period_measured_s for d in batch.devices for m in d.meters if m.quantity is Quantity.ENERGY_COUNTER] for batch in batches
    ]
    assert periods == [[None], [pytest.approx(3.0)]]
    assert sum(block.row_count for batch in batches for block in batch.blocks) == 60


def test_a_meter_that_returns_keeps_what_was_measured(views: Callable[[], tuple[Runner, list[Any]]]) -> None:
    """After it was opened again, with the same description by its driver, the measured period still stands."""
    runner, _ = views()
    runner._opened()
    (device,) = runner._devices
    assert [m.update_period_measured_s for m in device.meters] == [None, pytest.approx(3.0)]
