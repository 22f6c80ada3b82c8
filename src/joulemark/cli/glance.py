"""One look at a collector: what its meters show now, by boundary and device, and which phase is going on. Never a number that is old."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from joulemark import nearest
from joulemark.client import Client, quoted
from joulemark.energy.counters import refreshes
from joulemark.energy.device import devices
from joulemark.energy.integrate import coverage
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData, UsageError
from joulemark.readings import Boundary, MeterInfo, Quantity
from joulemark.timebase import Clock
from joulemark.traces import collected
from joulemark.units import NS_PER_S

WATCH_SCHEMA: Final = "joulemark.watch/1"
LOOK_BACK_S: Final = 30.0
"""Over which gaps are sought; a meter without a reading in it is silent."""
STALE_S: Final = 5.0
"""A reading is now if it is no older than this and three of its meter's periods: batches take a second or two."""
PERIODS: Final = 3.0
AHEAD_NS: Final = 3600 * NS_PER_S
"""Clocks differ: readings of the near future are asked for too."""
METERS_AT_ONCE: Final = 100
"""As the collector's REST interface takes them."""
RUNS_SHOWN: Final = 3
ENERGETIC: Final = (Quantity.POWER, Quantity.ENERGY_COUNTER)


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


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase that has begun and not ended."""

    name: str
    kind: str
    begin_ns: int


@dataclass(frozen=True, slots=True)
class Running:
    """A run that was not stopped, with its open phases."""

    run_id: str
    benchmark: str
    created_ns: int
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class Glance:
    """What is seen at `t_ns`, or why nothing is: `unreachable`. Boundaries stand beside each other and are never summed."""

    t_ns: int
    levels: tuple[Level, ...] = ()
    runs: tuple[Running, ...] = ()
    unreachable: str = ""

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.watch/1`."""
        seen = asdict(self)
        return {"schema": WATCH_SCHEMA, "boundaries": seen.pop("levels"), **seen}


def look(client: Client, clock: Clock, *, host: str | None = None) -> Glance:
    """Ask the collector what is now, of all hosts or of one agent. Raises what the client does, and UsageError for an unknown host."""
    described = [entry for entry in client.meters() if entry["quantity"] in ENERGETIC]
    if host is not None:
        known_host(host, [str(entry["agent_id"]) for entry in client.call("GET", "/v1/hosts")])
        described = [entry for entry in described if entry["agent_id"] == host]
    agents = {str(entry["meter_id"]): str(entry["agent_id"]) for entry in described}
    meters = [MeterInfo.from_json({k: v for k, v in entry.items() if k not in ("agent_id", "device_id")}) for entry in described]
    now_ns = clock.utc_ns()
    begin_ns, end_ns = now_ns - round(LOOK_BACK_S * NS_PER_S), now_ns + AHEAD_NS
    found: dict[str, Series] = {}
    for first in range(0, len(meters), METERS_AT_ONCE):
        asked = meters[first : first + METERS_AT_ONCE]
        found |= collected.read(client.readings([meter.meter_id for meter in asked], begin_ns, end_ns), asked)
    return Glance(now_ns, levels(list(found.values()), agents, now_ns), running(client))


def known_host(host: str, known: Sequence[str]) -> None:
    """Raises UsageError for a host that sent nothing yet, and suggests the nearest."""
    if host not in known:
        raise UsageError(f"no host {host!r} sent readings", nearest.hint(host, known, otherwise="joulemark watch shows all hosts"))


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
    period_s = meter.update_period_measured_s or meter.update_period_s or 0.0
    if now_ns - last_ns > (STALE_S + PERIODS * period_s) * NS_PER_S:
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


def running(client: Client) -> tuple[Running, ...]:
    """The newest runs that were not stopped."""
    open_runs = [run for run in client.call("GET", "/v1/runs?limit=20") if run["stopped_ns"] is None][:RUNS_SHOWN]
    return tuple(Running(run["run_id"], run["benchmark"], run["created_ns"], open_phases(client, run["run_id"])) for run in open_runs)


def open_phases(client: Client, run_id: str) -> tuple[Phase, ...]:
    """Phases of a run that have begun and not ended, by the chain of what was heard of it."""
    opened: dict[str, Phase] = {}
    for event in client.call("GET", f"/v1/runs/{quoted(run_id)}/chain")["events"]:
        data = event["data"]
        if event["kind"] == "mark" and data["edge"] == "begin":
            opened[data["phase"]] = Phase(data["phase"], data["kind"], data["utc_ns"])
        elif event["kind"] == "mark" and data["edge"] == "end":
            opened.pop(data["phase"], None)
    return tuple(opened.values())
