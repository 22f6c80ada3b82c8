"""Edges: whether power rises and falls when the phases say that the load did, and by how much the two are apart.

A phase has its times from the benchmark's clock and the power from the meter's. Where the load is seen to begin and to end, both tell of
the same two moments. Nothing is corrected by what is found here: it says that a clock, a zone or a meter wants to be looked at.
"""

from __future__ import annotations

import enum
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from joulemark.energy.integrate import nominal_interval_s
from joulemark.energy.series import Float64, Int64, Series
from joulemark.energy.steady import power_of, together
from joulemark.readings import Boundary, Quantity
from joulemark.runs import ClockKind, PhaseKind, Window
from joulemark.units import NS_PER_S

LOADED: Final = (PhaseKind.WARMUP, PhaseKind.MEASURED)
BESIDE: Final = (PhaseKind.OTHER, PhaseKind.COOLDOWN)
"""Nobody says whether these are loaded: an edge next to one is not looked at."""

ONE_LOAD_S: Final = 1.0
"""Phases less apart than this are one load."""

REACH_S: Final = 30.0
"""A step is looked for so far on each side of an edge, less where the next edge is near (working value, as all that follow)."""
LEAST_READINGS: Final = 2
"""On each side of a step."""
LEAST_STEP: Final = 0.1
"""Of the higher level."""
LEAST_CONTRAST: Final = 4.0
"""Of a step, in standard deviations of the readings about both levels: noise does not look like it."""

LEAST_S: Final = 0.1
"""No process begins to load its machine sooner, so no offset below is told."""

ALIKE_S: Final = 5.0
"""A load may take so much longer to rise than to fall, and all edges still tell of one offset."""

LEAST_EXPLAINED: Final = 0.75
"""Share of the variance of power that the phases have to explain where they are moved to from far away."""
LEAST_LEAD: Final = 0.1
"""By so much more than anywhere else, else the place is not the only one."""
MOST_PLACES: Final = 20_000
MOST_LOADS: Final = 100
"""The first ones tell as much as all."""

QUARTER_S: Final = 900
WIDEST_ZONE_S: Final = 14 * 3600
NEAR_ZONE_S: Final = 10.0


class Verdict(enum.StrEnum):
    """What the edges say of the clocks."""

    CONSISTENT = "consistent"
    OFFSET = "offset"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Edges:
    """`offset_s`: by how much the power is later than the phases, `u_s` its standard uncertainty, from `edges` steps of the load; both
    None where it cannot be told, for `reason`. `tolerance_s`: what clocks, readings and phases may be apart without a word.
    """

    verdict: Verdict
    offset_s: float | None = None
    u_s: float | None = None
    edges: int = 0
    tolerance_s: float | None = None
    reason: str = ""

    def finding(self, clock: ClockKind) -> str | None:
        """The warning, None where there is none to give. `clock`: which one dated the phases."""
        if self.verdict is not Verdict.OFFSET or self.offset_s is None or self.u_s is None:
            return None
        side = "after" if self.offset_s > 0 else "before"
        found = f"Power rises and falls {abs(self.offset_s):.2f} s {side} the phases do (U95 {2 * self.u_s:.2f} s, {self.edges} edges)"
        zone = zone_s(self.offset_s, self.u_s)
        why = "their clocks differ, or the meter is late" if zone is None else f"{hours(zone)} looks like a time zone: give --tz"
        if clock is ClockKind.MTIME:
            why = "the phases are dated by when their file was written"
        return f"{found}: {why}. No figure was changed."

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {**asdict(self), "verdict": str(self.verdict)}


@dataclass(frozen=True, slots=True)
class Trace:
    """Power over time: `t_ns` int64[n], `power_w` float64[n], read every `interval_s`; `unc_s`: what its times may be off."""

    t_ns: Int64
    power_w: Float64
    interval_s: float
    unc_s: float

    def near(self, begin_ns: float, end_ns: float) -> tuple[Int64, Float64]:
        """The readings from `begin_ns` until before `end_ns`."""
        rows = slice(*np.searchsorted(self.t_ns, (begin_ns, end_ns)))
        return self.t_ns[rows], self.power_w[rows]


@dataclass(frozen=True, slots=True)
class Load:
    """The machine is said to be loaded from `begin_ns` to `end_ns`; `edges`: which of both (0, 1) nothing else stands beside."""

    begin_ns: int
    end_ns: int
    unc_ns: int
    edges: tuple[int, ...] = (0, 1)


def edges(series: Sequence[Series], windows: Sequence[Window]) -> Edges:
    """What the power of the boundary that tells most says of the times of `windows`, whose uncertainties hold the clocks' bounds."""
    levels: dict[Boundary, list[Series]] = defaultdict(list)
    for one in series:
        if one.meter.quantity.measures_energy:
            levels[one.meter.boundary].append(one)
    found = [judged(group, windows) for group in levels.values()]
    told = [one for one in found if one.verdict is not Verdict.UNKNOWN]
    return min(told, key=lambda one: one.u_s or 0.0) if told else next(iter(found), unknown("there is no power"))


def judged(group: Sequence[Series], windows: Sequence[Window]) -> Edges:
    """The edges of the sum of `group`."""
    trace, claimed = trace_of(group), loads(windows)
    if trace is None:
        return unknown("the power has too few readings that its meters share")
    if not claimed:
        return unknown("no phase says that the machine was loaded")
    shifts = steps(trace, claimed, by_ns=0)
    if not both(shifts):
        far_ns, why = placed(trace, claimed)
        if far_ns is None:
            sides = {side for side, _ in shifts}
            return unknown(f"only where power {('rises', 'falls')[sides.pop()]} is seen near the phases" if sides else why)
        shifts = steps(trace, claimed, by_ns=far_ns)
        if not both(shifts):
            return unknown("power does not rise and fall as sharply as a load does")
    off_s = (max(load.unc_ns for load in claimed) + max(one.clock_bound_ns for one in group)) / NS_PER_S
    return verdict([s for _, s in shifts], trace, tolerance_s=LEAST_S + off_s + trace.unc_s + trace.interval_s / 2.0)


def verdict(shifts_s: Sequence[float], trace: Trace, *, tolerance_s: float) -> Edges:
    """What the shifts of all edges say together: one in its place is enough to agree, and an offset moves all of them alike."""
    mean_s, spread_s = math.fsum(shifts_s) / len(shifts_s), max(shifts_s) - min(shifts_s)
    scatter_s = float(np.std(shifts_s, ddof=1)) if len(shifts_s) > 1 else 0.0
    # what falls between two readings is the same for all edges when the load lasts whole intervals: it does not average out
    u_s = math.hypot(scatter_s / math.sqrt(len(shifts_s)), trace.interval_s / math.sqrt(12.0))
    if min(abs(shift) for shift in shifts_s) <= tolerance_s:
        return Edges(Verdict.CONSISTENT, mean_s, u_s, len(shifts_s), tolerance_s)
    if spread_s > max(2.0 * tolerance_s, min(abs(mean_s) / 2.0, ALIKE_S)):
        ends = f"between {min(shifts_s):.2f} and {max(shifts_s):.2f} s"
        return unknown(f"power rises and falls {ends} from the phases' edges, not alike: the load is not as long as they say")
    return Edges(Verdict.OFFSET, mean_s, u_s, len(shifts_s), tolerance_s)


def unknown(reason: str) -> Edges:
    """Nothing can be told."""
    return Edges(Verdict.UNKNOWN, reason=reason)


def trace_of(group: Sequence[Series]) -> Trace | None:
    """The power of `group` added up where all its meters were read, by powers where there are any, else by counters.

    A meter that read next to nothing is left out: what counts is when power steps, not how much it is.
    """
    chosen = [one for one in group if one.meter.quantity is Quantity.POWER] or list(group)
    read = [(one, t_ns) for one in chosen if len(t_ns := power_of(one)[0]) >= 2 * LEAST_READINGS]
    if not read:
        return None
    chosen, times = [one for one, _ in read], [t_ns for _, t_ns in read]
    begin_ns, end_ns = max(int(t_ns[0]) for t_ns in times), min(int(t_ns[-1]) for t_ns in times)
    stretch = together(chosen, begin_ns, end_ns) if begin_ns < end_ns else None
    if stretch is None:
        return None
    t_ns = begin_ns + np.round(stretch.t_s * NS_PER_S).astype(np.int64)
    unc_s = max(float(np.median(one.t_unc_ns)) / NS_PER_S + (one.meter.averaging_window_s or 0.0) / 2.0 for one in chosen)
    return Trace(t_ns, stretch.value, nominal_interval_s(t_ns), unc_s)


def loads(windows: Iterable[Window]) -> list[Load]:
    """The first MOST_LOADS that the phases put on the machine, those that touch as one, in order."""
    windows = list(windows)
    out: list[Load] = []
    for window in sorted((w for w in windows if w.kind in LOADED), key=lambda w: w.begin_ns):
        if out and window.begin_ns - out[-1].end_ns < ONE_LOAD_S * NS_PER_S:
            last = out.pop()
            out.append(Load(last.begin_ns, max(last.end_ns, window.end_ns), max(last.unc_ns, window.unc_ns)))
        else:
            out.append(Load(window.begin_ns, window.end_ns, window.unc_ns))
    others = [w for w in windows if w.kind in BESIDE]
    return [Load(one.begin_ns, one.end_ns, one.unc_ns, free(one, others)) for one in out[:MOST_LOADS]]


def free(load: Load, others: Sequence[Window]) -> tuple[int, ...]:
    """Which edges of `load` have none of `others` next to them, outside."""
    near_ns = round(ONE_LOAD_S * NS_PER_S)
    begins = not any(w.begin_ns < load.begin_ns < w.end_ns + near_ns for w in others)
    ends = not any(w.begin_ns - near_ns < load.end_ns < w.end_ns for w in others)
    return (0,) * begins + (1,) * ends


def steps(trace: Trace, claimed: Sequence[Load], *, by_ns: int) -> list[tuple[int, float]]:
    """(0 for a begin or 1 for an end, how much later than claimed) of every edge that power shows, looked for `by_ns` from the claim."""
    out = []
    for place, load in enumerate(claimed):
        before_ns = load.begin_ns - claimed[place - 1].end_ns if place else math.inf
        after_ns = claimed[place + 1].begin_ns - load.end_ns if place + 1 < len(claimed) else math.inf
        inside_ns = load.end_ns - load.begin_ns
        for side in load.edges:
            edge_ns = (load.begin_ns, load.end_ns)[side]
            reach_ns = min(REACH_S * NS_PER_S, inside_ns / 2.0, (before_ns, after_ns)[side] / 2.0)
            at_ns = step(*trace.near(edge_ns + by_ns - reach_ns, edge_ns + by_ns + reach_ns), rising=side == 0)
            if at_ns is not None:
                out.append((side, (at_ns - edge_ns) / NS_PER_S))
    return out


def both(shifts: Sequence[tuple[int, float]]) -> bool:
    """Whether a begin and an end were seen."""
    return {side for side, _ in shifts} == {0, 1}


def step(t_ns: Int64, power_w: Float64, *, rising: bool) -> float | None:
    """When power went from one level to the other, ns: where two means explain the readings best. None where no step stands out."""
    count = len(t_ns)
    if count < 2 * LEAST_READINGS:
        return None
    first = np.arange(LEAST_READINGS, count - LEAST_READINGS + 1)
    sums = np.cumsum(power_w)
    low, high = sums[first - 1] / first, (sums[-1] - sums[first - 1]) / (count - first)
    explained = first * (count - first) / count * (high - low) ** 2
    explained[(high > low) != rising] = 0.0
    best = int(np.argmax(explained))
    size_w = abs(float(high[best] - low[best]))
    scatter_w = math.sqrt(max(0.0, float(np.var(power_w)) * count - float(explained[best])) / (count - 2))
    if not explained[best] or size_w < max(LEAST_STEP * max(high[best], low[best]), LEAST_CONTRAST * scatter_w):
        return None
    after = int(first[best])
    middle_w, (left_w, right_w) = (low[best] + high[best]) / 2.0, power_w[after - 1 : after + 1]
    share = (middle_w - left_w) / (right_w - left_w) if right_w != left_w else 0.5
    share = float(share) if 0.0 <= share <= 1.0 else 0.5
    return float(t_ns[after - 1]) + share * float(t_ns[after] - t_ns[after - 1])


def placed(trace: Trace, claimed: Sequence[Load]) -> tuple[int | None, str]:
    """By how much all loads have to be moved to be where power is high, ns; or None and why that cannot be told."""
    begin_ns, end_ns = int(trace.t_ns[0]), int(trace.t_ns[-1])
    lowest_ns, highest_ns = begin_ns - claimed[0].begin_ns, end_ns - claimed[-1].end_ns
    if highest_ns <= lowest_ns:
        return None, "the power is not longer than the phases"
    shortest_ns = min(load.end_ns - load.begin_ns for load in claimed)
    pace_ns = max(trace.interval_s * NS_PER_S, min(REACH_S * NS_PER_S, shortest_ns / 2.0) / 2.0, (highest_ns - lowest_ns) / MOST_PLACES)
    by_ns = np.arange(lowest_ns, highest_ns + 1, round(pace_ns), dtype=np.int64)
    share, rise_w = explained_by(trace, claimed, by_ns)
    best = int(np.argmax(share))
    apart = np.abs(by_ns - by_ns[best]) > max(shortest_ns / 4.0, 2.0 * pace_ns)
    if share[best] < LEAST_EXPLAINED:
        return None, "power does not rise and fall with the phases, wherever they are put: its load is constant, or another"
    if share[best] - float(np.max(share[apart], initial=0.0)) < LEAST_LEAD:
        return None, "power rises and falls as the phases do in more than one place"
    here = np.zeros(1, dtype=np.int64)
    if lowest_ns <= 0 <= highest_ns and float(explained_by(trace, claimed, here)[1][0]) > 0.5 * float(rise_w[best]):
        return None, "no step of power stands out at the edges of the phases, though it is high in them"
    return int(by_ns[best]), ""


def explained_by(trace: Trace, claimed: Sequence[Load], by_ns: Int64) -> tuple[Float64, Float64]:
    """For each move of the loads (share of the variance of power that they explain, power in them less power outside), float64[m] both.

    The share is 0 where power is lower in them.
    """
    t_s = (trace.t_ns - trace.t_ns[0]) / NS_PER_S
    middle = np.concatenate(([0.0], np.cumsum(np.diff(t_s) * (trace.power_w[1:] + trace.power_w[:-1]) / 2.0)))
    total_s, inside_s, inside_j = float(t_s[-1]), 0.0, np.zeros(len(by_ns))
    for load in claimed:
        ends = [(load_ns - trace.t_ns[0] + by_ns) / NS_PER_S for load_ns in (load.begin_ns, load.end_ns)]
        inside_j += np.interp(ends[1], t_s, middle) - np.interp(ends[0], t_s, middle)
        inside_s += (load.end_ns - load.begin_ns) / NS_PER_S
    rise_w = inside_j / inside_s - (middle[-1] - inside_j) / (total_s - inside_s)
    between = inside_s * (total_s - inside_s) / total_s**2 * np.maximum(rise_w, 0.0) ** 2
    variance = float(np.var(trace.power_w))
    return (np.minimum(between / variance, 1.0) if variance else np.zeros(len(by_ns))), rise_w


def zone_s(offset_s: float, u_s: float) -> int | None:
    """The offset of a time zone, or of two, that `offset_s` is: whole hours, or with 30 or 45 minutes; None where it is none."""
    quarters = round(abs(offset_s) / QUARTER_S)
    whole_s = quarters * QUARTER_S
    near = abs(abs(offset_s) - whole_s) <= NEAR_ZONE_S + 3.0 * u_s
    known = quarters % 4 != 1 and 0 < whole_s <= WIDEST_ZONE_S
    return (whole_s if offset_s > 0 else -whole_s) if near and known else None


def hours(offset_s: int) -> str:
    """+5:30 h."""
    return f"{'-' if offset_s < 0 else '+'}{abs(offset_s) // 3600}:{abs(offset_s) % 3600 // 60:02d} h"
