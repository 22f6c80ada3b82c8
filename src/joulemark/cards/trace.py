"""Power over time as it enters a card: of each boundary one line, the sum of its devices, corrected as the energy is, broken at gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Self

import numpy as np

from joulemark.calibration.in_force import in_force
from joulemark.cards.compute import levels
from joulemark.cards.evidence import Evidence
from joulemark.energy.alignment import Applied
from joulemark.energy.cords import named
from joulemark.energy.device import devices
from joulemark.energy.estimate import source_of
from joulemark.energy.frozen import marked
from joulemark.energy.integrate import GAP_FACTOR, nominal_interval_s
from joulemark.energy.series import Float64, Int64, Series
from joulemark.errors import InsufficientData
from joulemark.readings import Quantity
from joulemark.units import NS_PER_S

Part = tuple[Int64, Float64, float]
"""Times and power of one device, and how often its meter is read apart from bursts, s; 0 where it is read in none."""


@dataclass(frozen=True, slots=True)
class Trace:
    """`t_ns`: int64[n], rising; `power_w`: float64[n], NaN inside a gap. `meters`: how many devices it is the sum of."""

    boundary: str
    meters: int
    t_ns: Int64
    power_w: Float64

    @classmethod
    def summed(cls, boundary: str, parts: Sequence[Part]) -> Self:
        """The sum of several devices at every time that one of them was read; where one of them is not known, neither is the sum."""
        breaks = [gaps(t_ns, grid_s) for t_ns, _, grid_s in parts]
        middles = [left + (right - left) // 2 for left, right in breaks]
        at_ns = np.unique(np.concatenate([*(t_ns for t_ns, _, _ in parts), *middles]))
        total = np.zeros(len(at_ns))
        for (t_ns, power_w, _), (left, right) in zip(parts, breaks, strict=True):
            power = np.interp(at_ns, t_ns, power_w, left=np.nan, right=np.nan)
            before = np.searchsorted(left, at_ns, side="left") - 1
            inside = (before >= 0) & (at_ns < right[np.maximum(before, 0)]) if len(left) else np.zeros(len(at_ns), dtype=bool)
            power[inside] = np.nan
            total += power
        total[~np.isfinite(total)] = np.nan
        return cls(boundary, len(parts), at_ns, total)

    def missing(self) -> Iterator[tuple[int, int]]:
        """The gaps between two readings, (last reading before, first one after)."""
        known = np.flatnonzero(np.isfinite(self.power_w))
        for place in np.flatnonzero(np.diff(known) > 1):
            yield int(self.t_ns[known[place]]), int(self.t_ns[known[place + 1]])

    def thinned(self, begin_ns: int, end_ns: int, *, parts: int) -> list[tuple[int, float, bool]]:
        """(time, power, whether the line begins anew here) of at most two readings in each of `parts` equal parts of [begin_ns, end_ns].

        Of a part the lowest and the highest stay, so that no peak is lost.
        """
        inside = (self.t_ns >= begin_ns) & (self.t_ns <= end_ns) & np.isfinite(self.power_w)
        rows = np.flatnonzero(inside)
        if len(rows) == 0:
            return []
        width_ns = max(1, -(-(end_ns - begin_ns) // parts))
        firsts = np.flatnonzero(np.diff((self.t_ns[rows] - begin_ns) // width_ns, prepend=-1))
        kept = reduce(lambda found, group: found | extremes(self.power_w, group), np.split(rows, firsts[1:]), set[int]())
        kept |= {int(rows[0]), int(rows[-1])}
        lost = np.cumsum(~np.isfinite(self.power_w))
        order = sorted(kept)
        broken = [True, *(bool(lost[after] > lost[before]) for before, after in pairwise(order))]
        return [(int(self.t_ns[row]), float(self.power_w[row]), anew) for row, anew in zip(order, broken, strict=True)]


def extremes(power_w: Float64, rows: Int64) -> set[int]:
    """The rows of the lowest and of the highest power."""
    return {int(rows[np.argmin(power_w[rows])]), int(rows[np.argmax(power_w[rows])])}


def gaps(t_ns: Int64, grid_s: float = 0.0) -> tuple[Int64, Int64]:
    """(last readings before, first ones after) of every spacing that is a gap by section 1 of the standard, at `grid_s` or more."""
    wide = np.diff(t_ns) > GAP_FACTOR * max(nominal_interval_s(t_ns), grid_s) * NS_PER_S
    return t_ns[:-1][wide], t_ns[1:][wide]


def traces(evidence: Evidence) -> list[Trace]:
    """The line of each boundary, the headline's first; a boundary with a device whose power nobody can draw has none."""
    series = marked([one for one in evidence.series if one.meter.quantity.measures_energy])
    begin_ns = min(window.begin_ns for window in evidence.run.windows)
    applied, _ = in_force([one.record for one in evidence.alignments], at_ns=begin_ns)
    found = []
    for boundary, group in levels(series, named(series)).items():
        try:
            found.append(Trace.summed(str(boundary), [drawn(channels, applied) for channels in devices(group).values()]))
        except InsufficientData:
            continue
    return found


def drawn(channels: Sequence[Series], applied: dict[str, Applied]) -> Part:
    """The part of one device: its power, else what its counter rose by between refreshes, at the middle of each."""
    chosen = min(channels, key=lambda one: one.meter.quantity is not Quantity.POWER)
    trace = source_of(chosen, alignment=applied.get(chosen.meter.meter_id)).trace
    if trace is None or len(trace.begin_ns) == 0:
        raise InsufficientData(f"{chosen.meter.meter_id} shows no power over time", "read it more often")
    return trace.begin_ns + (trace.end_ns - trace.begin_ns) // 2, trace.power_w, chosen.meter.read_interval_s or 0.0
