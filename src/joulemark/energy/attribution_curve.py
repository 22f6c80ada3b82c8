"""The course of an energy: how it grew within a phase, by the meters that lead there, so that any cuts add up to the headline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from joulemark.energy.device import DeviceEnergy
from joulemark.energy.estimate import CounterSource, PowerSource, Source, blur_s, source_of
from joulemark.energy.integrate import Coverage, enclosing
from joulemark.energy.phase import PhaseEnergy
from joulemark.energy.series import Float64, Int64, Series
from joulemark.runs import Window
from joulemark.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class Line:
    """Energy of one device. `t_s`: float64[n], since the begin of the phase; `energy_j`: float64[n], from any zero. `power_w`:
    float64[n] where it is the integral of power that is linear between them; None of a counter, which is linear itself.
    """

    t_s: Float64
    energy_j: Float64
    power_w: Float64 | None = None

    @classmethod
    def of_power(cls, t_s: Float64, power_w: Float64) -> Self:
        """The running integral of power."""
        steps = (power_w[1:] + power_w[:-1]) * np.diff(t_s) / 2.0
        return cls(t_s, np.concatenate(([0.0], np.cumsum(steps))), power_w)

    def at(self, t_s: Float64) -> Float64:
        """The energy at each time, float64[len(t_s)]."""
        if self.power_w is None:
            return np.interp(t_s, self.t_s, self.energy_j)
        left = np.clip(np.searchsorted(self.t_s, t_s, side="right") - 1, 0, len(self.t_s) - 2)
        since_s = t_s - self.t_s[left]
        slope = np.diff(self.power_w) / np.diff(self.t_s)
        return np.asarray(self.energy_j[left] + since_s * (self.power_w[left] + slope[left] * since_s / 2.0))


@dataclass(frozen=True, slots=True)
class Course:
    """The energy of a phase over time: `lines` of its devices, added up.

    `gaps_ns`: int64[m, 2], where one of them has no readings. `resolution_s`: what happens in less than that its meters do not tell apart.
    """

    window: Window
    lines: tuple[Line, ...]
    gaps_ns: Int64
    resolution_s: float

    @classmethod
    def of(cls, phase: PhaseEnergy, series: Mapping[str, Series]) -> Self:
        """The course behind the headline of `phase`, whose energy is known. `series`: by the id of the meter."""
        lines, gaps, resolutions = [], [np.zeros((0, 2), dtype=np.int64)], [0.0]
        for device in phase.devices:
            source, one, covered = leading_source(device, series)
            lines.append(line(source, phase.window))
            gaps.append(missing_ns(covered, phase.window))
            resolutions.append(max(resolution_s(source), 2.0 * (phase.window.unc_ns + one.clock_bound_ns) / NS_PER_S))
        return cls(phase.window, tuple(lines), np.concatenate(gaps), max(resolutions))

    def energy_j(self, t_ns: Int64) -> Float64:
        """Energy until each of the times, which lie in the window, float64[len(t_ns)]."""
        t_s = (t_ns - self.window.begin_ns) / NS_PER_S
        return np.asarray(sum((one.at(t_s) for one in self.lines), np.zeros(len(t_s))))

    def mean_energy_j(self, t_ns: Int64) -> Float64:
        """The same if the power had been its mean all the time."""
        begin_j, end_j = self.energy_j(np.array([self.window.begin_ns, self.window.end_ns]))
        return np.asarray((end_j - begin_j) * ((t_ns - self.window.begin_ns) / (self.window.end_ns - self.window.begin_ns)))


def leading_source(device: DeviceEnergy, series: Mapping[str, Series]) -> tuple[Source, Series, Coverage]:
    """What the headline of `device` was read from, and how far that covers the phase. Raises ValueError for a device without energy."""
    best = device.headline
    if best is None:
        raise ValueError(f"{device.device_id} has no energy")
    one = series[best.meter.meter_id]
    return source_of(one, alignment=best.alignment), one, best.coverage


def line(source: Source, window: Window) -> Line:
    """The energy of one meter around `window`."""
    if isinstance(source, CounterSource):
        rows = enclosing(source.points.t_ns, window.begin_ns, window.end_ns)
        energy_j = source.points.energy_j[rows]
        return Line((source.points.t_ns[rows] - window.begin_ns) / NS_PER_S, energy_j - energy_j[0])
    assert isinstance(source, PowerSource)
    rows = enclosing(source.series.t_ns, window.begin_ns, window.end_ns)
    return Line.of_power((source.series.t_ns[rows] - window.begin_ns) / NS_PER_S, source.power_w[rows])


def missing_ns(covered: Coverage, window: Window) -> Int64:
    """The stretches of `window` that no reading stands for, int64[m, 2]: a reading stands for half an interval on each side."""
    half_ns = round(covered.interval_s * NS_PER_S / 2.0)
    stretches = [(gap.begin_ns + half_ns, gap.end_ns - half_ns) for gap in covered.gaps]
    return np.clip(np.array(stretches, dtype=np.int64).reshape(-1, 2), window.begin_ns, window.end_ns)


def resolution_s(source: Source) -> float:
    """The longest of what blurs a meter in time: the distance of its readings, its update period and its averaging window."""
    if isinstance(source, CounterSource):
        meter, interval_s = source.series.meter, source.points.refresh_s
    else:
        assert isinstance(source, PowerSource)
        meter, interval_s = source.series.meter, source.interval_s
    return max(interval_s, meter.update_period_measured_s or meter.update_period_s or 0.0, blur_s(meter))
