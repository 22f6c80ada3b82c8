"""Energy from power: the trapezoid rule with linear interpolation at both edges, its gaps, and the plain mean of samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from joulemark.energy.series import Float64, Int64, Series
from joulemark.errors import InsufficientData
from joulemark.units import NS_PER_S

GAP_FACTOR = 1.5
"""A spacing above this many nominal intervals is a gap (Energy Standard v1, section 1)."""


GRID_SHARE = 0.85
"""Readings that are closer than this share of the interval of their grid are of a burst: a refresh or a late poll moves one by less."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Two consecutive readings too far apart. `missing_s`: what is missing of it inside the window."""

    begin_ns: int
    end_ns: int
    missing_s: float

    @property
    def spacing_s(self) -> float:
        """Distance of the two readings."""
        return (self.end_ns - self.begin_ns) / NS_PER_S


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a window has readings. `interval_s`: the nominal interval the gaps were judged by."""

    duration_s: float
    interval_s: float
    gaps: tuple[Gap, ...] = ()

    @property
    def missing_s(self) -> float:
        """Missing time of all gaps."""
        return sum(gap.missing_s for gap in self.gaps)

    @property
    def share(self) -> float:
        """1 minus the missing share of the duration."""
        return max(0.0, 1.0 - self.missing_s / self.duration_s)

    @property
    def max_gap_s(self) -> float:
        """Largest spacing that is a gap; 0.0 where there is none."""
        return max((gap.spacing_s for gap in self.gaps), default=0.0)


def enclosing(t_ns: Int64, begin_ns: int, end_ns: int, *, what: str = "readings") -> slice:
    """The rows from the last at or before `begin_ns` to the first at or after `end_ns`. `t_ns`: int64[n], rising.

    Raises InsufficientData that names the side that lacks a reading, and by how much: nothing is extrapolated (SMP-4).
    """
    if len(t_ns) == 0:
        raise InsufficientData(f"{what}: there is none", "check that the meter was running during the phase")
    first = int(np.searchsorted(t_ns, begin_ns, side="right")) - 1
    last = int(np.searchsorted(t_ns, end_ns, side="left"))
    short = []
    if first < 0:
        short.append(f"the first stands {(int(t_ns[0]) - begin_ns) / NS_PER_S:.3f} s after the begin of the phase")
    if last >= len(t_ns):
        short.append(f"the last stands {(end_ns - int(t_ns[-1])) / NS_PER_S:.3f} s before its end")
    if short:
        raise InsufficientData(f"{what}: {' and '.join(short)}", "record power from before the phase until after it")
    return slice(first, last + 1)


def trapezoid_j(t_ns: Int64, power_w: Float64, begin_ns: int, end_ns: int) -> float:
    """Energy in J over [begin_ns, end_ns] of power that is linear between readings. Raises InsufficientData at a bare edge.

    `t_ns`: int64[n], rising; `power_w`: float64[n]. Integrals of adjoining windows add up, and the result is linear in power.
    """
    rows = enclosing(t_ns, begin_ns, end_ns)
    t_s = (t_ns[rows] - begin_ns) / NS_PER_S
    power = power_w[rows].copy()
    if len(t_s) == 1:
        return 0.0
    end_s = (end_ns - begin_ns) / NS_PER_S
    edges = _between(t_s[:2], power[:2], 0.0), _between(t_s[-2:], power[-2:], end_s)
    t_s[0], t_s[-1] = 0.0, end_s
    power[0], power[-1] = edges
    return float(np.dot(power[1:] + power[:-1], np.diff(t_s))) / 2.0


def _between(t_s: Float64, power_w: Float64, at_s: float) -> float:
    return float(np.interp(at_s, t_s, power_w))


def nominal_interval_s(t_ns: Int64) -> float:
    """Median spacing of readings, from at most some ten thousand of them; 0.0 for a single one."""
    spacing = np.diff(t_ns)
    return float(np.median(spacing[:: 1 + len(spacing) // 10_000])) / NS_PER_S if len(spacing) else 0.0


def reading_interval_s(series: Series) -> float:
    """Nominal interval of a series: median spacing of its readings, or what its meter is read at apart from bursts, the longer one.

    A burst around a phase mark is denser than the grid: it is no faster sampling, and the way back to the grid no gap.
    """
    return max(nominal_interval_s(series.t_ns), series.meter.read_interval_s or 0.0)


def coverage(t_ns: Int64, begin_ns: int, end_ns: int, *, interval_s: float | None = None) -> Coverage:
    """The gaps of a window. `interval_s`: nominal interval; the median spacing of `t_ns` when None.

    A reading stands for half an interval on each side, so a gap that reaches over an edge counts with its part inside.
    Raises InsufficientData at a bare edge.
    """
    rows = enclosing(t_ns, begin_ns, end_ns)
    if interval_s is None:
        interval_s = nominal_interval_s(t_ns)
    near = t_ns[rows]
    half_ns = interval_s * NS_PER_S / 2.0
    gaps = []
    for index in np.flatnonzero(np.diff(near) > GAP_FACTOR * 2.0 * half_ns):
        left, right = int(near[index]), int(near[index + 1])
        missing_ns = min(right - half_ns, end_ns) - max(left + half_ns, begin_ns)
        if missing_ns > 0.0:
            gaps.append(Gap(left, right, missing_ns / NS_PER_S))
    return Coverage((end_ns - begin_ns) / NS_PER_S, interval_s, tuple(gaps))


def samples_inside(series: Series, begin_ns: int, end_ns: int) -> tuple[int, float | None]:
    """How many positive readings stand strictly inside the window, and their plain mean in W (None for none).

    This is the rule of MLPerf's power checker, kept beside the trapezoid for comparison. The sum is taken over the stored
    integers, so it is exact, and scaled once. Of a burst only what keeps the distance of the grid counts, so that it weighs no more.
    """
    first = int(np.searchsorted(series.t_ns, begin_ns, side="right"))
    last = int(np.searchsorted(series.t_ns, end_ns, side="left"))
    values = series.value[first:last]
    if series.meter.read_interval_s:
        values = values[spaced(series.t_ns[first:last], round(GRID_SHARE * series.meter.read_interval_s * NS_PER_S))]
    values = values[values > 0]
    if len(values) == 0:
        return 0, None
    return len(values), series.meter.si(int(values.sum())) / len(values)


def spaced(t_ns: Int64, least_ns: int) -> Int64:
    """Rows of rising times that stand `least_ns` apart or more, int64[m]: the first, and each far enough from the one kept before."""
    tight, kept, row = np.flatnonzero(np.diff(t_ns) < least_ns), [np.zeros(0, dtype=np.int64)], 0
    while row < len(t_ns):
        at = int(np.searchsorted(tight, row))
        last = int(tight[at]) if at < len(tight) else len(t_ns) - 1
        kept.append(np.arange(row, last + 1))
        row = max(last + 1, int(np.searchsorted(t_ns, t_ns[last] + least_ns)))
    return np.concatenate(kept)
