"""Energy of any span from a power's exact sums: whole chunks are never read, only those in which the span begins or ends.

The integral is that of the power that is linear between readings, in whole numbers, so it is bit for bit what reading everything and
adding up gives. A chunk's sum stands for it only where that holds: the chunks of a span that overlap, that repeat a device's stamp
across their border, or that were sealed before sums told enough, are read; and so is everything while a clock was stepped.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Final

import numpy as np

from joulemark.collector.store.columns import Columns, double_integral
from joulemark.collector.store.pieces import SLACK_NS, Catalogue, Piece, first_clocks, logged, marks, merged, series_of
from joulemark.energy.series import Int64, Series
from joulemark.errors import UsageError
from joulemark.readings import MeterInfo, Quantity
from joulemark.units import NS_PER_S

ENCLOSING_NS: Final = 90 * NS_PER_S
"""A span needs a reading so near on each side: nothing is extrapolated."""
ALL_NS: Final = (-(2**62), 2**62)


def counted(series: Series) -> Series:
    """What an energy is made of: integrable readings at distinct times, of a power those above 0 W (SMP-11)."""
    good = series.integrable()
    if good.meter.quantity is not Quantity.POWER:
        return good
    positive = good.value > 0
    return good if positive.all() else good.rows(positive)


@dataclass(frozen=True, slots=True)
class Integral:
    """A power over [begin_ns, end_ns]. `double`: twice the integral, exactly, in ns times the unit of the meter's values. `readings`:
    how many stand inside; `longest_ns`: the longest time between two neighbours that the span touches. No uncertainty is known of it.
    """

    meter: MeterInfo
    begin_ns: int
    end_ns: int
    double: Fraction
    readings: int
    longest_ns: int

    @property
    def energy_j(self) -> float:
        """The energy, rounded once."""
        return float(self.double * Fraction(10) ** self.meter.exponent / (2 * NS_PER_S))


@dataclass(slots=True)
class Stretch:
    """Readings of one meter in a row: `ends` are the first and the last as (t_ns, value). `double`: twice the integral between them."""

    chunks: tuple[int, ...]
    ends: tuple[tuple[int, int], tuple[int, int]]
    count: int
    double: int
    longest_ns: int
    points: tuple[Int64, Int64] | None = None

    @classmethod
    def of(cls, chunks: tuple[int, ...], t_ns: Int64, value: Int64) -> Stretch:
        """The one that holds these readings."""
        ends = (int(t_ns[0]), int(value[0])), (int(t_ns[-1]), int(value[-1]))
        return cls(chunks, ends, len(t_ns), double_integral(t_ns, value), int(np.diff(t_ns).max(initial=0)), (t_ns, value))


@dataclass(frozen=True, slots=True)
class Row:
    """A row of `chunk_sum`."""

    chunk: int
    t0_ns: int
    t1_ns: int
    count: int
    first: int
    last: int
    double: int
    longest_ns: int | None
    first_stamp_ns: int | None
    last_stamp_ns: int | None

    def stretch(self) -> Stretch:
        """What the sum says of its chunk."""
        ends = (self.t0_ns, self.first), (self.t1_ns, self.last)
        return Stretch((self.chunk,), ends, self.count, int(self.double), self.longest_ns or 0)


@dataclass
class Ledger:
    """The readings of one power around a span of time, in `stretches`; chunks are read when a span begins or ends in them."""

    db: sqlite3.Connection
    meter: MeterInfo
    catalogue: Catalogue
    stretches: list[Stretch] = field(default_factory=list)

    @classmethod
    def load(cls, db: sqlite3.Connection, meter: MeterInfo, catalogue: Catalogue, begin_ns: int, end_ns: int) -> Ledger:
        """Everything of `meter` from before `begin_ns` until after `end_ns`. Raises UsageError where its scale changed in between."""
        ledger = cls(db, meter, catalogue)
        span = begin_ns - ENCLOSING_NS, end_ns + ENCLOSING_NS
        wide = span[0] - SLACK_NS, span[1] + SLACK_NS
        query = """SELECT chunk, t0_ns, t1_ns, n, first, last, double_integral, longest_ns, first_stamp_ns, last_stamp_ns FROM chunk_sum
            WHERE meter_id = ? AND t0_ns <= ? AND t1_ns >= ? ORDER BY t0_ns"""
        rows = [Row(*row) for row in db.execute(query, (meter.meter_id, span[1], span[0]))]
        late = logged(db, catalogue, {meter.device_id: []}, *wide)[meter.device_id]
        groups = [rows] if len(rows) > 1 and (ledger.rescaled or ledger.stepped(*wide)) else runs(rows)
        if late:
            ledger.stretches = ledger.appended(groups, late)
        else:
            ledger.stretches = [found for group in groups for found in ledger.taken(group)]
        ledger.tally()
        return ledger

    @property
    def rescaled(self) -> bool:
        """Whether its values ever meant something else than they do now."""
        meters = [m for history in self.catalogue.by_device.values() for d in history for m in d.device.meters]
        return len({(m.quantity, m.exponent, m.modulus) for m in meters if m.meter_id == self.meter.meter_id}) > 1

    def stepped(self, begin_ns: int, end_ns: int) -> bool:
        """Whether the clock of an agent that reads the meter may have been stepped in that time: its stamps are dated anew."""
        agents = sorted({agent_id for agent_id, _ in self.catalogue.by_device})
        query = f"SELECT 1 FROM clock_step WHERE agent_id IN ({marks(agents)}) AND t_ns - unc_ns <= ? AND t_ns + unc_ns >= ? LIMIT 1"
        return self.db.execute(query, [*agents, end_ns, begin_ns]).fetchone() is not None

    def taken(self, group: Sequence[Row]) -> list[Stretch]:
        """The sum of a chunk that stands for itself, or the readings of all in `group`."""
        if len(group) == 1 and group[0].longest_ns is not None:
            return [group[0].stretch()]
        return self.read([row.chunk for row in group])

    def appended(self, groups: list[list[Row]], late: Sequence[Piece]) -> list[Stretch]:
        """With what still stands in the log, which is read together with the chunks that it continues or overlaps."""
        before = groups.pop() if groups else []
        while True:
            newest = self.read([row.chunk for row in before], late)
            if not groups or (newest and groups[-1][-1].t1_ns < newest[0].ends[0][0]):
                return [found for group in groups for found in self.taken(group)] + newest
            before = groups.pop() + before

    def read(self, chunks: Sequence[int], late: Sequence[Piece] = ()) -> list[Stretch]:
        """The readings of `chunks` and of the log as one stretch; none where none of them counts."""
        rows = {d.row: d for history in self.catalogue.by_device.values() for d in history}
        clocks, parts = first_clocks(self.db), []
        query = f"SELECT agent_id, epoch_ns, device, layout, body FROM chunk WHERE id IN ({marks(chunks)}) ORDER BY t0_ns"
        for agent_id, epoch_ns, device, layout, body in self.db.execute(query, list(chunks)):
            names = [meter.meter_id for meter in rows[device].device.meters]
            columns = Columns.unseal(layout, body, only=names.index(self.meter.meter_id))
            parts.append(Piece(rows[device], columns, clocks.get((agent_id, epoch_ns))))
        series = [found for one in series_of(self.meter.meter_id, merged([*parts, *late]), *ALL_NS) if len(found := counted(one))]
        if len(series) > 1 or any(one.meter.exponent != self.meter.exponent for one in series):
            raise UsageError(f"{self.meter.meter_id} changed its scale in that time", "ask for the time before and after that")
        return [Stretch.of(tuple(chunks), one.t_ns, one.value) for one in series]

    def tally(self) -> None:
        """What stands before each stretch, so that a span is a difference of two."""
        links = [(b.ends[0][0] - a.ends[1][0]) * (a.ends[1][1] + b.ends[0][1]) for a, b in pairwise(self.stretches)]
        self._begins = [one.ends[0][0] for one in self.stretches]
        self._ends = [one.ends[1][0] for one in self.stretches]
        self._before = [0, *accumulate(one.double + link for one, link in zip(self.stretches, [*links, 0], strict=False))]
        self._counts = [0, *accumulate(one.count for one in self.stretches)]

    def integral(self, begin_ns: int, end_ns: int) -> Integral | None:
        """Over a span; None where a reading is missing on one side of it."""
        left, right = self._neighbour(begin_ns, before=True), self._neighbour(end_ns, before=False)
        if left is None or right is None or begin_ns - left > ENCLOSING_NS or right - end_ns > ENCLOSING_NS:
            return None
        (below, until), (above, after) = self._until(begin_ns), self._until(end_ns)
        readings = above - below + (left == begin_ns)
        return Integral(self.meter, begin_ns, end_ns, after - until, readings, self._longest_ns(begin_ns, end_ns))

    def _points(self, place: int) -> tuple[Int64, Int64]:
        """(t_ns, value) of a stretch, read now if they were not."""
        one = self.stretches[place]
        if one.points is None:
            (one.points,) = (found.points for found in self.read(one.chunks))
        assert one.points is not None
        return one.points

    def _neighbour(self, at_ns: int, *, before: bool) -> int | None:
        """When the last reading at or before `at_ns` was, or the first at or after it."""
        if before:
            place = bisect_right(self._begins, at_ns) - 1
            if place < 0:
                return None
            if self._ends[place] <= at_ns:
                return self._ends[place]
            t_ns = self._points(place)[0]
            return int(t_ns[np.searchsorted(t_ns, at_ns, "right") - 1])
        place = bisect_left(self._ends, at_ns)
        if place == len(self._ends):
            return None
        if self._begins[place] >= at_ns:
            return self._begins[place]
        t_ns = self._points(place)[0]
        return int(t_ns[np.searchsorted(t_ns, at_ns, "left")])

    def _until(self, at_ns: int) -> tuple[int, Fraction]:
        """(readings, twice the integral) from the first reading until `at_ns`, which lies between two."""
        place = bisect_right(self._begins, at_ns) - 1
        one = self.stretches[place]
        if at_ns >= self._ends[place]:
            double, count, last = self._before[place] + one.double, self._counts[place + 1], one.ends[1]
            after = self.stretches[place + 1].ends[0] if at_ns > self._ends[place] else last
        else:
            t_ns, value = self._points(place)
            row = int(np.searchsorted(t_ns, at_ns, "right"))
            double, count = self._before[place] + double_integral(t_ns[:row], value[:row]), self._counts[place] + row
            last, after = (int(t_ns[row - 1]), int(value[row - 1])), (int(t_ns[row]), int(value[row]))
        return count, double + partial(last, after, at_ns)

    def _longest_ns(self, begin_ns: int, end_ns: int) -> int:
        """The longest time between neighbours of which at least a part lies in the span."""
        first, last = bisect_right(self._begins, begin_ns) - 1, bisect_left(self._ends, end_ns)
        found = [
            b - a for a, b in zip(self._ends[first:last], self._begins[first + 1 : last + 1], strict=True) if b > begin_ns and a < end_ns
        ]
        for place in range(first, last + 1):
            if begin_ns <= self._begins[place] and self._ends[place] <= end_ns:
                found.append(self.stretches[place].longest_ns)
            elif self._ends[place] > begin_ns and self._begins[place] < end_ns:
                t_ns = self._points(place)[0]
                a, b = max(0, int(np.searchsorted(t_ns, begin_ns, "right")) - 1), int(np.searchsorted(t_ns, end_ns, "left")) + 1
                found.append(int(np.diff(t_ns[a:b]).max(initial=0)))
        return max(found, default=0)


def partial(last: tuple[int, int], after: tuple[int, int], at_ns: int) -> Fraction:
    """Twice the integral from the reading `last` until `at_ns`, on the straight line to the reading `after`."""
    passed, width = at_ns - last[0], after[0] - last[0]
    if not passed:
        return Fraction(0)
    return Fraction(passed * (2 * last[1] * width + (after[1] - last[1]) * passed), width)


def runs(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows in groups: neighbours that overlap, or between which a device's stamp repeats, belong together."""
    groups: list[list[Row]] = []
    until_ns = 0
    for row in rows:
        repeats = bool(groups) and row.first_stamp_ns is not None and row.first_stamp_ns == groups[-1][-1].last_stamp_ns
        if groups and (row.t0_ns <= until_ns or repeats):
            groups[-1].append(row)
        else:
            groups.append([row])
        until_ns = max(until_ns, row.t1_ns)
    return groups


def integrals(db: sqlite3.Connection, meter_ids: Sequence[str], spans: Sequence[tuple[int, int]]) -> list[list[Integral | None]]:
    """For each meter, in the order asked, its integral over each span (begin, end in ns on the axis); None where a reading is missing.

    Raises UsageError for a meter that shows no power, that nobody described, or whose scale changed meanwhile.
    """
    catalogue = Catalogue.load(db, {meter_id.rsplit(":", 1)[0] for meter_id in meter_ids})
    known = {meter.meter_id: meter for d in catalogue.newest() for meter in d.device.meters}
    first_ns, last_ns = min(begin for begin, _ in spans), max(end for _, end in spans)
    found: list[list[Integral | None]] = []
    for meter_id in meter_ids:
        meter = known.get(meter_id)
        if meter is None or meter.quantity is not Quantity.POWER:
            raise UsageError(f"{meter_id} shows no power", "name a meter of power")
        ledger = Ledger.load(db, meter, catalogue, first_ns, last_ns)
        found.append([ledger.integral(*span) for span in spans])
    return found
