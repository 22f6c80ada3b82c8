"""How steady a stretch of power or temperature is: its scatter and its slope, by the times as they are, however unequal their spacing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from joulemark.energy.counters import refreshes
from joulemark.energy.series import Float64, Int64, Series
from joulemark.errors import InsufficientData
from joulemark.readings import Quantity
from joulemark.units import NS_PER_S

FEWEST: Final = 3
"""Two points lie on every line: they say nothing of its uncertainty."""
S_PER_MIN: Final = 60.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Readings of a stretch of time: `t_s` float64[n], seconds from any zero, rising; `value` float64[n]."""

    t_s: Float64
    value: Float64

    @property
    def mean(self) -> float:
        """The mean over time: the trapezoid over the length, so that a cluster of readings weighs what it lasts."""
        area = np.dot((self.value[1:] + self.value[:-1]) / 2.0, np.diff(self.t_s))
        return float(area / (self.t_s[-1] - self.t_s[0]))

    @property
    def cv(self) -> float:
        """Standard deviation of the readings over the mean."""
        return float(np.std(self.value, ddof=1)) / abs(self.mean)

    @property
    def slope_per_min(self) -> float:
        """Slope of the least-squares line, in the unit of the values per minute."""
        off_s = self.t_s - self.t_s.mean()
        return float(np.dot(off_s, self.value) / np.dot(off_s, off_s)) * S_PER_MIN

    @property
    def u_slope_per_min(self) -> float:
        """Standard uncertainty of the slope, from the residuals of the line, n - 2 degrees of freedom."""
        off_s = self.t_s - self.t_s.mean()
        residual = self.value - self.value.mean() - self.slope_per_min / S_PER_MIN * off_s
        return math.sqrt(float(np.dot(residual, residual)) / (len(off_s) - 2) / float(np.dot(off_s, off_s))) * S_PER_MIN

    @property
    def drift_rel_per_min(self) -> float:
        """What is left of the slope beyond twice its uncertainty, relative to the mean, per minute; 0 where nothing is (PHA-3)."""
        return max(0.0, abs(self.slope_per_min) - 2.0 * self.u_slope_per_min) / abs(self.mean)

    @classmethod
    def of(cls, t_ns: Int64, value: Float64, *, begin_ns: int, end_ns: int) -> Self | None:
        """The readings in [begin_ns, end_ns]; None for fewer than three."""
        inside = (t_ns >= begin_ns) & (t_ns <= end_ns)
        return None if int(inside.sum()) < FEWEST else cls((t_ns[inside] - begin_ns) / NS_PER_S, value[inside])


def power_of(series: Series) -> tuple[Int64, Float64]:
    """(t_ns int64[n], W float64[n]): the positive readings of a power; the slopes of a counter, each midway between two refreshes."""
    if series.meter.quantity is Quantity.ENERGY_COUNTER:
        try:
            points = refreshes(series)
        except InsufficientData:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        slopes = points.slopes_w()
        known = np.isfinite(slopes)
        return (points.t_ns[:-1] + np.diff(points.t_ns) // 2)[known], slopes[known]
    good = series.integrable()
    watts = good.si()
    return good.t_ns[watts > 0], watts[watts > 0]


def together(series: Sequence[Series], begin_ns: int, end_ns: int) -> Stretch | None:
    """The power of all `series` added up by time: at the readings of the slowest, the others interpolated.

    None where one of them has fewer than three readings in the stretch: a sum without a part is no sum.
    """
    traces = [power_of(one) for one in series]
    inside = [(t_ns >= begin_ns) & (t_ns <= end_ns) for t_ns, _ in traces]
    if not traces or min(int(rows.sum()) for rows in inside) < FEWEST:
        return None
    slowest = min(range(len(traces)), key=lambda place: int(inside[place].sum()))
    at_ns = traces[slowest][0][inside[slowest]]
    total = np.sum([np.interp(at_ns, t_ns, watts) for t_ns, watts in traces], axis=0)
    return Stretch.of(at_ns, total, begin_ns=begin_ns, end_ns=end_ns)
