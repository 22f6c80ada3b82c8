"""What a counter of work counted in a window: between the readings around each edge, never across a new beginning.

A counter only grows, so at each edge it stood between the last reading before and the first after: these are bounds, not estimates. The
figure lies on the straight line between them. A counter that began anew joins nothing: where the server says when its process was
started, the count was 0 there, and what the old process counted after its last reading is lost, which the result says.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from joulemark.energy.series import Int64, Series
from joulemark.readings import Quality
from joulemark.units import NS_PER_MS, NS_PER_S

START_UNC_NS: Final = NS_PER_S
"""How far the start of a process may be off: the client library computes it from the age of the machine, and clocks differ."""

SQRT3: Final = math.sqrt(3.0)


@dataclass(frozen=True, slots=True)
class Count:
    """Pieces of work in a window. `value`: None where a part of it is not known, which `reason` says; then `low` is what is known of it.

    `low` and `high` hold for certain; `high` is None where `value` is. `half`: half-widths of both edges together, which are independent,
    and of what the counter may have booked outside of the window that was done inside it; infinite where nobody knows how much.
    """

    value: float | None
    low: float
    high: float | None
    reason: str = ""
    half: float = 0.0

    @property
    def u95(self) -> float | None:
        """Expanded uncertainty at k = 2: rectangular within `half`; None where that has no bound."""
        return 2.0 * self.half / SQRT3 if math.isfinite(self.half) else None

    @classmethod
    def none(cls, reason: str, low: float = 0.0) -> Self:
        """A count that is not known."""
        return cls(None, low, None, reason)


def summed(counts: Sequence[Count]) -> Count:
    """The counts of several counters together; unknown where one of them is."""
    low = math.fsum(one.low for one in counts)
    reasons = list(dict.fromkeys(one.reason for one in counts if one.reason))
    if reasons or not counts:
        return Count.none("; ".join(reasons) or "nothing counts it", low)
    return Count(
        math.fsum(one.value or 0.0 for one in counts),
        low,
        math.fsum(one.high or 0.0 for one in counts),
        half=math.hypot(*(one.half for one in counts)),
    )


@dataclass(frozen=True, slots=True)
class Run:
    """Readings between two beginnings of a counter: `t_ns` their times, `read0_ns` and `read1_ns` around each, `value` int64[n].

    `start_ns`: when it began at 0, None where that is not known.
    """

    t_ns: Int64
    read0_ns: Int64
    read1_ns: Int64
    value: Int64
    start_ns: int | None

    def at(self, t_ns: int) -> tuple[float, float, float]:
        """(value, low, high) at a time that has a reading before and after it."""
        low = float(self.value[int(np.searchsorted(self.read1_ns, t_ns, side="right")) - 1])
        high = float(self.value[int(np.searchsorted(self.read0_ns, t_ns, side="left"))])
        return min(max(float(np.interp(t_ns, self.t_ns, self.value)), low), high), low, high

    def born(self) -> Run:
        """The same from its beginning on, where that is known."""
        if self.start_ns is None:
            return self
        start_ns, soon_ns = self.start_ns, min(self.start_ns + START_UNC_NS, int(self.read1_ns[0]))
        return Run(
            np.concatenate(([start_ns], self.t_ns)),
            np.concatenate(([start_ns - START_UNC_NS], self.read0_ns)),
            np.concatenate(([soon_ns], self.read1_ns)),
            np.concatenate(([0], self.value)),
            start_ns,
        )


def counted(series: Series, begin_ns: int, end_ns: int, *, uptime: Series | None = None) -> Count:
    """What the counter `series` counted in [begin_ns, end_ns]. `uptime`: of its process, read in the same samples."""
    runs = runs_of(series, uptime)
    if not runs:
        return Count.none("there is no reading of it")
    parts = [part(runs, k, begin_ns, end_ns) for k in range(len(runs))]
    known = [one for one in parts if one is not None]
    return summed(known) if known else Count.none("no reading of it lies around this time")


def part(runs: Sequence[Run], k: int, begin_ns: int, end_ns: int) -> Count | None:
    """What the run `k` adds to the window; None where it has no part in it."""
    run, later = runs[k], runs[k + 1] if k + 1 < len(runs) else None
    first_ns, last_ns = int(run.read1_ns[0]), int(run.read0_ns[-1])
    new_ns = None if later is None else later.start_ns if later.start_ns is not None else int(later.read0_ns[0])
    if (k > 0 and end_ns <= (first_ns if run.start_ns is None else run.start_ns)) or (new_ns is not None and new_ns <= begin_ns):
        return None
    whole, reasons = run, []
    low_edge: tuple[float, float, float]
    if begin_ns >= first_ns:
        low_edge = run.at(begin_ns) if begin_ns <= last_ns else edge(float(run.value[-1]))
    elif run.start_ns is not None and (k > 0 or begin_ns <= run.start_ns):
        whole = run.born()
        low_edge = edge(0.0) if begin_ns <= run.start_ns - START_UNC_NS else whole.at(begin_ns)
    else:
        low_edge = edge(float(run.value[0]))
        what = "it began anew" if k else "it is first seen"
        reasons.append(f"{what} {(first_ns - begin_ns) / NS_PER_S:.3f} s after the begin, and what it was before is not known")
    high_edge = edge(float(run.value[-1]))
    if end_ns <= last_ns:
        high_edge = whole.at(end_ns) if end_ns > int(whole.read1_ns[0]) else edge(0.0)
    elif later is not None:
        since_s = max(0.0, (last_ns - begin_ns) / NS_PER_S)
        reasons.append(f"it began anew after the reading {since_s:.3f} s from the begin: what was counted from there to its end is lost")
    else:
        reasons.append(f"its last reading stands {(end_ns - last_ns) / NS_PER_S:.3f} s before the end")
    low = max(0.0, high_edge[1] - low_edge[2])
    if reasons:
        return Count.none("; ".join(reasons), low)
    half = math.hypot(*(max(value - least, most - value) for value, least, most in (low_edge, high_edge)))
    return Count(high_edge[0] - low_edge[0], low, high_edge[2] - low_edge[1], half=half)


def edge(value: float) -> tuple[float, float, float]:
    """A value that is known exactly."""
    return value, value, value


def runs_of(series: Series, uptime: Series | None) -> list[Run]:
    """The usable readings, cut where the counter fell, was marked as reset, or its process was started anew."""
    series = series.integrable()
    n = len(series)
    if not n:
        return []
    starts = starts_ns(series, uptime)
    new = np.concatenate(([False], (np.diff(series.value) < 0) | (series.quality[1:] == Quality.RESET)))
    before = np.maximum.accumulate(starts)
    new[1:] |= (starts[1:] > 0) & (before[:-1] > 0) & (starts[1:] - before[:-1] > 2 * START_UNC_NS)
    read0 = series.t_ns if series.t_read0_ns is None else series.t_read0_ns
    read1 = series.t_ns if series.t_read1_ns is None else series.t_read1_ns
    cuts = [0, *np.flatnonzero(new).tolist(), n]
    runs = []
    for a, b in itertools.pairwise(cuts):
        born = int(starts[a]) if starts[a] > 0 else None
        if a and born is not None and born < int(read0[a - 1]) - START_UNC_NS:
            born = None  # the process was there before: only a part of what is counted is new
        runs.append(Run(series.t_ns[a:b], read0[a:b], read1[a:b], series.value[a:b], born))
    return runs


def starts_ns(series: Series, uptime: Series | None) -> Int64:
    """When the process behind each reading was started, 0 where nobody told, int64[n]."""
    found = np.zeros(len(series), dtype=np.int64)
    if uptime is None or not len(known := uptime.integrable()):
        return found
    at = np.minimum(np.searchsorted(known.t_ns, series.t_ns), len(known) - 1)
    same = known.t_ns[at] == series.t_ns
    scale = round(10 ** (uptime.meter.exponent + 3)) if uptime.meter.exponent >= -3 else 0
    return np.where(same, series.t_ns - known.value[at] * scale * NS_PER_MS, found)


def standing(series: Series | None, t_ns: int) -> int | None:
    """What a gauge showed last at or before `t_ns`; None where it showed nothing."""
    if series is None:
        return None
    known = series.integrable()
    row = int(np.searchsorted(known.t_ns, t_ns, side="right")) - 1
    return int(known.value[row]) if row >= 0 else None
