"""The course of power over the last minutes: of each device, and of all at one boundary together, with what is missing and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from joulemark.cards.buckets import Buckets
from joulemark.cards.trace import Trace, drawn
from joulemark.collector.web.words import watts
from joulemark.energy.device import devices
from joulemark.energy.integrate import GAP_FACTOR, reading_interval_s
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData, UsageError
from joulemark.proto.messages import Loss
from joulemark.readings import Boundary, Quality, Quantity
from joulemark.units import NS_PER_S

NOTHING_CAME: Final = "no reading came"


@dataclass(frozen=True, slots=True)
class Gap:
    """No usable reading between two; `reason`: what the readings between, or a counted loss, say of it."""

    begin_ns: int
    end_ns: int
    reason: str

    @property
    def duration_s(self) -> float:
        """Between the two readings."""
        return (self.end_ns - self.begin_ns) / NS_PER_S


@dataclass(frozen=True, slots=True)
class Course:
    """One device: `series` are its meters, the first of them is the source of its line. `trace` is None where none shows a power."""

    name: str
    boundary: Boundary
    series: tuple[Series, ...]
    trace: Trace | None

    @property
    def source(self) -> Series:
        """What the line is made of."""
        return self.series[0]

    @property
    def by_power(self) -> bool:
        """Whether the source is read as a power; else it is a counter, and power is what it rose by."""
        return self.source.meter.quantity is Quantity.POWER

    def gaps(self, losses: Sequence[Loss] = ()) -> list[Gap]:
        """What is missing between its first and its last usable reading, longest ago first."""
        good = self.source.integrable()
        limit_ns = GAP_FACTOR * reading_interval_s(good) * NS_PER_S
        wide = [(a, b) for a, b in pairwise(good.t_ns.tolist()) if b - a > limit_ns]
        return [Gap(a, b, self._reason(a, b, losses)) for a, b in wide]

    def _reason(self, begin_ns: int, end_ns: int, losses: Sequence[Loss]) -> str:
        one = self.source
        rows = np.flatnonzero((one.t_ns > begin_ns) & (one.t_ns < end_ns)).tolist()
        said = [one.reasons.get(row) or Quality(int(one.quality[row])).name.lower() for row in rows]
        own = [loss for loss in losses if loss.device_id in ("", one.meter.device_id)]
        said += [f"{loss.sample_count} samples lost: {loss.reason}" for loss in own if loss.first_ns < end_ns and loss.last_ns > begin_ns]
        return "; ".join(dict.fromkeys(said)) or NOTHING_CAME


def courses(series: Sequence[Series]) -> list[Course]:
    """Every device with its line, from the wall inwards. Where it is open what stands for what each meter stands alone."""
    found = []
    for boundary in reversed(Boundary):
        level = [one for one in series if one.meter.boundary is boundary]
        try:
            groups = devices(level)
        except UsageError:
            groups = {one.meter.meter_id: (one,) for one in level}
        for name, group in sorted(groups.items()):
            ordered = tuple(sorted(group, key=lambda one: (not len(one.integrable()), one.meter.quantity is not Quantity.POWER)))
            found.append(Course(name, boundary, ordered, line(str(boundary), ordered[:1])))
    return found


def line(boundary: str, sources: Sequence[Series]) -> Trace | None:
    """The power of devices together, each by its source; None where one of them shows none."""
    try:
        parts = [drawn([source], {}) for source in sources]
    except InsufficientData:
        return None
    return Trace.summed(boundary, parts) if parts else None


def together(found: Sequence[Course], boundary: str) -> Trace | None:
    """All devices of one boundary."""
    return line(boundary, [one.source for one in found if str(one.boundary) == boundary])


def said(where: str, found: Buckets) -> str:
    """In words what a line shows."""
    known = found.mean_w[found.mean_w == found.mean_w]
    if not len(known):
        return f"{where}: no power is known"
    lowest, highest = float(np.nanmin(found.low_w)), float(np.nanmax(found.high_w))
    holes = int(np.isnan(found.mean_w).sum())
    return f"{where}: {watts(lowest)} to {watts(highest)}" + (f", {holes} gap{'s' if holes > 1 else ''}" if holes else "")
