"""Energy of any span from a power's exact sums: whole chunks are never read, only those in which the span begins or ends.

The integral is that of the power that is linear between readings, in whole numbers, so it is bit for bit what reading everything and
adding up gives. A chunk's sum stands for it only where that holds: the chunks of a span that overlap, that repeat a device's stamp
across their border, or that were sealed before sums told enough, are read; and so is everything while a clock was stepped.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from operator import add, mul, sub
from typing import Final, NamedTuple, Self

from joulemark.collector.store.base import ENCLOSING_NS, Described, Integral
from joulemark.collector.store.chunks import LOCAL, NO_CHUNK, Chunks, Row
from joulemark.collector.store.columns import Columns, FirstClock
from joulemark.collector.store.pieces import SLACK_NS, Catalogue, Piece, first_clocks, logged, merged, series_of
from joulemark.collector.store.points import Points, points_of, undated
from joulemark.collector.store.sums import alone, runs, with_hours
from joulemark.energy.series import Series
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


@dataclass(frozen=True)
class Store:
    """An open readings.db, the sealed chunks, and what all meters of one question share: what still stands in the log around its time,
    by device, and the agents whose clock may have been stepped then.
    """

    db: sqlite3.Connection
    catalogue: Catalogue
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
        return cls(db, catalogue, late, stepped, chunks)

    @cached_property
    def clocks(self) -> Mapping[tuple[str, int], FirstClock]:
        """What dates rows that did not know their offset."""
        return first_clocks(self.db)

    @cached_property
    def histories(self) -> dict[str, list[tuple[str, list[Described]]]]:
        """For each device the agents that read it, each with its descriptions."""
        found: dict[str, list[tuple[str, list[Described]]]] = {}
        for (agent_id, device_id), history in self.catalogue.by_device.items():
            found.setdefault(device_id, []).append((agent_id, history))
        return found

    @cached_property
    def described(self) -> dict[int, Described]:
        """Every description by its row."""
        return {d.row: d for history in self.catalogue.by_device.values() for d in history}

    def rescaled(self, meter: MeterInfo) -> bool:
        """Whether the values of a meter ever meant something else than they do now."""
        told = [d for _, history in self.histories[meter.device_id] for d in history]
        if len(told) == 1:
            return False
        meters = [m for d in told for m in d.device.meters if m.meter_id == meter.meter_id]
        return any((m.quantity, m.exponent, m.modulus) != (meter.quantity, meter.exponent, meter.modulus) for m in meters)

    def redated(self, device_id: str) -> bool:
        """Whether the clock of an agent that reads the device may have been stepped: its stamps are dated anew."""
        return any(agent_id in self.stepped for agent_id, _ in self.histories[device_id])

    def points(self, meter: MeterInfo, chunks: Sequence[int], late: Sequence[Piece] = (), *, readings: int | None = None) -> Points | None:
        """The readings of `chunks` and of the log together; None where none of them counts. `readings`: how many a sum that is believed
        counts in the one chunk. Raises UsageError for two scales.
        """
        parts = []
        for _, agent_id, epoch_ns, device, _, _, _, layout, body in self.chunks.numbered(self.db, chunks):
            then = self.described[device].device.meters
            index = [one.meter_id for one in then].index(meter.meter_id)
            opened = Columns.plain(layout, body, index) if len(chunks) == 1 and not late else None
            if opened is not None and (plain := undated(opened[0] - then[index].lag_ns, opened[1], counted=readings)) is not None:
                return plain
            parts.append(Piece(self.described[device], Columns.unseal(layout, body, only=index), self.clocks.get((agent_id, epoch_ns))))
        found = [good for one in series_of(meter.meter_id, merged([*parts, *late]), *ALL_NS) if len(good := counted(one))]
        if len(found) > 1 or any(one.meter.exponent != meter.exponent for one in found):
            raise UsageError(f"{meter.meter_id} changed its scale in that time", "ask for the time before and after that")
        return points_of(found[0].t_ns, found[0].value) if found else None


class Cut(NamedTuple):
    """Where the moment `at_ns` lies among the readings: the row that begins before it, and how many readings of that row are not after it,
    0 where none is. `last`, `after`: (time, value) of the reading at or before it, and of the next one, None for none. `readings`,
    `double`: how many there are until `last`, and twice the integral until there.
    """

    at_ns: int
    place: int
    inside: int
    last: tuple[int, int]
    after: tuple[int, int] | None
    readings: int
    double: int

    @property
    def rest(self) -> tuple[int, int]:
        """Twice the integral from `last` until the moment, on the straight line to `after`: numerator, denominator."""
        passed = self.at_ns - self.last[0]
        if self.after is None or not passed:
            return 0, 1
        width = self.after[0] - self.last[0]
        return passed * (2 * self.last[1] * width + (self.after[1] - self.last[1]) * passed), width


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
        self._chunks, begins, ends, self._readings, firsts, lasts, doubles, self._longest, *_ = columns
        self._begins, self._ends, self._firsts, self._lasts = begins, ends, firsts, lasts
        links = map(mul, map(sub, begins[1:], ends), map(add, firsts[1:], lasts))
        whole = [int(double) for double in doubles]
        self._before = [0, *accumulate(map(add, whole, links))]
        self._until_end = list(map(add, self._before, whole))
        self._counts = [0, *accumulate(self._readings)]

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
        begin, end = self._cut(begin_ns), self._cut(end_ns)
        if begin is None or end is None or begin_ns - begin.last[0] > ENCLOSING_NS:
            return None
        if end.last[0] < end_ns and (end.after is None or end.after[0] - end_ns > ENCLOSING_NS):
            return None
        (above, after_ns), (below, before_ns) = end.rest, begin.rest
        whole = (end.double - begin.double) * after_ns * before_ns
        double = Fraction(whole + above * before_ns - below * after_ns, after_ns * before_ns)
        readings = end.readings - begin.readings + (begin.last[0] == begin_ns)
        return Integral(self.meter, begin_ns, end_ns, double, readings, self._longest_ns(begin, end))

    def _points(self, place: int) -> Points:
        """What a row stands for, read now if it was not."""
        if place not in self._read:
            points = self._store.points(self.meter, [self._chunks[place]], readings=self._readings[place])
            assert points is not None, "a sum stands for readings"
            self._read[place] = points
        return self._read[place]

    def _cut(self, at_ns: int) -> Cut | None:
        """Where a moment lies; None before the first reading."""
        place = bisect_right(self._begins, at_ns) - 1
        if place < 0:
            return None
        if at_ns >= (end_ns := self._ends[place]):
            after = (self._begins[place + 1], self._firsts[place + 1]) if place + 1 < len(self._begins) else None
            return Cut(at_ns, place, 0, (end_ns, self._lasts[place]), after, self._counts[place + 1], self._until_end[place])
        points = self._points(place)
        row = int(points.t_ns.searchsorted(at_ns, "right"))
        (t0_ns, t1_ns), (v0, v1) = points.t_ns[row - 1 : row + 1].tolist(), points.value(row + 1)[row - 1 : row + 1].tolist()
        return Cut(at_ns, place, row, (t0_ns, v0), (t1_ns, v1), self._counts[place] + row, self._before[place] + points.until(row - 1))

    def _longest_ns(self, begin: Cut, end: Cut) -> int:
        """The longest time between neighbours of which at least a part lies between two moments, which have readings outside of them."""
        first, last = begin.place, end.place
        longest_ns = max(map(sub, self._begins[first + 1 : last + 1], self._ends[first:last]), default=0)
        longest_ns = max(longest_ns, *self._longest[first + 1 : last + (not end.inside)], 0)
        if end.after is not None and not end.inside and end.at_ns > end.last[0]:
            longest_ns = max(longest_ns, end.after[0] - end.last[0])
        until = end.inside - (end.at_ns == end.last[0])
        parts = [(first, begin.inside - 1, until if first == last else None)] if begin.inside else []
        if end.inside and first < last:
            parts.append((last, 0, until))
        for place, a, b in parts:
            if self._longest[place] > longest_ns:
                longest_ns = max(longest_ns, int(self._points(place).gaps_ns[a:b].max(initial=0)))
        return longest_ns


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
