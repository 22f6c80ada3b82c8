"""One look at a collector: what its meters show now, by boundary and device, and which phase is going on. Never a number that is old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from joulemark import nearest
from joulemark.client import Client, quoted
from joulemark.energy.now import LOOK_BACK_S, Level, levels
from joulemark.energy.series import Series
from joulemark.errors import UsageError
from joulemark.readings import MeterInfo, Quantity
from joulemark.timebase import Clock
from joulemark.traces import collected
from joulemark.units import NS_PER_S

WATCH_SCHEMA: Final = "joulemark.watch/1"
AHEAD_NS: Final = 3600 * NS_PER_S
"""Clocks differ: readings of the near future are asked for too."""
METERS_AT_ONCE: Final = 100
"""As the collector's REST interface takes them."""
RUNS_SHOWN: Final = 3
ENERGETIC: Final = (Quantity.POWER, Quantity.ENERGY_COUNTER)


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
