"""What meters show now, by boundary and device: the one computation of pages, metrics and terminal. Never a number that is old."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from joulemark.energy.counters import refreshes
from joulemark.energy.device import devices
from joulemark.energy.integrate import coverage
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Boundary, MeterInfo, Quantity
from joulemark.units import NS_PER_S

LOOK_BACK_S: Final = 30.0
"""Over which gaps are sought; a meter without a reading in it is silent."""
STALE_S: Final = 5.0
"""A reading is now if it is no older than this and three of its meter's periods: batches take a second or two."""
PERIODS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Device:
    """`power_w`: now, None when `trouble` says why not. `age_s`: of the newest usable reading. `gap_s`: missing in the last half minute."""

    device: str
    agent_id: str
    power_w: float | None
    method: str
    age_s: float | None
    gap_s: float
    rated_w: float | None
    simulated: bool
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """The devices of one boundary. `power_w`: of all of them, None when one is not known; `known_w`: of those that are."""

    boundary: str
    power_w: float | None
    known_w: float
    known_count: int
    devices: tuple[Device, ...]
    finding: str = ""


def levels(series: Sequence[Series], agents: Mapping[str, str], now_ns: int) -> tuple[Level, ...]:
    """What each boundary takes now, in the order of the supply chain. What two meters measure is counted once."""
    at: dict[Boundary, list[Series]] = defaultdict(list)
    for one in series:
        at[one.meter.boundary].append(one)
    return tuple(level(boundary, at[boundary], agents, now_ns) for boundary in Boundary if boundary in at)


def level(boundary: Boundary, series: Sequence[Series], agents: Mapping[str, str], now_ns: int) -> Level:
    """One boundary. Where it is open what stands for what, every meter is shown and no total."""
    finding = ""
    try:
        groups = devices(series)
    except UsageError as error:
        groups, finding = {one.meter.meter_id: (one,) for one in series}, str(error)
    shown = tuple(device(name, group, agents, now_ns) for name, group in sorted(groups.items()))
    known = [one.power_w for one in shown if one.power_w is not None]
    whole = len(known) == len(shown) and not finding
    return Level(str(boundary), sum(known) if whole else None, sum(known), len(known), shown, finding)


def device(name: str, series: Sequence[Series], agents: Mapping[str, str], now_ns: int) -> Device:
    """One device by its best source: a power that is read now, else the mean power of its counter."""
    best = min((view(one, now_ns) for one in series), key=lambda seen: (seen.power_w is None, seen.method != Quantity.POWER))
    rated_w = min((one.meter.rated_w for one in series if one.meter.rated_w), default=None)
    agent_id, simulated = agents.get(series[0].meter.meter_id, ""), any(one.meter.simulated for one in series)
    return replace(best, device=name, agent_id=agent_id, rated_w=rated_w, simulated=simulated)


def fresh_ns(meter: MeterInfo) -> int:
    """How old its newest reading may be to be of now."""
    period_s = meter.update_period_measured_s or meter.update_period_s or 0.0
    return round((STALE_S + PERIODS * period_s) * NS_PER_S)


def view(series: Series, now_ns: int) -> Device:
    """What one meter shows of its device."""
    meter, good = series.meter, series.integrable()
    seen = Device(meter.device_id, "", None, str(meter.quantity), None, 0.0, meter.rated_w, meter.simulated)
    if not len(good):
        reason = next((f" ({reason})" for reason in series.reasons.values()), "")
        return replace(seen, trouble=f"silent for {LOOK_BACK_S:.0f} s or more{reason}")
    first_ns, last_ns = int(good.t_ns[0]), int(good.t_ns[-1])
    gap_s = coverage(good.t_ns, first_ns, last_ns).missing_s if len(good) > 2 else 0.0
    seen = replace(seen, age_s=(now_ns - last_ns) / NS_PER_S, gap_s=gap_s)
    if now_ns - last_ns > fresh_ns(meter):
        return replace(seen, trouble=f"stale: nothing usable for {seen.age_s:.0f} s")
    if meter.quantity is Quantity.POWER:
        return replace(seen, power_w=float(good.si()[-1]))
    power_w = counted_w(good)
    return replace(seen, power_w=power_w, trouble="the counter does not move, or was reset" if power_w is None else "")


def counted_w(series: Series) -> float | None:
    """Mean power of the last second of a counter, or of its last step where that is longer; None where it does not tell one."""
    try:
        points = refreshes(series)
    except InsufficientData:
        return None
    before = points.t_ns[:-1]
    if not len(before) or points.segment[0] != points.segment[-1]:
        return None
    left = max(0, int((before <= points.t_ns[-1] - NS_PER_S).sum()) - 1)
    return float((points.energy_j[-1] - points.energy_j[left]) / ((points.t_ns[-1] - points.t_ns[left]) / NS_PER_S))
