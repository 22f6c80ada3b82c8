"""A stretch: one stream that the headline energy comes from, over one measured phase; what the rules SMP look at.

The words are those of the standard's terms. A stream that should have been read, but led nowhere because its readings fail, is among
them: what it lacks must be seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from joulemark.energy.cords import named
from joulemark.energy.counters import Refreshes, refreshes
from joulemark.energy.device import devices
from joulemark.energy.estimate import PowerSource, blur_s, duty_of
from joulemark.energy.frozen import follows
from joulemark.energy.integrate import Coverage, coverage, nominal_interval_s
from joulemark.energy.series import INTEGRABLE, Series
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import MeterInfo, Quality, Quantity
from joulemark.runs import Window
from joulemark.standard.case import Case
from joulemark.traces.rows import NO_MEASUREMENT
from joulemark.units import NS_PER_S

EARLY: Final = 0.25
"""A poll may come by this share of an update period too early and still find a new reading."""

NO_VALUE: Final = frozenset({Quality.SENTINEL, Quality.OVER_RANGE, Quality.SQUELCHED})
"""The meter answered, but not with a measurement."""


@dataclass(frozen=True)
class Stretch:
    """`series`: with frozen readings marked stale; `raw`: as the bundle holds it; `others`: the raw streams that it must move with."""

    series: Series
    raw: Series
    window: Window
    others: tuple[Series, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.meter.meter_id} in {self.window.name}"

    @property
    def meter(self) -> MeterInfo:
        """Who measures."""
        return self.series.meter

    @property
    def is_counter(self) -> bool:
        """Whether it counts energy; else it shows power."""
        return self.meter.quantity is Quantity.ENERGY_COUNTER

    @cached_property
    def valid(self) -> Series:
        """What may enter an energy, at distinct times: of a power only what is positive."""
        return self.series.integrable() if self.is_counter else PowerSource.of(self.series).series

    @cached_property
    def inside(self) -> Series:
        """The valid readings in the phase, its edges included."""
        return self.valid.rows(self._within(self.valid))

    def _within(self, series: Series) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        return (series.t_ns >= self.window.begin_ns) & (series.t_ns <= self.window.end_ns)

    @cached_property
    def spacing_s(self) -> tuple[float, float]:
        """Median spacing of all reads, failed ones too: of the whole stream, and inside the phase (0 where fewer than two stand there).

        Neither is shorter than that of the grid, which bursts around marks are denser than.
        """
        raw, grid_s = self.raw.t_ns, self.meter.read_interval_s or 0.0
        whole_s, inside_s = nominal_interval_s(np.unique(raw)), nominal_interval_s(np.unique(raw[self._within(self.raw)]))
        return max(whole_s, grid_s), max(inside_s, grid_s) if inside_s else 0.0

    @property
    def update_s(self) -> float:
        """How often the meter has news, 0 where it is not known."""
        return self.meter.update_period_measured_s or self.meter.update_period_s or 0.0

    @property
    def interval_s(self) -> float:
        """Nominal interval of the phase: polls faster than the meter has news bring none."""
        return max(*self.spacing_s, self.update_s)

    @property
    def gap_interval_s(self) -> float:
        """Nominal interval that gaps are judged by: the shorter one, so that a slow phase does not hide in a slow stream."""
        return max(min(s for s in (*self.spacing_s, math.inf) if s > 0.0), self.update_s) if max(self.spacing_s) > 0.0 else 0.0

    @property
    def window_s(self) -> float | None:
        """Averaging window as a plain average would have it; 0 of an instant value, None where it is not known."""
        if self.meter.averaging_window_s is None:
            return 0.0 if self.meter.averaging.value == "instant" else None
        return blur_s(self.meter)

    @property
    def duty(self) -> float:
        """C of the terms. A counter integrates, but for what it declares not to see."""
        if self.is_counter:
            return 1.0 if self.meter.coverage is None else min(1.0, self.meter.coverage)
        return duty_of(self.meter, self.interval_s)

    @cached_property
    def points(self) -> Refreshes | None:
        """When the counter brought news; None for a power, and for a counter that never did."""
        try:
            return refreshes(self.series) if self.is_counter else None
        except InsufficientData:
            return None

    def distinct(self) -> int:
        """Readings inside the phase that are news: a new device time, a changed value, else one per update period."""
        if self.is_counter:
            t_ns = self.points.t_ns if self.points is not None else np.zeros(0, dtype=np.int64)
            return int(np.sum((t_ns >= self.window.begin_ns) & (t_ns <= self.window.end_ns)))
        rows = self.inside
        if not len(rows):
            return 0
        said = rows.t_device_ns
        dated = np.zeros(len(rows) - 1, dtype=bool) if said is None else (said[1:] != 0) & (said[:-1] != 0)
        news = np.diff(rows.value) != 0
        if said is not None:
            news |= dated & (np.diff(said) != 0)
        count = 0
        for run in np.split(np.arange(len(rows)), np.flatnonzero(news) + 1):
            still = run[1:]
            if len(still) and self.update_s and not dated[still - 1].any():
                lasted_s = float(rows.t_ns[run[-1]] - rows.t_ns[run[0]]) / NS_PER_S
                count += min(len(still), math.floor(lasted_s / self.update_s + EARLY))
            count += 1
        return count

    def brackets_s(self) -> tuple[float, float]:
        """How long before the begin the last reading stands, and how long after the end the first; infinite where there is none."""
        t_ns = self.points.t_ns if self.is_counter and self.points is not None else self.valid.t_ns
        before, after = t_ns[t_ns <= self.window.begin_ns], t_ns[t_ns >= self.window.end_ns]
        return (
            (self.window.begin_ns - int(before[-1])) / NS_PER_S if len(before) else math.inf,
            (int(after[0]) - self.window.end_ns) / NS_PER_S if len(after) else math.inf,
        )

    def covered(self) -> Coverage | None:
        """The gaps of the phase; None where no reading stands on each side of it."""
        try:
            return coverage(self.valid.t_ns, self.window.begin_ns, self.window.end_ns, interval_s=self.gap_interval_s)
        except InsufficientData:
            return None

    def invalid(self, *, overflow_w: float) -> tuple[int, int]:
        """(answers inside the phase that are no measurement, those of them that would be integrated for all that)."""
        rows = np.flatnonzero(self._within(self.raw))
        quality, si = self.raw.quality[rows], self.raw.si()[rows]
        refused = np.isin(quality, list(NO_VALUE))
        said = np.array([self.raw.reasons.get(int(row), "") in NO_MEASUREMENT for row in rows], dtype=bool)
        taken = INTEGRABLE[quality] & (np.abs(si) >= overflow_w) if not self.is_counter else np.zeros(len(rows), dtype=bool)
        empty = INTEGRABLE[quality] & (si <= 0.0) if not self.is_counter else np.zeros(len(rows), dtype=bool)
        return int(np.sum(refused | (said & (quality == Quality.GAP)) | taken | empty)), int(np.sum(taken))

    def reads(self) -> int:
        """Reads inside the phase, failed ones too."""
        return int(np.sum(self._within(self.raw)))


def watched(case: Case) -> tuple[Stretch, ...]:
    """Every stretch of a case: of each device the meter that led in each measured phase, or all its meters where none could."""
    if case.boundary is None or case.evidence is None:
        return ()
    group = case.by_boundary[case.boundary]
    try:
        by_device = devices(group)
    except UsageError:
        by_device = {one.meter.meter_id: (one,) for one in group}
    raws = [one for one in case.evidence.series if one.meter.quantity.measures_energy]
    raw_of = {id(one): raw for one, raw in zip(case.series, raws, strict=True)}
    cords = named(case.series)
    found = []
    for window in case.measured:
        leaders = {one["device_id"]: one["meter_id"] for one in case.figures(window).get("devices", ())}
        for name, alternatives in by_device.items():
            for one in leading(alternatives, leaders.get(name)):
                raw = raw_of[id(one)]
                found.append(Stretch(one, raw, window, tuple(other for other in raws if follows(raw, other, cords))))
    return tuple(found)


def leading(alternatives: Sequence[Series], meter_id: str | None) -> Sequence[Series]:
    """The meter called `meter_id`, all of `alternatives` where it is not among them."""
    return [one for one in alternatives if one.meter.meter_id == meter_id] or alternatives
