"""One energy of one device over one window, from one meter, with the uncertainty that this way of measuring brings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import numpy as np

from joulemark.energy.alignment import Applied
from joulemark.energy.counters import CounterEnergy, Dating, Refreshes, counter_energy, refreshes, shortest_window_s
from joulemark.energy.integrate import Coverage, coverage, enclosing, reading_interval_s, samples_inside, trapezoid_j
from joulemark.energy.local import PowerTrace, level
from joulemark.energy.series import Float64, Int64, Series
from joulemark.energy.uncertainty import SQRT3, Component, u_ctr, u_edge, u_gap, u_q, u_samp
from joulemark.errors import InsufficientData
from joulemark.readings import Averaging, MeterInfo, Quantity
from joulemark.runs import Window
from joulemark.units import NS_PER_S

GAP_SURROUNDINGS_S: Final = 10.0
"""Power is looked at this far around a gap, or as far as the gap is long, to see how much it moves."""

EXPONENTIAL_BLUR: Final = 3.0
"""An exponential average whose times are moved by its time constant T puts 2 T / e of two steps at the marks outside of them; a plain
average of the window W moved by W / 2 puts W / 4 there. So it blurs like a plain one of 8 / e = 2.94 time constants."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Energy of a window in J by one method from one meter.

    `components`: sampling, counter, edge, gap and resolution. `bracket_s`: distance of the readings around the edges, the
    larger one. `t_unc_s`: typical half-width of a reading's time, as far as no component holds it yet. `fine`: it integrates, and
    what its steps hide is a small share of the energy. `alignment`: what made the figures those of the reference.
    """

    meter: MeterInfo
    method: str
    energy_j: float
    sample_count: int
    coverage: Coverage
    components: tuple[Component, ...]
    bracket_s: float
    t_unc_s: float
    fine: bool = False
    alignment: Applied | None = None

    @property
    def u_j(self) -> float:
        """What the method itself is uncertain by: the figure by which the headline is chosen."""
        return math.hypot(*(c.u_j or 0.0 for c in self.components))


class Source(Protocol):
    """A meter that can tell the energy of a window."""

    @property
    def trace(self) -> PowerTrace | None:
        """Its power over time, for looking around the edges; None where that is too blurred to be of use."""

    def estimate(self, window: Window, traces: Sequence[PowerTrace]) -> Estimate:
        """The energy of `window`. Raises InsufficientData. `traces`: all that is known of the device's power."""


@dataclass(frozen=True)
class PowerSource:
    """Power readings of one meter. `series` holds only what may be integrated, `invalid_t_ns` the times of what may not.

    A power of 0 W or less is no reading but a failed one: a gap (SMP-11). `interval_s`: median spacing of all reads, the failed
    ones too, so that a meter that fails at every second read does not pass for one that is read half as often, but never shorter than
    that of its grid (`reading_interval_s`). Every power that
    comes out is that of the reference where there is an `alignment`, whose lag `series` has been moved by.
    """

    series: Series
    invalid_t_ns: Int64
    interval_s: float
    alignment: Applied | None = None

    @classmethod
    def of(cls, series: Series, *, alignment: Applied | None = None) -> PowerSource:
        """The valid readings of `series`."""
        good = series.integrable()
        positive = good.value > 0
        distinct = np.concatenate(([True], np.diff(series.t_ns) > 0)) if len(series) else np.zeros(0, dtype=bool)
        interval_s = reading_interval_s(series.rows(distinct))
        return cls(good if positive.all() else good.rows(positive), good.t_ns[~positive], interval_s, alignment)

    def invalid_inside(self, window: Window) -> int:
        """How many readings inside `window` are not valid."""
        return int(np.sum((self.invalid_t_ns >= window.begin_ns) & (self.invalid_t_ns <= window.end_ns)))

    @cached_property
    def power_w(self) -> Float64:
        """Power in W, float64[n]."""
        shown_w = self.series.si()
        return shown_w if self.alignment is None else self.alignment.power_w(shown_w)

    def mean_w(self, window: Window) -> float | None:
        """Plain mean of the readings strictly inside `window`; None where there is none."""
        shown_w = samples_inside(self.series, window.begin_ns, window.end_ns)[1]
        return shown_w if shown_w is None or self.alignment is None else self.alignment.gain * shown_w + self.alignment.offset_w

    @property
    def trace(self) -> PowerTrace | None:
        return PowerTrace.of_readings(self.series.t_ns, self.power_w, self.interval_s, averaging_window_s=blur_s(self.series.meter))

    def estimate(self, window: Window, traces: Sequence[PowerTrace]) -> Estimate:
        """Trapezoid of the readings. Raises InsufficientData where they do not enclose `window`."""
        meter, t_ns = self.series.meter, self.series.t_ns
        rows = enclosing(t_ns, window.begin_ns, window.end_ns, what=f"power readings of {meter.meter_id}")
        t_near, power = t_ns[rows], self.power_w[rows]
        covered = coverage(t_near, window.begin_ns, window.end_ns, interval_s=self.interval_s)
        count, _ = samples_inside(self.series, window.begin_ns, window.end_ns)
        sd_w = float(power.std(ddof=1)) if len(power) > 1 else 0.0
        resolution_w = meter.step * 10.0**meter.exponent * (1.0 if self.alignment is None else self.alignment.gain)
        brackets = (_bracket_s(t_near, window.begin_ns, first=True), _bracket_s(t_near, window.end_ns, first=False))
        duty = duty_of(meter, self.interval_s)
        looks = looks_of(meter, window, count)
        sampling_j = u_samp(window.duration_s, sd_w=sd_w, duty=duty, count=max(looks, 1))
        components = (
            _sampling_component(sampling_j, len(power) - count + looks, duty=duty, sd_w=sd_w),
            Component("counter", 0.0, "power was integrated"),
            edge_component(window, brackets, traces, averaging_window_s=blur_s(meter)),
            self._gap(covered),
            Component("resolution", u_q(window.duration_s, resolution_w=resolution_w, sd_w=sd_w, count=looks), f"step {resolution_w:g} W"),
        )
        energy_j = trapezoid_j(t_near, power, window.begin_ns, window.end_ns)
        t_unc_s = float(self.series.t_unc_ns[rows].mean()) / NS_PER_S + _latency_s(self.alignment)
        fine, alignment = duty >= 1.0, self.alignment
        return Estimate(meter, "trapezoid", energy_j, count, covered, components, max(brackets), t_unc_s, fine, alignment)

    def _gap(self, covered: Coverage) -> Component:
        terms = []
        for gap in covered.gaps:
            around_ns = round(max(gap.missing_s, GAP_SURROUNDINGS_S) * NS_PER_S)
            first = int(np.searchsorted(self.series.t_ns, gap.begin_ns - around_ns, side="left"))
            last = int(np.searchsorted(self.series.t_ns, gap.end_ns + around_ns, side="right"))
            terms.append(u_gap(gap.missing_s, span_w=float(np.ptp(self.power_w[first:last]))))
        return Component("gap", math.hypot(*terms), f"{len(terms)} gaps, {covered.missing_s:.4g} s missing")


@dataclass(frozen=True, slots=True)
class CounterSource:
    """An energy counter and its refreshes, as the reference would have counted where there is an `alignment`."""

    series: Series
    points: Refreshes
    alignment: Applied | None = None

    @classmethod
    def of(cls, series: Series, *, alignment: Applied | None = None) -> CounterSource:
        """The refreshes of `series`. Raises InsufficientData for a counter that never changes."""
        points = refreshes(series)
        return cls(series.integrable(), points if alignment is None else alignment.counter(points), alignment)

    @property
    def trace(self) -> PowerTrace | None:
        return None if self.points.dating is Dating.BETWEEN_POLLS else PowerTrace.of_counter(self.points)

    def estimate(self, window: Window, traces: Sequence[PowerTrace]) -> Estimate:
        """Difference of the counter. Raises InsufficientData at a bare edge or a reset."""
        meter, points = self.series.meter, self.points
        found = counter_energy(points, window.begin_ns, window.end_ns, what=f"counter {meter.meter_id}")
        stamped = points.dating is Dating.STAMP
        covered = coverage(
            points.t_ns if stamped else self.series.t_ns,
            window.begin_ns,
            window.end_ns,
            interval_s=max(points.interval_s, meter.read_interval_s or 0.0) if stamped else reading_interval_s(self.series),
        )
        looked = traces or (PowerTrace.of_counter(points),)
        brackets = (found.begin.bracket_s, found.end.bracket_s)
        components = (
            self._sampling(window, found),
            _counter_component(points, found),
            counter_edge_component(window, found, looked),
            Component("gap", 0.0, "a counter integrates across gaps"),
            Component("resolution", 0.0, "the step of the counter stands under counter"),
        )
        power_w = found.energy_j / window.duration_s
        fine = power_w > 0.0 and window.duration_s >= shortest_window_s(points.step_j, refresh_s=points.refresh_s, power_w=power_w)
        energy_j, count, late_s = found.energy_j, found.refresh_count, _latency_s(self.alignment)
        return Estimate(meter, "counter", energy_j, count, covered, components, max(brackets), late_s, fine, self.alignment)

    def _sampling(self, window: Window, found: CounterEnergy) -> Component:
        duty = self.series.meter.coverage
        if duty is None or duty >= 1.0:
            return Component("sampling", 0.0, "the meter integrates", "normal")
        rows = enclosing(self.points.t_ns, window.begin_ns, window.end_ns)
        power = np.diff(self.points.energy_j[rows]) / (np.diff(self.points.t_ns[rows]) / NS_PER_S)
        sd_w = float(power.std(ddof=1)) if len(power) > 1 else 0.0
        u_j = u_samp(window.duration_s, sd_w=sd_w, duty=duty, count=max(found.refresh_count, 1))
        return _sampling_component(u_j, len(power), duty=duty, sd_w=sd_w)


def _sampling_component(u_j: float, count: int, *, duty: float, sd_w: float) -> Component:
    """u_samp of type A: the scatter of n powers has n - 1 degrees of freedom, which matter where it enters at all."""
    dof = float(max(count - 1, 1)) if u_j else math.inf
    return Component("sampling", u_j, f"duty {duty:.3g}, s {sd_w:.4g} W", "normal", dof=dof)


def _counter_component(points: Refreshes, found: CounterEnergy) -> Component:
    """u_ctr with the span in which each refresh may have happened in the place of T_u.

    Interpolating between refreshes of known time leaves of the refresh period only what is not known of that time; the
    power that moves inside a bracket is counted under edge.
    """
    span_s = 2.0 * max(found.begin.half_s, found.end.half_s)
    power_w = max(found.begin.power_w, found.end.power_w)
    source = f"step {points.step_j:.3g} J, refresh {points.refresh_s:.3g} s dated by {points.dating} within {span_s:.3g} s"
    return Component("counter", u_ctr(points.step_j, refresh_s=span_s, power_w=power_w), source, "triangular", correlation_group="refresh")


def edge_component(
    window: Window, brackets: tuple[float, float], traces: Sequence[PowerTrace], *, averaging_window_s: float = 0.0
) -> Component:
    """u_edge, P_load - P_idle taken as the swing of power within dt + W of each mark; the larger of the two edges.

    Where load neither starts nor stops near a mark the swing, and with it the component, is about 0. Readings that average over
    more than the phase show as little of its swing as it fills of them.
    """
    unseen = max(1.0, averaging_window_s / window.duration_s)
    terms = [
        swing_j(at_ns, bracket_s, traces, averaging_window_s=averaging_window_s) * unseen
        for at_ns, bracket_s in zip((window.begin_ns, window.end_ns), brackets, strict=True)
    ]
    return Component(
        "edge", max(terms), f"swing of power within {max(brackets) + averaging_window_s:.3g} s of a mark", correlation_group="load"
    )


def counter_edge_component(window: Window, found: CounterEnergy, traces: Sequence[PowerTrace]) -> Component:
    """u_edge of a counter: what a load that goes over once inside the bracket may hide, or the power that sharp readings saw move
    there, if that is more; the swing around the mark where the count tells no more. The larger of the two edges.
    """
    terms = []
    for at_ns, edge in ((window.begin_ns, found.begin), (window.end_ns, found.end)):
        if edge.transition_j is None or edge.bracket_s == 0.0:
            terms.append(swing_j(at_ns, edge.bracket_s, traces))
            continue
        seen = [power_w for trace in traces if len(power_w := trace.within(*edge.around_ns))]
        swing_w = max((float(np.ptp(power_w)) for power_w in seen), default=0.0)
        terms.append(max(edge.transition_j / SQRT3, u_edge(edge.bracket_s, power_load_w=swing_w, power_idle_w=0.0)))
    source = f"change of power within {max(found.begin.bracket_s, found.end.bracket_s):.3g} s between refreshes"
    return Component("edge", max(terms), source, correlation_group="load")


def swing_j(at_ns: int, bracket_s: float, traces: Sequence[PowerTrace], *, averaging_window_s: float = 0.0) -> float:
    """u_edge at one mark, from all power around it; 0 where none is known."""
    around = level(traces, at_ns, bracket_s + averaging_window_s)
    if around is None:
        return 0.0
    return u_edge(bracket_s, power_load_w=around.high_w, power_idle_w=around.low_w, averaging_window_s=averaging_window_s)


def blur_s(meter: MeterInfo) -> float:
    """Window of a plain average that blurs a step of the load as the power of `meter` does; 0 where it is not known."""
    window_s = meter.averaging_window_s or 0.0
    return EXPONENTIAL_BLUR * window_s if meter.averaging is Averaging.EXPONENTIAL else window_s


def looks_of(meter: MeterInfo, window: Window, count: int) -> int:
    """How many of `count` readings in `window` are new: polls that are faster than the meter repeat what it showed before (SMP-2)."""
    update_s = meter.update_period_measured_s or meter.update_period_s or 0.0
    return min(count, math.ceil(window.duration_s / update_s)) if update_s else count


def duty_of(meter: MeterInfo, interval_s: float) -> float:
    """Share of time that power readings see: averaging window over the longer of update period and interval, at most 1 and
    at most the declared coverage; 0 where the window is not known (Energy Standard v1, term c).
    """
    update_s = meter.update_period_measured_s or meter.update_period_s or 0.0
    declared = 1.0 if meter.coverage is None else meter.coverage
    window_s = meter.averaging_window_s
    if window_s is None:
        window_s = declared * update_s if meter.coverage is not None else 0.0
    longest_s = max(update_s, interval_s)
    return min(1.0, declared, window_s / longest_s) if longest_s else 0.0


def _bracket_s(t_ns: Int64, at_ns: int, *, first: bool) -> float:
    """Distance of the readings around an edge; 0 when one stands on it."""
    outer, inner = (t_ns[0], t_ns[1 if len(t_ns) > 1 else 0]) if first else (t_ns[-1], t_ns[-2 if len(t_ns) > 1 else -1])
    return 0.0 if int(outer) == at_ns else abs(int(inner) - int(outer)) / NS_PER_S


def _latency_s(alignment: Applied | None) -> float:
    return 0.0 if alignment is None else alignment.lag_residual_s


def source_of(series: Series, *, alignment: Applied | None = None) -> Source:
    """The way to read `series`, moved by the lag of `alignment`. Raises InsufficientData when it holds nothing to read."""
    series = series if alignment is None else alignment.moved(series)
    if series.meter.quantity is Quantity.ENERGY_COUNTER:
        return CounterSource.of(series, alignment=alignment)
    source = PowerSource.of(series, alignment=alignment)
    if len(source.series) == 0:
        raise InsufficientData(f"power readings of {series.meter.meter_id}: there is no valid one", "check the meter")
    return source
