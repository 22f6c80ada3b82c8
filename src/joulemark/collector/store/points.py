"""Readings of one power between which its integral is asked: times at once, values as far as an edge needs them."""

from __future__ import annotations

import numpy as np

from joulemark.collector.store.chunks import NO_CHUNK, Row
from joulemark.collector.store.columns import NOTHING, Prefix, double_integral
from joulemark.energy.series import Int64


class Points:
    """Readings of one meter at rising times, all above 0: `t_ns` int64[n], `gaps_ns` int64[n-1] between them."""

    __slots__ = ("_known", "_narrow", "_values", "gaps_ns", "t_ns")

    def __init__(self, t_ns: Int64, gaps_ns: Int64, values: Prefix) -> None:
        """`values`: gives the first so many of them, or more."""
        self.t_ns, self.gaps_ns = t_ns, gaps_ns
        self._values, self._known, self._narrow = values, NOTHING, True

    def value(self, count: int) -> Int64:
        """The first `count` values, or more, int64. Who asks for more than before gets all: what is decoded is decoded twice at most."""
        if len(self._known) < count:
            self._known = self._values(len(self.t_ns) if len(self._known) else count)
            largest = 2 * int(np.maximum.reduce(self._known))
            long_ns = int(self.t_ns[len(self._known) - 1]) - int(self.t_ns[0])
            self._narrow = largest < 2**62 and long_ns * largest < 2**63  # 64 bits hold every sum of them
        return self._known

    def until(self, row: int) -> int:
        """Twice the integral from the first reading to that of `row`."""
        value = self.value(row + 1)
        if self._narrow:
            return int(np.dot(self.gaps_ns[:row], value[1 : row + 1] + value[:row]))
        return double_integral(self.t_ns[: row + 1], value[: row + 1])

    def summed(self) -> Row:
        """The row that they would have in `chunk_sum`, without a chunk."""
        t_ns, count = self.t_ns, len(self.t_ns)
        value = self.value(count)
        longest_ns = int(self.gaps_ns.max(initial=0))
        ends = int(t_ns[0]), int(t_ns[-1]), count, int(value[0]), int(value[count - 1])
        return Row(NO_CHUNK, *ends, self.until(count - 1), longest_ns, None, None)


def whole(column: Int64) -> Prefix:
    """All of a column that is at hand, however much of it is asked for."""
    return lambda _: column


def points_of(t_ns: Int64, value: Int64) -> Points:
    """Those of a series that counts (see `integral.counted`)."""
    return Points(t_ns, t_ns[1:] - t_ns[:-1], whole(value))


def undated(t_ns: Int64, values: Prefix, *, counted: int | None = None) -> Points | None:
    """The readings of a meter whose rows are all ok and dated by their read: what dating and sorting its series gives, where they are above
    0 and time rises; None where that is not so. `counted`: how many a sum counts, which are all of them only where all are above 0.
    """
    gaps_ns, count = t_ns[1:] - t_ns[:-1], len(t_ns)
    if count > 1 and np.minimum.reduce(gaps_ns) <= 0:
        return None
    return Points(t_ns, gaps_ns, values) if counted == count or values(count).min() > 0 else None
