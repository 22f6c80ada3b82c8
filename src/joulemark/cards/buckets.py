"""A line of power in buckets: of each stretch of time the lowest, the mean and the highest reading, so that no spike vanishes.

A stretch without a reading has no row, since a slow meter says nothing there; a gap has one row without power, so that the line is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from joulemark.cards.trace import Trace
from joulemark.energy.series import Float64, Int64

DIGITS: Final = 3
"""Decimals of a power in the JSON: milliwatts."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """Rows in order of time. `t_ns`: the mean time of the readings of a row; the powers are in W, NaN in the row of a gap."""

    t_ns: Int64
    low_w: Float64
    mean_w: Float64
    high_w: Float64

    @classmethod
    def of(cls, line: Trace, begin_ns: int, end_ns: int, *, count: int) -> Buckets:
        """The readings of `line` in [begin_ns, end_ns] in `count` equal stretches.

        A stretch with a gap inside gives a row for what lies before the first gap, and one for the rest: 3 * `count` rows at most.
        """
        inside = (line.t_ns >= begin_ns) & (line.t_ns <= end_ns)
        rows = np.flatnonzero(inside & np.isfinite(line.power_w))
        if len(rows) == 0:
            return cls(np.zeros(0, dtype=np.int64), *(np.zeros(0) for _ in range(3)))
        t_ns, power_w = line.t_ns[rows], line.power_w[rows]
        width_ns = max(1, -(-(end_ns - begin_ns) // count))
        lost = np.cumsum(~np.isfinite(line.power_w))[rows]
        bucket = (t_ns - begin_ns) // width_ns
        first = np.flatnonzero(np.diff(bucket, prepend=-1))
        before = np.repeat(lost[first], np.diff(first, append=len(rows)))
        group = 2 * bucket + np.minimum(lost - before, 1)
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        sizes = np.diff(starts, append=len(rows))
        offsets = np.add.reduceat((t_ns - begin_ns).astype(np.float64), starts) / sizes
        found = cls(
            begin_ns + np.rint(offsets).astype(np.int64),
            np.minimum.reduceat(power_w, starts),
            np.add.reduceat(power_w, starts) / sizes,
            np.maximum.reduceat(power_w, starts),
        )
        opened = 1 + np.flatnonzero(lost[starts[1:]] > lost[starts[1:] - 1])
        last_ns, next_ns = t_ns[starts[opened] - 1], t_ns[starts[opened]]
        return found.with_gaps(opened, last_ns + (next_ns - last_ns) // 2)

    def with_gaps(self, places: Int64, at_ns: Int64) -> Buckets:
        """The same with a row without power before each of `places`, at the times `at_ns`."""
        powers = (np.insert(power, places, np.nan) for power in (self.low_w, self.mean_w, self.high_w))
        return Buckets(np.insert(self.t_ns, places, at_ns), *powers)

    def line(self, boundary: str, meters: int) -> Trace:
        """The lowest and the highest reading of each row as a line of their own, one after the other, broken where the first one is."""
        t_ns = np.stack((self.t_ns, self.t_ns + 1), axis=1).reshape(-1)
        return Trace(boundary, meters, t_ns, np.stack((self.low_w, self.high_w), axis=1).reshape(-1))

    def to_json(self, begin_ns: int) -> dict[str, Any]:
        """Columns: `t_ms`, whole milliseconds since `begin_ns`, and the powers in W, null in a gap."""
        powers = {"low_w": self.low_w, "mean_w": self.mean_w, "high_w": self.high_w}
        return {"t_ms": ((self.t_ns - begin_ns) // 1_000_000).tolist(), **{name: listed(power) for name, power in powers.items()}}


def listed(power_w: Float64) -> list[float | None]:
    """Powers as JSON has them."""
    return [None if power != power else round(power, DIGITS) for power in power_w.tolist()]
