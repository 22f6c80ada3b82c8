"""Power that stands still while something that it must follow moves: a frozen meter that has no clock to show it (SMP-6).

A steady load is no fault, so a long run of one raw value is not enough. It is frozen only where another stream of the same node,
which watches the same thing or a part of it, moved by more than this meter could have missed. What an idle neighbour does is no
evidence, and nor is a wave too fast for the meter: averages over a third of the shortest suspect run are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from joulemark.energy.cords import SINGLE, hosts, named, seen
from joulemark.energy.counters import refreshes
from joulemark.energy.series import Float64, Int64, Series
from joulemark.errors import InsufficientData
from joulemark.readings import Boundary, Quality, Quantity
from joulemark.units import NS_PER_S

FROZEN_PERIODS: Final = 10
FROZEN_S: Final = 30.0
"""A value is suspect after the longer of ten update periods and 30 s (SMP-6)."""
STEPS: Final = 3
"""The other stream must have moved by more than this many steps of the meter (SMP-6) ..."""
SHARE: Final = 0.01
"""... and by more than this share of its value: BMC firmware holds small changes back."""

TRIANGLE: Final = (np.arange(64) + 0.5) / 64 - 0.5
"""Where a width is looked at when energy is averaged over it."""

PARTS: Final = frozenset({Boundary.GPU, Boundary.MODULE, Boundary.PACKAGE})
WHOLES: Final = frozenset({Boundary.PSU_INPUT, Boundary.SERVER_INPUT, Boundary.OUTLET, Boundary.WALL_ANALYZER})
"""What contains the parts of its node. The meters of a rack or a feed also see other nodes."""


@dataclass(frozen=True, slots=True)
class Witness:
    """Energy of a stream from an arbitrary zero: `energy_j` float64[n] at `t_ns` int64[n]."""

    meter_id: str
    t_ns: Int64
    energy_j: Float64

    def means_w(self, begin_ns: int, end_ns: int, width_ns: int) -> Float64:
        """Power between `begin_ns` and `end_ns` as far as the stream reaches, in steps of `width_ns`.

        Each mean is weighted by a triangle of twice that width: a plain mean would move with the part of a fast wave's period that
        it cuts off.
        """
        first_ns, last_ns = max(begin_ns, int(self.t_ns[0])), min(end_ns, int(self.t_ns[-1]))
        edges_s = np.arange(first_ns + width_ns // 2, last_ns - width_ns // 2 + 1, width_ns, dtype=np.int64) - self.t_ns[0]
        around_s = (edges_s[:, np.newaxis] + width_ns * TRIANGLE) / NS_PER_S
        blurred_j = np.interp(around_s, (self.t_ns - self.t_ns[0]) / NS_PER_S, self.energy_j).mean(axis=1)
        return np.asarray(np.diff(blurred_j) / (width_ns / NS_PER_S))


def marked(series: Sequence[Series]) -> list[Series]:
    """`series` with every reading of a frozen power, but the first of its value, marked stale and why. The others are untouched."""
    cords = named(series)
    return [
        one if one.meter.quantity is not Quantity.POWER else judged(one, [other for other in series if follows(one, other, cords)])
        for one in series
    ]


def follows(one: Series, other: Series, cords: Sequence[str] = ()) -> bool:
    """Whether `one` is a power that must move with `other`: the same thing seen by another stream, or a part of it, in the same node.

    Two outlets of a strip feed two things, and an outlet of no known cord may feed another machine than the one that reads it.
    """
    a, b = one.meter, other.meter
    if a.quantity is not Quantity.POWER or a.meter_id == b.meter_id or not hosts([one], cords) & hosts([other], cords):
        return False
    if a.covers == b.covers if a.covers and b.covers else a.device_id == b.device_id:
        return a.boundary is b.boundary
    if cords and a.boundary in SINGLE and not seen(a, cords):
        return False
    return a.boundary in WHOLES and b.boundary in PARTS


def judged(series: Series, others: Sequence[Series]) -> Series:
    """`series` with its frozen readings marked stale, by what `others` did meanwhile."""
    runs = still_runs(series) if others else []
    witnesses = [found for other in others if (found := witness(other)) is not None] if runs else []
    quality, reasons = series.quality.copy(), dict(series.reasons)
    for rows in runs:
        if (why := proof(series, rows, witnesses)) is not None:
            late = rows[1:]
            quality[late] = Quality.STALE
            reasons.update(dict.fromkeys(late.tolist(), why))
    return series if (quality == series.quality).all() else replace(series, quality=quality, reasons=reasons)


def still_runs(series: Series) -> list[Int64]:
    """Row numbers of each run of one raw value that lasts longer than a meter may stand still; other rows are passed over."""
    usable = np.flatnonzero(series.quality == Quality.OK)
    if len(usable) < 2:
        return []
    edges = np.concatenate(([0], np.flatnonzero(np.diff(series.value[usable])) + 1, [len(usable)]))
    begins, ends = edges[:-1], edges[1:]
    long = series.t_ns[usable[ends - 1]] - series.t_ns[usable[begins]] > limit_ns(series)
    return [usable[begin:end] for begin, end in zip(begins[long], ends[long], strict=True)]


def limit_ns(series: Series) -> int:
    """How long a value may stand."""
    period_s = series.meter.update_period_measured_s or series.meter.update_period_s or 0.0
    return round(max(FROZEN_PERIODS * period_s, FROZEN_S) * NS_PER_S)


def witness(series: Series) -> Witness | None:
    """What `series` can tell of power over time; None for too few readings, and for a counter that was reset."""
    if series.meter.quantity is Quantity.ENERGY_COUNTER:
        try:
            points = refreshes(series)
        except InsufficientData:
            return None
        return None if len(points) < 2 or points.segment[-1] else Witness(series.meter.meter_id, points.t_ns, points.energy_j)
    good = series.integrable()
    good = good.rows(good.value > 0)
    if len(good) < 2:
        return None
    power, seconds = good.si(), np.diff(good.t_ns) / NS_PER_S
    return Witness(series.meter.meter_id, good.t_ns, np.concatenate(([0.0], np.cumsum((power[1:] + power[:-1]) / 2 * seconds))))


def proof(series: Series, rows: Int64, witnesses: Sequence[Witness]) -> str | None:
    """Who moved while the power stood still in `rows`, and by how much; None where nobody did."""
    begin_ns, end_ns = int(series.t_ns[rows[0]]), int(series.t_ns[rows[-1]])
    width_ns = max(limit_ns(series) // 3, round((series.meter.averaging_window_s or 0.0) * NS_PER_S))
    missed_w = max(STEPS * step_w(series), SHARE * abs(series.meter.si(int(series.value[rows[0]]))))
    for one in witnesses:
        means_w = one.means_w(begin_ns, end_ns, width_ns)
        if len(means_w) > 1 and float(np.ptp(means_w)) > missed_w:
            return f"unchanged for {(end_ns - begin_ns) / NS_PER_S:.0f} s while {one.meter_id} moved by {float(np.ptp(means_w)):.3g} W"
    return None


def step_w(series: Series) -> float:
    """The finest step that the meter has shown; its resolution where it showed one value only."""
    shown = np.unique(series.value[series.quality == Quality.OK])
    return series.meter.si(int(np.diff(shown).min()) if len(shown) > 1 else 1)
