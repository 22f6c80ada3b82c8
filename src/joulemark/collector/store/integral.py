"""Energy of any span from a power's exact sums: whole chunks are never read, only those in which the span begins or ends.

The integral is that of the power that is linear between readings, in whole numbers, so it is bit for bit what reading everything and
adding up gives. A chunk's sum stands for it only where that holds: the chunks of a span that overlap, that repeat a device's stamp
across their border, or that were sealed before sums told enough, are read; and so is everything while a clock was stepped.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from operator import add, mul, sub
from typing import Final, Self

import numpy as np

from joulemark.collector.store.base import ENCLOSING_NS, Described, Integral
from joulemark.collector.store.chunks import LOCAL, NO_CHUNK, Chunks, Row
from joulemark.collector.store.columns import Columns, FirstClock, double_integral
from joulemark.collector.store.pieces import SLACK_NS, Catalogue, Piece, first_clocks, logged, merged, series_of
from joulemark.collector.store.sums import alone, runs, with_hours
from joulemark.energy.series import Int64, Series
from joulemark.errors import UsageError
from joulemark.readings import MeterInfo, Quantity

ALL_NS: Final = (-(2**62), 2**62)


def counted(series: Series) -> Series:
    """What an energy is made of: integrable readings at distinct times, of a power those above 0 W (SMP-11)."""
    good = series.integrable()
    if good.meter.quantity is not Quantity.POWER:
        return good
    positive = good.value > 0
    return good if positive.all() else good.rows(positive)


@dataclass(frozen=True, slots=True)
class Points:
    """Readings of one meter, read: int64[n] each, `gaps_ns` int64[n-1]. `narrow`: 64 bits hold every sum of them."""

    t_ns: Int64
    value: Int64
    gaps_ns: Int64
    narrow: bool

    @classmethod
    def of(cls, t_ns: Int64, value: Int64, gaps_ns: Int64 | None = None) -> Self:
        """Those of a series that counts, all above 0."""
        largest = 2 * int(value.max())
        narrow = largest < 2**62 and (int(t_ns[-1]) - int(t_ns[0])) * largest < 2**63
        return cls(t_ns, value, np.diff(t_ns) if gaps_ns is None else gaps_ns, narrow)

    def until(self, row: int) -> int:
        """Twice the integral from the first reading to that of `row`."""
        if self.narrow:
            return int(np.dot(self.gaps_ns[:row], self.value[1 : row + 1] + self.value[:row]))
        return double_integral(self.t_ns[: row + 1], self.value[: row + 1])

    def summed(self) -> Row:
        """The row that they would have in `chunk_sum`, without a chunk."""
        t_ns, value, last = self.t_ns, self.value, len(self.t_ns) - 1
        longest_ns = int(self.gaps_ns.max(initial=0))
        ends = int(t_ns[0]), int(t_ns[-1]), len(t_ns), int(value[0]), int(value[-1])
        return Row(NO_CHUNK, *ends, self.until(last), longest_ns, None, None)


@dataclass(frozen=True)
class Store:
    """An open readings.db, the sealed chunks, and what all meters of one question share: what still stands in the log around its time,
    by device, and the agents whose clock may have been stepped then.
    """

    db: sqlite3.Connection
    catalogue: Catalogue
    clocks: Mapping[tuple[str, int], FirstClock]
    late: Mapping[str, Sequence[Piece]]
    stepped: frozenset[str]
    chunks: Chunks = LOCAL

    @classmethod
    def around(cls, db: sqlite3.Connection, device_ids: Collection[str], begin_ns: int, end_ns: int, chunks: Chunks) -> Self:
        """For a question about devices and a span."""
        catalogue, span = Catalogue.load(db, device_ids), (begin_ns - ENCLOSING_NS - SLACK_NS, end_ns + ENCLOSING_NS + SLACK_NS)
        late = logged(db, catalogue, {device_id: [] for device_id in device_ids}, *span)
        query = "SELECT DISTINCT agent_id FROM clock_step WHERE t_ns - unc_ns <= ? AND t_ns + unc_ns >= ?"
        stepped = frozenset(agent_id for (agent_id,) in db.execute(query, span[::-1]))
        return cls(db, catalogue, first_clocks(db), late, stepped, chunks)

    @cached_property
    def described(self) -> dict[int, Described]:
        """Every description by its row."""
        return {d.row: d for history in self.catalogue.by_device.values() for d in history}

    def rescaled(self, meter: MeterInfo) -> bool:
        """Whether the values of a meter ever meant something else than they do now."""
        histories = [history for (_, device_id), history in self.catalogue.by_device.items() if device_id == meter.device_id]
        meters = [m for history in histories for d in history for m in d.device.meters if m.meter_id == meter.meter_id]
        return any((m.quantity, m.exponent, m.modulus) != (meter.quantity, meter.exponent, meter.modulus) for m in meters)

    def redated(self, device_id: str) -> bool:
        """Whether the clock of an agent that reads the device may have been stepped: its stamps are dated anew."""
        return any(known == device_id and agent_id in self.stepped for agent_id, known in self.catalogue.by_device)

    def points(self, meter: MeterInfo, chunks: Sequence[int], late: Sequence[Piece] = ()) -> Points | None:
        """The readings of `chunks` and of the log together; None where none of them counts. Raises UsageError for two scales."""
        parts = []
        for _, agent_id, epoch_ns, device, _, _, _, layout, body in self.chunks.numbered(self.db, chunks):
            then = self.described[device].device.meters
            index = [one.meter_id for one in then].index(meter.meter_id)
            opened = Columns.plain(layout, body, index) if len(chunks) == 1 and not late else None
            if opened is not None and (plain := undated(opened[0] - then[index].lag_ns, opened[1])) is not None:
                return plain
            parts.append(Piece(self.described[device], Columns.unseal(layout, body, only=index), self.clocks.get((agent_id, epoch_ns))))
        found = [good for one in series_of(meter.meter_id, merged([*parts, *late]), *ALL_NS) if len(good := counted(one))]
        if len(found) > 1 or any(one.meter.exponent != meter.exponent for one in found):
            raise UsageError(f"{meter.meter_id} changed its scale in that time", "ask for the time before and after that")
        return Points.of(found[0].t_ns, found[0].value) if found else None


class Ledger:
    """The readings of one power around a span of time: rows that do not overlap, in order, and what was read of their chunks."""

    def __init__(self, store: Store, meter: MeterInfo, edges_ns: Sequence[int]) -> None:
        """Everything from before the first of `edges_ns` (sorted: begins and ends of spans) until after the last. Raises UsageError where
        the meter's scale changed in between.
        """
        self.meter, self._store = meter, store
        self._read: dict[int, Points] = {}
        late, apart = store.late[meter.device_id], store.rescaled(meter) or store.redated(meter.device_id)
        around = store.db, meter.meter_id, edges_ns[0] - ENCLOSING_NS, edges_ns[-1] + ENCLOSING_NS
        found = store.chunks.sums(*around) if apart else with_hours(store.chunks, *around, edges_ns)
        single = alone(found)
        if not apart and not single:
            found = store.chunks.sums(*around)
            single = alone(found)
        if late or apart or not single:
            rows = [Row._make(row) for row in found]
            found = self._joined([rows] if apart and rows else runs(rows), late, believed=not apart)
        columns: Sequence[Sequence[int]] = list(zip(*found, strict=True)) or [()] * len(Row._fields)
        self._chunks, begins, ends, readings, firsts, lasts, doubles, self._longest, *_ = columns
        self._begins, self._ends, self._firsts, self._lasts = begins, ends, firsts, lasts
        links = map(mul, map(sub, begins[1:], ends), map(add, firsts[1:], lasts))
        whole = [int(double) for double in doubles]
        self._before = [0, *accumulate(map(add, whole, links))]
        self._until_end = list(map(add, self._before, whole))
        self._counts = [0, *accumulate(readings)]

    def _joined(self, groups: list[list[Row]], late: Sequence[Piece], *, believed: bool) -> list[Row]:
        """One row for each group, read where no sum stands for it, or none is `believed`; the log is read with the chunks that it continues
        or overlaps.
        """
        tail = self._last(groups) if late and groups else []
        newest = self._store.points(self.meter, [row.chunk for row in tail], late) if late else None
        while groups and newest is not None and max(row.t1_ns for row in groups[-1]) >= newest.t_ns[0]:
            tail = self._last(groups) + tail
            newest = self._store.points(self.meter, [row.chunk for row in tail], late)
        rows = []
        for group in groups:
            if believed and len(group) == 1 and group[0].longest_ns is not None:
                rows.append(group[0])
            elif (points := self._store.points(self.meter, [row.chunk for row in group])) is not None:
                self._read[len(rows)] = points
                rows.append(points.summed())
        if newest is not None:
            self._read[len(rows)] = newest
            rows.append(newest.summed())
        return rows

    def _last(self, groups: list[list[Row]]) -> list[Row]:
        """Take the last group away; the row of an hour gives way to those of its chunks first."""
        last = groups[-1][-1]
        if last.chunk == NO_CHUNK:
            groups[-1:] = [[Row._make(row)] for row in self._store.chunks.sums(self._store.db, self.meter.meter_id, last.t0_ns, last.t1_ns)]
        return groups.pop()

    def integral(self, begin_ns: int, end_ns: int) -> Integral | None:
        """Over a span; None where a reading is missing on one side of it."""
        left, right = self._neighbour(begin_ns, before=True), self._neighbour(end_ns, before=False)
        if left is None or right is None or begin_ns - left > ENCLOSING_NS or right - end_ns > ENCLOSING_NS:
            return None
        (below, until, first), (above, after, last) = self._until(begin_ns), self._until(end_ns)
        edges = Fraction(last[0] * first[1] - first[0] * last[1], first[1] * last[1])
        readings = above - below + (left == begin_ns)
        return Integral(self.meter, begin_ns, end_ns, after - until + edges, readings, self._longest_ns(begin_ns, end_ns))

    def _points(self, place: int) -> Points:
        """What a row stands for, read now if it was not."""
        if place not in self._read:
            points = self._store.points(self.meter, [self._chunks[place]])
            assert points is not None, "a sum stands for readings"
            self._read[place] = points
        return self._read[place]

    def _neighbour(self, at_ns: int, *, before: bool) -> int | None:
        """When the last reading at or before `at_ns` was, or the first at or after it."""
        place = bisect_right(self._begins, at_ns) - 1 if before else bisect_left(self._ends, at_ns)
        if place < 0 or place == len(self._ends):
            return None
        if before and self._ends[place] <= at_ns:
            return self._ends[place]
        if not before and self._begins[place] >= at_ns:
            return self._begins[place]
        t_ns = self._points(place).t_ns
        return int(t_ns[np.searchsorted(t_ns, at_ns, "right") - 1] if before else t_ns[np.searchsorted(t_ns, at_ns, "left")])

    def _until(self, at_ns: int) -> tuple[int, int, tuple[int, int]]:
        """From the first reading until `at_ns`, which lies between two: readings, twice the integral to the last of them, and the rest of
        it as a numerator and a denominator.
        """
        place = bisect_right(self._begins, at_ns) - 1
        end_ns = self._ends[place]
        if at_ns >= end_ns:
            after = (self._begins[place + 1], self._firsts[place + 1]) if at_ns > end_ns else (end_ns + 1, 0)
            return self._counts[place + 1], self._until_end[place], partial((end_ns, self._lasts[place]), after, at_ns)
        points = self._points(place)
        at = int(np.searchsorted(points.t_ns, at_ns, "right"))
        (t0_ns, t1_ns), (v0, v1) = points.t_ns[at - 1 : at + 1].tolist(), points.value[at - 1 : at + 1].tolist()
        return self._counts[place] + at, self._before[place] + points.until(at - 1), partial((t0_ns, v0), (t1_ns, v1), at_ns)

    def _longest_ns(self, begin_ns: int, end_ns: int) -> int:
        """The longest time between neighbours of which at least a part lies in the span."""
        first, last = bisect_right(self._begins, begin_ns) - 1, bisect_left(self._ends, end_ns)
        borders = zip(self._ends[first:last], self._begins[first + 1 : last + 1], strict=True)
        inside = [b - a for a, b in borders if b > begin_ns and a < end_ns]
        edges = [place for place in {first, last} if not begin_ns <= self._begins[place] <= self._ends[place] <= end_ns]
        for place in edges:
            if self._ends[place] > begin_ns and self._begins[place] < end_ns:
                points = self._points(place)
                a, b = int(np.searchsorted(points.t_ns, begin_ns, "right")) - 1, int(np.searchsorted(points.t_ns, end_ns, "left"))
                inside.append(int(points.gaps_ns[max(0, a) : b].max(initial=0)))
        whole = self._longest[first + (first in edges) : last + (last not in edges)]
        return max(*inside, *whole, 0, 0)


def partial(last: tuple[int, int], after: tuple[int, int], at_ns: int) -> tuple[int, int]:
    """Twice the integral from the reading `last` until `at_ns` on the straight line to the reading `after`: numerator, denominator."""
    passed, width = at_ns - last[0], after[0] - last[0]
    return passed * (2 * last[1] * width + (after[1] - last[1]) * passed), width


def undated(t_ns: Int64, value: Int64) -> Points | None:
    """The readings of a meter whose rows are all ok and dated by their read: what dating and sorting its series gives, where they are above
    0 and time rises; None where that is not so.
    """
    gaps_ns = np.diff(t_ns)
    return Points.of(t_ns, value, gaps_ns) if value.min() > 0 and gaps_ns.min(initial=1) > 0 else None


def integrals(
    db: sqlite3.Connection, meter_ids: Sequence[str], spans: Sequence[tuple[int, int]], *, chunks: Chunks = LOCAL
) -> list[list[Integral | None]]:
    """For each meter, in the order asked, its integral over each span (begin, end in ns on the axis); None where a reading is missing.

    Raises UsageError for a meter that shows no power, that nobody described, or whose scale changed meanwhile.
    """
    edges_ns = sorted(edge_ns for span in spans for edge_ns in span)
    store = Store.around(db, {meter_id.rsplit(":", 1)[0] for meter_id in meter_ids}, edges_ns[0], edges_ns[-1], chunks)
    known = {meter.meter_id: meter for d in store.catalogue.newest() for meter in d.device.meters}
    found: list[list[Integral | None]] = []
    for meter_id in meter_ids:
        meter = known.get(meter_id)
        if meter is None or meter.quantity is not Quantity.POWER:
            raise UsageError(f"{meter_id} shows no power", "name a meter of power")
        ledger = Ledger(store, meter, edges_ns)
        found.append([ledger.integral(*span) for span in spans])
    return found
