"""Whether the times of a stream are those of its reads and of its device (SMP-5)."""

from __future__ import annotations

import numpy as np

from joulemark.energy.series import INTEGRABLE, Int64, Series
from joulemark.readings import TimestampSource
from joulemark.standard.edition import Rule
from joulemark.standard.stretch import Stretch
from joulemark.standard.verdict import Verdict
from joulemark.units import NS_PER_S


def dated(one: Stretch, rule: Rule, grade: str) -> tuple[Verdict, str]:
    """The verdict on the times of a stretch, and what is wrong with them."""
    first, last = np.searchsorted(one.raw.t_ns, [one.window.begin_ns, one.window.end_ns + 1])
    near = one.raw.rows(slice(max(int(first) - 1, 0), int(last) + 1))
    good = near.rows(INTEGRABLE[near.quality])
    read0_ns, read1_ns, said_ns = good.t_read0_ns, good.t_read1_ns, good.t_device_ns
    if read0_ns is None or read1_ns is None:
        return Verdict.CANNOT_TELL, "the bundle does not hold when its readings were taken"
    if np.any(read1_ns < read0_ns):
        return Verdict.FAIL, "a read ends before it begins"
    if np.any(np.diff(read0_ns) < 0):
        return Verdict.FAIL, "a later read is dated earlier: the clock that dates the readings went back"
    same = np.diff(good.t_ns) == 0
    if np.any(same & (np.diff(good.value) != 0)):
        return Verdict.FAIL, "two different readings stand at one time"
    if one.meter.timestamp_source is TimestampSource.READ_BRACKET:
        return by_bracket(one, good, read0_ns, read1_ns, tolerance_ns=rule.limit(grade, "tolerance_ns"))
    if said_ns is None or not said_ns.all():
        return Verdict.CANNOT_TELL, f"its times are those of the {one.meter.timestamp_source}, which the bundle does not hold"
    off_s = float(np.abs(said_ns - read1_ns).max(initial=0)) / NS_PER_S
    if off_s > rule.limit(grade, "stamp_s"):
        return Verdict.FAIL, f"the clock of the device is {off_s:.1f} s from the reads"
    moved_s = float(np.abs(good.t_ns + one.meter.lag_ns - said_ns).max(initial=0)) / NS_PER_S
    if moved_s > rule.limit(grade, "placed_s"):
        return Verdict.FAIL, f"a time is {moved_s:.3f} s from what the device said"
    return Verdict.PASS, ""


def by_bracket(one: Stretch, good: Series, read0_ns: Int64, read1_ns: Int64, *, tolerance_ns: float) -> tuple[Verdict, str]:
    """The verdict on a stream that is dated by its reads: in the middle of each, and as uncertain as bracket and update period make it."""
    bracket_ns = read1_ns - read0_ns
    off_ns = np.abs(good.t_ns + one.meter.lag_ns - (read0_ns + bracket_ns // 2))
    if np.any(off_ns > tolerance_ns):
        return Verdict.FAIL, f"a time is {float(off_ns.max()) / NS_PER_S:.3f} s from the middle of its read"
    wanted_ns = bracket_ns // 2 + round(one.update_s * NS_PER_S) // 2
    if np.any(good.t_unc_ns + 1 < wanted_ns):
        return Verdict.FAIL, "the half-width of a time is less than half its bracket and half the update period"
    if not one.update_s:
        return Verdict.CANNOT_TELL, "how often the meter has news is not stated"
    return Verdict.PASS, ""
