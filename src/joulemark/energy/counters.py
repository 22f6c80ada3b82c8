"""Energy from counters: wraps and resets undone, refreshes found, and the count interpolated at both edges of a window.

A counter moves in refreshes, often slower than it is polled. What counts is *when* its value was true, and there are three cases:

* the stamp freezes with the value: it is the time of the refresh, exact;
* the value repeats under stamps that move on: the refresh lies between the last poll of the old value and the first of the
  new, so it is placed in the middle, uncertain by half that distance; where bursts alternate with a slower grid it is at most one
  update period before the first poll of the new value;
* nearly every poll brings a new value: the poll dates it, uncertain as the series says.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from joulemark.energy.integrate import enclosing
from joulemark.energy.series import Float64, Int64, Series
from joulemark.errors import InsufficientData
from joulemark.readings import MeterInfo, Quality
from joulemark.units import NS_PER_S

REPEATS_SHARE = 0.2
"""Above this share of polls without news, the refresh is slower than the polling."""
RATED_MARGIN = 1.2
"""A wrap is believed only if it implies at most this many times the rated power (SMP-8)."""
LATE_REFRESH_S = 1.0
"""How late a refresh may bring energy, where the meter does not state its update period: bounds the power a step implies."""
RESOLUTION_ROWS = 1024


SMALL_SHARE = 0.01
"""A counter that moves by less than this share of the energy, in each step and each refresh, is fine enough to lead."""


def shortest_window_s(step_j: float, *, refresh_s: float, power_w: float, share: float = SMALL_SHARE) -> float:
    """How long a window must be for one step, and what flows in one refresh, to be at most `share` of its energy at `power_w`."""
    return max(step_j / power_w, refresh_s) / share


class Dating(enum.StrEnum):
    """How the refresh points were dated."""

    STAMP = "stamp"
    BETWEEN_POLLS = "between_polls"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A counter without wraps. `count`: int64[n]; `segment`: int64[n], one higher after each reset."""

    count: Int64
    segment: Int64


def unwrap(series: Series) -> Unwrapped:
    """Counts that only grow, in segments that a reset ends.

    A fall is a wrap if the meter has a modulus and the implied power is believable: at most 1.2 times the rated power, or
    less than half the modulus where no rated power is known. Every other fall, and a reading marked as reset, starts a segment.
    """
    meter = series.meter
    step = np.diff(series.value)
    fall = step < 0
    if not fall.any() and not np.any(series.quality == Quality.RESET):
        return Unwrapped(series.value, np.zeros(len(series), dtype=np.int64))
    if meter.modulus is not None:
        step = np.where(fall, step + meter.modulus, step)
    reset = fall & ~_believable(meter, step, np.diff(series.t_ns)) | (series.quality[1:] == Quality.RESET)
    step = np.where(reset, 0, step)
    first = series.value[:1]
    count = np.concatenate((first, first + np.cumsum(step)))
    return Unwrapped(count, np.concatenate(([0], np.cumsum(reset))).astype(np.int64))


def _believable(meter: MeterInfo, step: Int64, spacing_ns: Int64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    if meter.modulus is None:
        return np.zeros(len(step), dtype=bool)
    if meter.rated_w is None:
        return (step >= 0) & (step < meter.modulus / 2)
    within_s = spacing_ns / NS_PER_S + (_update_period_s(meter) or LATE_REFRESH_S)
    return (step >= 0) & (step * 10.0**meter.exponent <= RATED_MARGIN * meter.rated_w * within_s)


def _update_period_s(meter: MeterInfo) -> float | None:
    return meter.update_period_measured_s or meter.update_period_s


@dataclass(frozen=True, slots=True)
class Refreshes:
    """The moments at which a counter brought news: `t_ns` int64[n], `energy_j` float64[n] from an arbitrary zero,
    `half_ns` int64[n] half-width of where the moment may be, `segment` int64[n].

    `step_j` is the step of the count: the finest that the data show, or what the meter states if that is coarser.
    """

    t_ns: Int64
    energy_j: Float64
    half_ns: Int64
    segment: Int64
    dating: Dating
    step_j: float

    def __len__(self) -> int:
        return len(self.t_ns)

    @property
    def refresh_s(self) -> float:
        """Median distance of two refreshes."""
        return float(np.median(np.diff(self.t_ns))) / NS_PER_S if len(self) > 1 else 0.0

    @property
    def interval_s(self) -> float:
        """Nominal distance for judging gaps: nine in ten are not longer. The median is no use where polls beat with refreshes."""
        return float(np.quantile(np.diff(self.t_ns), 0.9, method="lower")) / NS_PER_S if len(self) > 1 else 0.0

    def slopes_w(self) -> Float64:
        """Mean power between neighbours, float64[n-1]; NaN across a reset, where it is not known."""
        power = np.diff(self.energy_j) / (np.diff(self.t_ns) / NS_PER_S)
        if self.segment[0] != self.segment[-1]:
            power[np.diff(self.segment) != 0] = np.nan
        return power


def refreshes(series: Series) -> Refreshes:
    """The distinct refreshes of a counter. Raises InsufficientData when it never changes: frozen, or too coarse to tell."""
    raw = series
    series = series.integrable()
    what = f"counter {series.meter.meter_id}"
    if len(series) < 2:
        raise InsufficientData(f"{what} has {len(series)} usable readings", "read it before and after the phase")
    unwrapped = unwrap(series)
    changed = np.diff(unwrapped.count) != 0
    if unwrapped.segment[-1]:
        changed |= np.diff(unwrapped.segment) != 0
    if not changed.any():
        raise InsufficientData(f"{what} never changed in {len(series)} readings", "check that it is not frozen, or measure for longer")
    keep = np.concatenate(([False], changed))
    if 1.0 - changed.mean() > REPEATS_SHARE:
        dating = Dating.BETWEEN_POLLS
        old, new = series.t_ns[:-1][changed], series.t_ns[1:][changed]
        if series.meter.read_interval_s and (period_s := _update_period_s(series.meter)):
            old = np.maximum(old, new - round(period_s * NS_PER_S))
        t_ns, half_ns = old + (new - old) // 2, (new - old + 1) // 2
    else:
        dating = Dating.STAMP if series.device_stamps and _stamps_freeze(raw) else Dating.POLL
        keep[0] = True
        t_ns, half_ns = series.t_ns[keep], series.t_unc_ns[keep]
        if dating is Dating.POLL and series.device_stamps:
            half_ns = half_ns + round((_update_period_s(series.meter) or 0.0) * NS_PER_S / 2.0)
    count = unwrapped.count[keep]
    energy_j = (count - count[0]) * 10.0**series.meter.exponent
    return Refreshes(t_ns, energy_j, half_ns, unwrapped.segment[keep], dating, _step_j(series, count))


def _stamps_freeze(series: Series) -> bool:
    return bool(np.any(np.diff(series.t_ns) == 0))


def _step_j(series: Series, count: Int64) -> float:
    """Greatest common divisor of what the register showed, at least the step it states: a kWh register in J shows multiples of it."""
    shown = series.value[:: max(1, len(series) // RESOLUTION_ROWS)]
    divisor = int(np.gcd.reduce(shown)) if len(count) > 2 else 1
    return max(series.meter.step, divisor) * 10.0**series.meter.exponent


@dataclass(frozen=True, slots=True)
class Edge:
    """A counter at one edge of a window. `bracket_s`: distance of the refreshes around it, 0 on one; `power_w` between them;
    `half_s`: half-width of where these refreshes may be; `around_ns`: when they were. `transition_j`: see `transition`.
    """

    energy_j: float
    bracket_s: float
    power_w: float
    half_s: float
    around_ns: tuple[int, int]
    transition_j: float | None = None


@dataclass(frozen=True, slots=True)
class CounterEnergy:
    """The difference of a counter over a window. `refresh_count`: refreshes strictly inside."""

    energy_j: float
    begin: Edge
    end: Edge
    refresh_count: int


def counter_energy(points: Refreshes, begin_ns: int, end_ns: int, *, what: str = "counter") -> CounterEnergy:
    """Energy over [begin_ns, end_ns], linear between refreshes.

    Raises InsufficientData when a refresh is missing on either side, or when a reset stands among those that are needed.
    """
    rows = enclosing(points.t_ns, begin_ns, end_ns, what=f"{what} refreshes")
    segment = points.segment[rows]
    if segment[0] != segment[-1]:
        where = int(points.t_ns[rows][int(np.argmax(segment != segment[0]))])
        raise InsufficientData(f"{what} was reset {(where - begin_ns) / NS_PER_S:.3f} s after the begin of the phase", "use power instead")
    begin, end = _edge(points, rows, begin_ns), _edge(points, rows, end_ns)
    inside = (points.t_ns[rows] > begin_ns) & (points.t_ns[rows] < end_ns)
    return CounterEnergy(end.energy_j - begin.energy_j, begin, end, int(inside.sum()))


def _edge(points: Refreshes, rows: slice, at_ns: int) -> Edge:
    t_ns, energy_j, half_ns = points.t_ns[rows], points.energy_j[rows], points.half_ns[rows]
    left = min(max(int(np.searchsorted(t_ns, at_ns, side="right")) - 1, 0), max(len(t_ns) - 2, 0))
    right = min(left + 1, len(t_ns) - 1)
    span_ns = int(t_ns[right] - t_ns[left])
    around_ns = int(t_ns[left]), int(t_ns[right])
    if span_ns == 0:
        return Edge(float(energy_j[left]), 0.0, 0.0, int(half_ns[left]) / NS_PER_S, around_ns)
    power_w = float(energy_j[right] - energy_j[left]) / span_ns * NS_PER_S
    exact = at_ns in around_ns
    at_j = float(energy_j[left]) + power_w * (at_ns - int(t_ns[left])) / NS_PER_S
    if at_ns == int(t_ns[right]):
        at_j = float(energy_j[right])
    half_s = float(max(half_ns[left], half_ns[right])) / NS_PER_S
    return Edge(at_j, 0.0 if exact else span_ns / NS_PER_S, power_w, half_s, around_ns, transition(points, rows.start + left))


def transition(points: Refreshes, left: int) -> float | None:
    """How far the count may depart from a straight line between refreshes `left` and `left` + 1, J, if the load goes over there from
    the power before to the power after, once and without turning back; None where the count does not look like that.

    Mean power s between a before and b after leaves for the change one place: (s - a) (b - s) / (b - a) times the bracket. A load that
    changes before or behind the bracket leaves 0. Stamps and steps of the count blur each power by a tolerance.
    """
    around = slice(left - 1, left + 3)
    if left < 1 or left + 2 >= len(points) or points.dating is not Dating.STAMP or np.ptp(points.segment[around]):
        return None
    t_s = (points.t_ns[around] - points.t_ns[left]) / NS_PER_S
    before, inside, after = (np.diff(points.energy_j[around]) / np.diff(t_s)).tolist()
    low, high, bracket_s = min(before, after), max(before, after), float(t_s[2])
    half_s = float(points.half_ns[around].max()) / NS_PER_S
    blur_w = 2.0 * (points.step_j + half_s * max(high, inside)) / bracket_s
    if not low - blur_w <= inside <= high + blur_w:
        return None
    inside = min(max(inside, low), high)
    return float(bracket_s * (inside - low + blur_w) * (high - inside + blur_w) / (high - low + 2.0 * blur_w))
