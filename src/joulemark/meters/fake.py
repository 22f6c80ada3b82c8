"""A synthetic meter: a known wave of power, its energy counter, and faults on demand. For trials, tests and demonstrations.

Every value is a pure function of one clock and the configuration, and `energy_j` is the exact integral, so whoever reads the
meter can be checked against the truth. It always says `simulated`.
"""

from __future__ import annotations

import enum
import math
import time
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from joulemark.config import at_least
from joulemark.errors import ConfigError, MeterFault, MeterGone
from joulemark.meters.base import Driver, Isolation
from joulemark.meters.fake_fault import Fault, begun, struck
from joulemark.readings import Averaging, Boundary, DeviceInfo, MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.timebase import Clock, utc_minus_mono_ns
from joulemark.units import NS_PER_S, scaled

EXPONENT: Final = -3


class Waveform(enum.StrEnum):
    """Shape of the power over time; each has the same mean over a period."""

    CONSTANT = "constant"
    SQUARE = "square"
    SINE = "sine"


class Axis(enum.StrEnum):
    """The clock that the wave follows."""

    UTC = "utc"
    MONOTONIC = "monotonic"


@dataclass(frozen=True, slots=True)
class FakeConfig:
    """`[[meter]] kind = "fake"`: a wave of `mean_w` +- `amplitude_w`, and its faults."""

    waveform: Waveform = Waveform.SQUARE
    """Shape of the wave: constant, square or sine."""
    mean_w: float = 300.0
    """Mean power in watts."""
    amplitude_w: float = 100.0
    """Departure from the mean in watts: a square wave is low for half a period, then high."""
    period_s: float = 2.0
    """Period of the wave in seconds."""
    phase_s: float = 0.0
    """Seconds by which the wave is ahead."""
    axis: Axis = Axis.UTC
    """Clock that the wave follows: utc, or monotonic, so that a step of the host's clock changes no power and no energy."""
    counter_step_s: float = 0.1
    """Seconds between refreshes of the energy counter; 0 for none."""
    devices: int = 1
    """Number of equal devices."""
    boundary: Boundary = Boundary.GPU
    """Where the meter pretends to sit."""
    gap_every: int = 0
    """Every so-many-th read is a gap; 0 for never."""
    hang_ms: int = 0
    """Milliseconds that each read takes."""
    gone_after: int = 0
    """The device leaves after so many reads; 0 for never."""
    device_time: bool = True
    """Whether the device dates its values; else the read does."""
    counter_range_j: float = 0.0
    """Energy in joules at which the counter wraps to 0; 0 for never."""
    fault: Fault = Fault.NONE
    """What goes wrong: frozen, stuck, zero, negative, sentinel, over_range, squelched, reset, noise, leap, garbage, error, faulty, gone or
    hang."""
    fault_after: int = 0
    """Reads before the fault begins."""
    fault_for: int = 0
    """Reads, or attempts to open a device that is gone, until the fault is over; 0 for ever."""

    def __post_init__(self) -> None:
        at_least("fake.period_s", self.period_s, 1e-6)
        at_least("fake.devices", self.devices, 1)
        for key in ("amplitude_w", "counter_step_s", "gap_every", "hang_ms", "gone_after", "counter_range_j", "fault_after", "fault_for"):
            at_least(f"fake.{key}", getattr(self, key), 0)
        if self.amplitude_w > self.mean_w:
            raise ConfigError(f"fake.amplitude_w = {self.amplitude_w} is above mean_w = {self.mean_w}", "power would be negative; lower it")

    @property
    def period_ns(self) -> int:
        return round(self.period_s * NS_PER_S)


def _place(wave: FakeConfig, t_ns: int) -> tuple[int, int]:
    """Whole periods before `t_ns`, and nanoseconds into the running one."""
    return divmod(t_ns + round(wave.phase_s * NS_PER_S), wave.period_ns)


def power_w(wave: FakeConfig, t_ns: int) -> float:
    """Power of the wave at `t_ns` on its axis."""
    into_ns = _place(wave, t_ns)[1]
    if wave.waveform is Waveform.CONSTANT:
        return wave.mean_w
    if wave.waveform is Waveform.SINE:
        return wave.mean_w + wave.amplitude_w * math.sin(math.tau * into_ns / wave.period_ns)
    return wave.mean_w + (wave.amplitude_w if 2 * into_ns >= wave.period_ns else -wave.amplitude_w)


def energy_j(wave: FakeConfig, t0_ns: int, t1_ns: int) -> float:
    """Exact energy of the wave between two times on its axis, in closed form."""
    swing_j = _swing_j(wave, _place(wave, t1_ns)[1]) - _swing_j(wave, _place(wave, t0_ns)[1])
    return wave.mean_w * (t1_ns - t0_ns) / NS_PER_S + swing_j


def _swing_j(wave: FakeConfig, into_ns: int) -> float:
    """Integral of the departure from the mean since the period began; over a whole period it is 0."""
    if wave.waveform is Waveform.CONSTANT:
        return 0.0
    if wave.waveform is Waveform.SINE:
        return wave.amplitude_w * wave.period_s / math.tau * (1.0 - math.cos(math.tau * into_ns / wave.period_ns))
    return -wave.amplitude_w * min(into_ns, wave.period_ns - into_ns) / NS_PER_S


class FakeMeter:
    """Devices that draw the wave of their configuration, until a fault strikes them all."""

    kind: ClassVar[str] = "fake"
    isolation: ClassVar[Isolation] = Isolation.THREAD

    def __init__(self, wave: FakeConfig, *, host: str) -> None:
        self._wave = wave
        self._host = host
        self._info: tuple[DeviceInfo, ...] = ()
        self._reads = 0
        self._healthy: dict[str, Sample] = {}
        self._zero: dict[str, int] = {}

    @property
    def info(self) -> tuple[DeviceInfo, ...]:
        return self._info

    @property
    def _fault(self) -> Fault:
        """What is wrong with the present read."""
        wave, number = self._wave, self._reads - self._wave.fault_after
        return wave.fault if number > 0 and (number <= wave.fault_for or not wave.fault_for) else Fault.NONE

    def open(self) -> None:
        if self._info:
            return
        if self._fault is Fault.GONE:
            self._reads += 1
            begun(self._fault)
        self._info = tuple(describe(self._wave, f"fake:{self._host}:{number}") for number in range(self._wave.devices))

    def read(self, clock: Clock) -> list[Sample]:
        if not self._info:
            raise MeterFault("fake is read before open()", "open it first")
        wave = self._wave
        self._reads += 1
        begun(self._fault)
        if wave.gone_after and self._reads > wave.gone_after:
            raise MeterGone(f"the fake device left after {wave.gone_after} reads", "set gone_after = 0 to keep it")
        offset_ns = utc_minus_mono_ns(clock)
        time.sleep(wave.hang_ms / 1000)
        return [self._sample(device, clock, offset_ns) for device in self._info]

    def close(self) -> None:
        self._info = ()

    def _sample(self, device: DeviceInfo, clock: Clock, offset_ns: int) -> Sample:
        t_ns = clock.mono_ns()
        if self._wave.gap_every and self._reads % self._wave.gap_every == 0:
            return Sample.gap(device, t_ns, clock.mono_ns(), offset_ns, f"gap on demand, read {self._reads}")
        to_utc_ns = offset_ns if self._wave.axis is Axis.MONOTONIC else 0
        now_ns = t_ns + offset_ns - to_utc_ns
        step_ns = round(self._wave.counter_step_s * NS_PER_S)
        refreshed_ns = now_ns - now_ns % step_ns if step_ns else now_ns
        power = scaled(power_w(self._wave, now_ns), EXPONENT)
        counter = scaled(energy_j(self._wave, 0, refreshed_ns), EXPONENT)
        if self._fault is Fault.RESET:
            self._zero.setdefault(device.device_id, counter)
        counter -= self._zero.get(device.device_id, 0)
        if self._wave.counter_range_j:
            counter %= scaled(self._wave.counter_range_j, EXPONENT)
        stamps = (now_ns + to_utc_ns, refreshed_ns + to_utc_ns) if self._wave.device_time else (None, None)
        sample = Sample(device.device_id, t_ns, clock.mono_ns(), offset_ns, (power, counter), stamps, (Quality.OK,) * 2, ("",) * 2)
        if self._fault is Fault.NONE:
            self._healthy[device.device_id] = sample
            return sample
        return struck(sample, self._fault, self._healthy.get(device.device_id, sample), number=self._reads)


def describe(wave: FakeConfig, device_id: str) -> DeviceInfo:
    """A device with instant power and an energy counter that began at 0 on the axis of the wave."""
    common: dict[str, Any] = {
        "kind": "fake",
        "exponent": EXPONENT,
        "boundary": wave.boundary,
        "model": f"{wave.waveform} wave",
        "timestamp_source": TimestampSource.DEVICE if wave.device_time else TimestampSource.READ_BRACKET,
        "covers": (device_id,),
        "rated_w": 2 * (wave.mean_w + wave.amplitude_w),
        "simulated": True,
    }
    power = MeterInfo(meter_id=f"{device_id}:power", quantity=Quantity.POWER, averaging=Averaging.INSTANT, averaging_window_s=0.0, **common)
    counter = MeterInfo(
        meter_id=f"{device_id}:energy",
        quantity=Quantity.ENERGY_COUNTER,
        update_period_s=wave.counter_step_s or None,
        modulus=scaled(wave.counter_range_j, EXPONENT) or None,
        **common,
    )
    return DeviceInfo(device_id, (power, counter))


DRIVER: Final = Driver("fake", FakeConfig, lambda config, host: FakeMeter(config, host=host))
"""Never discovered: a wave is measured only where somebody asks for it."""
