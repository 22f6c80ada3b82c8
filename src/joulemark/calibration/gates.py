"""Gates before an alignment: what must be so before a plateau is worth measuring, what was seen, and what to do about it.

A gate that cannot tell is not passed: whoever knows better accepts it by name, and the record says so.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np

from joulemark.energy.series import Float64, Series
from joulemark.errors import InsufficientData
from joulemark.readings import Quantity
from joulemark.units import NS_PER_S

CLOCK_BOUND_S: Final = 0.25
"""CLK-2 at ES1."""
SLOPE_K_PER_MIN: Final = 1.0
"""Of a temperature (PHA-3)."""
CV: Final = 0.03
SLOPE_PER_MIN: Final = 0.02
"""Scatter and slope of an idle machine, relative (PHA-3 at ES1)."""
LATE_INTERVALS: Final = 5.0
LATE_S: Final = 15.0
"""A stream is alive while its newest reading is younger than the larger of so many of its intervals and so long: agents send in
batches of up to ten seconds. Working values."""
FEWEST: Final = 5
"""Readings from which scatter and slope are told."""


class Gate(enum.StrEnum):
    """What is looked at."""

    STREAMS = "streams"
    CLOCKS = "clocks"
    EXCLUSIVE = "exclusive"
    MONITORS = "monitors"
    TEMPERATURE = "temperature"
    STEADY = "steady"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a gate saw. `passed`: None where it cannot tell. `accepted`: the operator goes on nevertheless."""

    gate: Gate
    passed: bool | None
    saw: str
    next_step: str = ""
    accepted: bool = False

    @property
    def shut(self) -> bool:
        """Whether it keeps the alignment from beginning."""
        return self.passed is not True and not self.accepted

    def accepting(self, gates: Sequence[str]) -> Self:
        """The same, accepted where it stands among `gates`."""
        return replace(self, accepted=self.gate in gates and self.passed is not True)

    def to_json(self) -> dict[str, Any]:
        return {
            "gate": str(self.gate),
            "passed": self.passed,
            "saw": self.saw,
            "next_step": self.next_step,
            "accepted": self.accepted,
        }


@dataclass(frozen=True, slots=True)
class Steadiness:
    """How constant a power is: mean in W, `cv` = standard deviation over mean, slope per minute over mean with its standard uncertainty."""

    mean_w: float
    cv: float
    slope_per_min: float
    u_slope_per_min: float

    @property
    def drift_per_min(self) -> float:
        """The slope as far as it is more than noise: |slope| - 2 u(slope), at least 0."""
        return max(0.0, abs(self.slope_per_min) - 2.0 * self.u_slope_per_min)

    @property
    def steady(self) -> bool:
        """Whether it is as constant as an idle machine shall be."""
        return self.cv <= CV and self.drift_per_min <= SLOPE_PER_MIN

    def __str__(self) -> str:
        return f"mean {self.mean_w:.1f} W, CV {self.cv:.2%}, slope {self.slope_per_min:+.2%} per minute"


def steadiness(series: Series) -> Steadiness:
    """Of the readings in `series`. Raises InsufficientData for fewer than five, and where the mean is not above 0."""
    good = series.integrable()
    if len(good) < FEWEST:
        raise InsufficientData(f"{len(good)} readings of {series.meter.meter_id}: too few to tell whether it is steady", "wait longer")
    power_w = good.si()
    mean_w = float(power_w.mean())
    if mean_w <= 0.0:
        raise InsufficientData(f"the mean of {series.meter.meter_id} is {mean_w:.3g} W", "see what it measures: joulemark meters probe")
    slope, u_slope = line((good.t_ns - good.t_ns[0]) / NS_PER_S, power_w)
    return Steadiness(mean_w, float(power_w.std(ddof=1)) / mean_w, 60.0 * slope / mean_w, 60.0 * u_slope / mean_w)


def line(t_s: Float64, values: Float64) -> tuple[float, float]:
    """(slope, its standard uncertainty) per second by least squares; at least three distinct times."""
    moved = t_s - t_s.mean()
    spread = float(moved @ moved)
    slope = float(moved @ (values - values.mean())) / spread
    rest = values - values.mean() - slope * moved
    return slope, math.sqrt(float(rest @ rest) / (len(t_s) - 2) / spread)


def streams(ages_s: Mapping[str, float | None], intervals_s: Mapping[str, float | None]) -> Seen:
    """Both meters speak: age of the newest reading of each in s, None where there is none; spacing of its readings, None where unknown."""
    late = [m for m, age_s in ages_s.items() if age_s is None or age_s > max(LATE_S, LATE_INTERVALS * (intervals_s.get(m) or 0.0))]
    said = ", ".join(f"{m}: " + ("no reading" if age_s is None else f"{age_s:.1f} s ago") for m, age_s in ages_s.items())
    return Seen(Gate.STREAMS, not late, f"newest readings: {said}", f"look after {', '.join(late)}: joulemark doctor" if late else "")


def clocks(bounds_s: Mapping[str, float | None]) -> Seen:
    """The clocks of the streams are known to agree with the collector's: bound in s by meter, None where it is not known."""
    unknown = [meter for meter, bound_s in bounds_s.items() if bound_s is None]
    wide = [meter for meter, bound_s in bounds_s.items() if bound_s is not None and bound_s > CLOCK_BOUND_S]
    said = ", ".join(f"{m}: " + ("not known" if b is None else f"within {1000 * b:.1f} ms") for m, b in bounds_s.items())
    step = "synchronise the hosts with chrony, then wait a minute" if wide or unknown else ""
    return Seen(Gate.CLOCKS, False if wide else None if unknown else True, said, step)


def exclusive(foreign: Sequence[str] | None, *, why: str = "") -> Seen:
    """Nobody else works on the node: names of what does, None where that could not be looked at, for the reason `why`."""
    if foreign is None:
        return Seen(Gate.EXCLUSIVE, None, f"the processes of the node were not seen: {why}", "run this command on the node that is aligned")
    if foreign:
        return Seen(Gate.EXCLUSIVE, False, f"at work: {', '.join(foreign)}", "stop them, or wait until they end")
    return Seen(Gate.EXCLUSIVE, True, "no other process at work")


def monitors(found: Sequence[str] | None, *, why: str = "") -> Seen:
    """Nothing else reads the meters: names of monitors that do, None where that could not be looked at."""
    if found is None:
        return Seen(Gate.MONITORS, None, f"the processes of the node were not seen: {why}", "run this command on the node that is aligned")
    if found:
        return Seen(
            Gate.MONITORS, False, f"other monitors: {', '.join(found)}", "stop them: their questions make meters late and cost power"
        )
    return Seen(Gate.MONITORS, True, "no other monitor")


def temperature(series: Sequence[Series]) -> Seen:
    """Every thermometer among `series` moves by less than 1 K per minute, as far as that is more than noise."""
    rates: dict[str, float] = {}
    for one in series:
        good = one.integrable()
        if one.meter.quantity is Quantity.TEMPERATURE and len(good) >= FEWEST:
            slope, u_slope = line((good.t_ns - good.t_ns[0]) / NS_PER_S, np.asarray(good.si()))
            rates[one.meter.meter_id] = 60.0 * max(0.0, abs(slope) - 2.0 * u_slope)
    if not rates:
        return Seen(Gate.TEMPERATURE, None, "no meter told a temperature", "add a thermometer, or let the machine rest a while and accept")
    worst = max(rates, key=lambda meter: rates[meter])
    saw = f"{worst} moves by {rates[worst]:.2f} K per minute, the most of {len(rates)}"
    passed = rates[worst] <= SLOPE_K_PER_MIN
    return Seen(Gate.TEMPERATURE, passed, saw, "" if passed else "wait until it has settled")


def steady(series: Series) -> Seen:
    """The idle machine draws a constant power."""
    try:
        found = steadiness(series)
    except InsufficientData as error:
        return Seen(Gate.STEADY, None, error.what, error.next_step)
    limit = f"limits {CV:.0%} and {SLOPE_PER_MIN:.0%} per minute"
    step = "" if found.steady else "wait until nothing works on the machine and it has cooled down"
    return Seen(Gate.STEADY, found.steady, f"{series.meter.meter_id}: {found} ({limit})", step)
