"""A square wave of known energy and the meters that look at it, seeded; a wall meter; windows in seconds."""

from __future__ import annotations

from typing import Any

import numpy as np

from joulemark.certificate import Certificate
from joulemark.energy.series import Float64, Int64, Series
from joulemark.readings import Accuracy, Averaging, Boundary, MeterInfo, Quality, Quantity, TimestampSource
from joulemark.runs import PhaseKind, Window

T0_NS = 1_700_000_000_000_000_000
S = 1_000_000_000
WALL = MeterInfo(
    "ptd:host:wt310:1",
    "ptd",
    Quantity.POWER,
    -1,
    Boundary.WALL_ANALYZER,
    averaging_window_s=1.0,
    update_period_s=1.0,
    accuracy=Accuracy(pct_reading=0.2, pct_range=0.05, range_w=10_000.0, source="manual"),
    certificate=Certificate("1", "2026-01-01", "lab", 0.001),
)


class SquareWave:
    """Power that changes between `low_w` and `high_w` every `half_s`, shifted by `phase_s`; its integral is exact."""

    def __init__(self, half_s: float, *, low_w: float, high_w: float, phase_s: float = 0.0) -> None:
        self.half_s, self.low_w, self.high_w, self.phase_s = half_s, low_w, high_w, phase_s

    def power_w(self, t_s: Float64) -> Float64:
        return np.where(np.floor((t_s + self.phase_s) / self.half_s) % 2 == 0, self.low_w, self.high_w)

    def energy_j(self, t_s: Float64) -> Float64:
        x = (np.asarray(t_s) + self.phase_s) / self.half_s
        whole = np.floor(x)
        high_halves = np.floor(whole / 2) + np.where(whole % 2 == 1, x - whole, 0.0)
        return (self.low_w * x + (self.high_w - self.low_w) * high_halves) * self.half_s


def meter(channel: str, quantity: Quantity, *, gpu: int = 0, **extra: object) -> MeterInfo:
    """A GPU channel in mW or mJ."""
    stated: dict[str, object] = {"boundary": Boundary.GPU, "exponent": -3, "timestamp_source": TimestampSource.DEVICE, **extra}
    return MeterInfo(meter_id=f"nvml:host:gpu{gpu}:{channel}", kind="nvml", quantity=quantity, **stated)  # type: ignore[arg-type]  # fields of each kind


def polls_ns(rng: np.random.Generator, end_s: float, *, rate_hz: float, pinned_s: tuple[float, ...] = ()) -> Int64:
    """Times of jittered polls from 0 to `end_s`, with pinned ones among them, in ns from 0."""
    t = np.arange(0.0, end_s, 1.0 / rate_hz)
    t = t + rng.uniform(0.0, 0.004, len(t))
    return np.unique(np.round(np.concatenate((t, pinned_s)) * 1e9).astype(np.int64))


def device(wave: SquareWave, t_ns: Int64, *, gpu: int = 0, step_ns: int = 100_000_000, sample_stamps: bool = True) -> list[Series]:
    """Counter, refreshed every `step_ns`, and instant power of one GPU, as polled at `t_ns`."""
    refreshed = t_ns // step_ns * step_ns
    count = np.floor(wave.energy_j(refreshed / 1e9) * 1000).astype(np.int64) + 123_456_789 * (gpu + 1)
    power = np.round(wave.power_w(t_ns / 1e9) * 1000).astype(np.int64)
    stamp = refreshed if sample_stamps else t_ns
    n = len(t_ns)
    ok, zero = np.full(n, Quality.OK, dtype=np.uint8), np.zeros(n, dtype=np.int64)
    counter = meter("energy", Quantity.ENERGY_COUNTER, gpu=gpu, rated_w=700.0)
    instant = meter("instant", Quantity.POWER, gpu=gpu, averaging=Averaging.INSTANT)
    return [
        Series(counter, T0_NS + stamp, count, ok, zero, device_stamps=True),
        Series(instant, T0_NS + t_ns, power, ok, zero, device_stamps=True),
    ]


def window(begin_s: float, end_s: float, **changes: Any) -> Window:
    """A measured phase from `begin_s` until `end_s` after `T0_NS`."""
    return Window("decode", PhaseKind.MEASURED, T0_NS + round(begin_s * S), T0_NS + round(end_s * S), **changes)


def wall(power_w: list[float] | np.ndarray, info: MeterInfo = WALL) -> Series:
    """Power read each second from `T0_NS` on, in steps of 0.1 W."""
    value = np.round(np.asarray(power_w) * 10).astype(np.int64)
    return Series.plain(info, T0_NS + np.arange(len(value), dtype=np.int64) * S, value)


def gpu(index: int = 0, *, high_w: float = 650.0) -> list[Series]:
    """Counter and power of one GPU under a square wave for 12 s."""
    wave = SquareWave(0.73, low_w=100.0, high_w=high_w)
    return device(wave, polls_ns(np.random.default_rng(index), 12.0, rate_hz=20.0), gpu=index)
