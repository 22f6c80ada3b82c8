from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterGone
from joulemark.meters.base import Meter
from joulemark.meters.fake import DRIVER, FakeConfig, Waveform, energy_j, power_w
from joulemark.readings import Quality
from joulemark.timebase import SystemClock
from tests.conftest import ManualClock

NS = 1_000_000_000
T0 = 1_790_000_000 * NS


def opened(**options: Any) -> Meter:
    meter = DRIVER.build(MeterTable("fake", options), host="node1")
    meter.open()
    return meter


@pytest.mark.parametrize("waveform", list(Waveform))
@pytest.mark.parametrize(("offset_ns", "length_ns"), [(0, 2 * NS), (123_456_789, 3_700_000_001), (-900_000_000, 350_000_000)])
def test_energy_is_the_integral_of_power(waveform: Waveform, offset_ns: int, length_ns: int) -> None:
    """The closed form equals a fine midpoint sum of the power, for every shape and for windows that cut periods."""
    wave = FakeConfig(waveform=waveform, period_s=1.7, phase_s=0.3)
    n = 20_000
    edges = [T0 + offset_ns + length_ns * i // n for i in range(n + 1)]
    summed_j = sum(power_w(wave, (a + b) // 2) * (b - a) for a, b in pairwise(edges)) / NS
    assert energy_j(wave, edges[0], edges[-1]) == pytest.approx(summed_j, rel=1e-4)


def test_whole_periods_have_the_mean_power() -> None:
    """Over whole periods the energy is exactly mean power times time."""
    for waveform in Waveform:
        assert energy_j(FakeConfig(waveform=waveform), T0 + 17, T0 + 17 + 10 * NS) == pytest.approx(3000.0, abs=1e-9)


def test_counter_is_the_integral_at_its_refresh(manual_clock: ManualClock) -> None:
    """The counter is dated at its last refresh and grew by the exact energy between two of them."""
    meter = opened(waveform="sine", counter_step_s=0.1)
    [first] = meter.read(manual_clock)
    manual_clock.advance(1_234_567_891)
    [second] = meter.read(manual_clock)
    (t0, t1), (v0, v1) = (first.t_device_ns[1], second.t_device_ns[1]), (first.values[1], second.values[1])
    assert t1 == manual_clock.utc - manual_clock.utc % 100_000_000
    assert (v1 - v0) / 1000 == pytest.approx(energy_j(FakeConfig(waveform=Waveform.SINE), t0, t1), abs=0.001)


def test_same_moment_same_values(manual_clock: ManualClock) -> None:
    """Two meters of one configuration answer the same at the same moment."""
    assert opened().read(manual_clock) == opened().read(manual_clock)


def test_a_step_of_the_clock_moves_no_energy_on_the_monotonic_axis(manual_clock: ManualClock) -> None:
    """A wave that follows monotonic time grows by its exact energy across a step of UTC; only the stamps show the step."""
    meter = opened(axis="monotonic", waveform="constant", mean_w=300.0, amplitude_w=0.0)
    [first] = meter.read(manual_clock)
    manual_clock.advance(2 * NS)
    manual_clock.utc -= 5 * NS
    [second] = meter.read(manual_clock)
    assert second.values[1] - first.values[1] == 600_000
    assert second.t_device_ns[1] - first.t_device_ns[1] == -3 * NS


def test_gap_on_demand() -> None:
    """With gap_every = 3 every third read is a gap with a reason."""
    meter = opened(gap_every=3)
    qualities = [meter.read(SystemClock())[0].qualities[0] for _ in range(6)]
    assert [quality is Quality.GAP for quality in qualities] == [False, False, True] * 2


def test_gone_on_demand() -> None:
    """With gone_after = 2 the third read ends the stream."""
    meter = opened(gone_after=2)
    meter.read(SystemClock())
    meter.read(SystemClock())
    with pytest.raises(MeterGone):
        meter.read(SystemClock())


def test_hang_on_demand() -> None:
    """With hang_ms the read takes that long."""
    clock = SystemClock()
    meter = opened(hang_ms=30)
    begin = clock.mono_ns()
    meter.read(clock)
    assert clock.mono_ns() - begin >= 30_000_000


def test_devices_and_honesty() -> None:
    """As many devices as asked for, each of them marked as simulated."""
    meter = opened(devices=3)
    assert len(meter.read(SystemClock())) == 3
    assert all(info.simulated for device in meter.info for info in device.meters)


@pytest.mark.parametrize("options", [{"amplitude_w": 400.0}, {"period_s": 0}, {"waveform": "triangle"}, {"gap_every": -1}, {"wattage": 3}])
def test_impossible_waves_are_refused(options: dict[str, Any]) -> None:
    """Negative power, no period, an unknown shape or key are configuration errors."""
    with pytest.raises(ConfigError):
        DRIVER.build(MeterTable("fake", options), host="node1")


def test_power_stays_within_its_amplitude() -> None:
    """A sine never leaves mean +- amplitude and reaches both within a period."""
    wave = FakeConfig(waveform=Waveform.SINE)
    seen = [power_w(wave, T0 + i * NS // 100) for i in range(200)]
    assert math.isclose(min(seen), 200.0, abs_tol=1e-6)
    assert math.isclose(max(seen), 400.0, abs_tol=1e-6)
