"""Power close to a moment: what tells a steady load at the edge of a window from one that starts or stops there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from joulemark.energy.counters import Refreshes
from joulemark.energy.series import Float64, Int64
from joulemark.units import NS_PER_S


@dataclass(frozen=True, slots=True)
class PowerTrace:
    """Power over spans of time, in order: readings are spans of length 0, counter slopes last from refresh to refresh.

    `begin_ns`, `end_ns`: int64[n]; `power_w`: float64[n]. `interval_s`: how far apart two of them stand; a look around
    reaches that much further, so that the last value before and the first one after are always seen. `averaging_window_s`: over how
    long each of them is a mean beyond its span.
    """

    begin_ns: Int64
    end_ns: Int64
    power_w: Float64
    interval_s: float
    averaging_window_s: float = 0.0

    @classmethod
    def of_readings(cls, t_ns: Int64, power_w: Float64, interval_s: float, *, averaging_window_s: float = 0.0) -> Self:
        """Power readings."""
        return cls(t_ns, t_ns, power_w, interval_s, averaging_window_s)

    @classmethod
    def of_counter(cls, points: Refreshes) -> Self:
        """Mean power between refreshes, without the ones a reset spoilt."""
        slopes = points.slopes_w()
        known = np.isfinite(slopes)
        return cls(points.t_ns[:-1][known], points.t_ns[1:][known], slopes[known], 0.0)

    def near(self, at_ns: int, reach_s: float) -> Float64:
        """Powers that touch the span of +-(`reach_s` + interval) around `at_ns`, float64[m]."""
        reach_ns = round((reach_s + self.interval_s) * NS_PER_S)
        first = int(np.searchsorted(self.end_ns, at_ns - reach_ns, side="left"))
        last = int(np.searchsorted(self.begin_ns, at_ns + reach_ns, side="right"))
        return self.power_w[first:last]

    def within(self, begin_ns: int, end_ns: int) -> Float64:
        """Powers of spans that lie in [begin, end], float64[m]; none of a meter whose means reach further than that."""
        if self.averaging_window_s * NS_PER_S > end_ns - begin_ns:
            return self.power_w[:0]
        first = int(np.searchsorted(self.begin_ns, begin_ns, side="left"))
        return self.power_w[first : max(first, int(np.searchsorted(self.end_ns, end_ns, side="right")))]


@dataclass(frozen=True, slots=True)
class Level:
    """Lowest and highest power around a moment, in W."""

    low_w: float
    high_w: float

    @property
    def swing_w(self) -> float:
        """Their difference: what starting or stopping load is worth; about 0 where the load is steady."""
        return self.high_w - self.low_w


def level(traces: Sequence[PowerTrace], at_ns: int, reach_s: float) -> Level | None:
    """The level of all `traces` together near `at_ns`; None where none of them has a value there."""
    near = [power for trace in traces if len(power := trace.near(at_ns, reach_s))]
    if not near:
        return None
    return Level(min(float(p.min()) for p in near), max(float(p.max()) for p in near))
