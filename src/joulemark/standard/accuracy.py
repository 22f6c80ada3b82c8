"""Accuracy of a meter as a rule sees it: the limit of error that it states, else the formula of the whitelist, at the operating point.

To be listed is no accuracy of its own (MET-3): the formula counts only where its figures were read, and the driver is proven for the level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from joulemark import whitelist
from joulemark.cards.compute import tier_of
from joulemark.readings import Accuracy, Boundary, MeterInfo

FROM_WHITELIST: Final = "whitelist "
"""Drivers that look a formula up say so in its source."""


def formula(meter: MeterInfo, grade: str) -> Accuracy | None:
    """The limit of error that a result of `grade` may rest on; None where there is none, `unknown_because` says why.

    What the meter or its operator states goes first. Of the whitelist the range is the sum of the ranges of the channels (MET-2).
    """
    entry = whitelist.find(meter.vendor, meter.model)
    stated = meter.accuracy
    if entry is not None and entry.rejected:
        return None
    if stated is not None and not stated.source.startswith(FROM_WHITELIST):
        return stated
    if entry is None or not whitelist.usable(entry, grade, tier=tier_of(meter.kind)):
        return None
    if stated is not None:
        return stated
    at = meter.range
    if not entry.pct_range:
        return entry.accuracy(0.0)
    if at is None or at.volts is None or at.amps is None:
        return None
    return entry.accuracy(at.volts * at.amps * max(1, len(meter.covers)))


def unknown_because(meter: MeterInfo, grade: str) -> str:
    """Why `formula` has nothing for `meter`, for people."""
    entry = whitelist.find(meter.vendor, meter.model)
    name = meter.meter_id
    if entry is None:
        return f"{name} states no accuracy, and {meter.vendor} {meter.model} is not on the whitelist"
    if entry.rejected:
        return f"{name} is good for no level: {entry.rejected}"
    if not whitelist.usable(entry, grade, tier=tier_of(meter.kind)):
        proven = "its figures are not verified" if not entry.verified else f"its driver {meter.kind} is of tier {tier_of(meter.kind)}"
        return f"{name} states no accuracy of its own, and the formula of the whitelist is not good for {grade}: {proven}"
    return f"{name} does not tell the range that the formula of the whitelist needs"


def has_ranges(meter: MeterInfo) -> bool:
    """Whether the instrument has measuring ranges, by what it says, by its formula of error, or since it is an analyser."""
    entry = whitelist.find(meter.vendor, meter.model)
    of_range = (meter.accuracy is not None and meter.accuracy.pct_range > 0.0) or (entry is not None and entry.pct_range > 0.0)
    return meter.range is not None or of_range or meter.boundary is Boundary.WALL_ANALYZER


def independent(meters: Sequence[MeterInfo]) -> bool:
    """Whether the errors of several meters may be taken as independent: each has a calibration certificate of its own."""
    papers = [(one.certificate.serial, one.certificate.sha256) for one in meters if one.certificate is not None]
    return len(meters) > 1 and len(papers) == len(meters) == len({serial for serial, _ in papers}) == len({digest for _, digest in papers})


def limit_rel(parts: Sequence[tuple[Accuracy, float]], *, at_random: bool = False) -> float:
    """Limit of error of a sum of channels relative to it: (r P + f R)/P over all (accuracy, power in W).

    The limits add up, or as a root of squares where they are `at_random` (the sqrt(n) rule of MET-2). Raises ValueError without power.
    """
    total_w = math.fsum(power_w for _, power_w in parts)
    if total_w <= 0.0:
        raise ValueError(f"a relative limit at {total_w} W")
    limits_w = [accuracy.limit_w(power_w) for accuracy, power_w in parts]
    return (math.hypot(*limits_w) if at_random else math.fsum(limits_w)) / total_w
