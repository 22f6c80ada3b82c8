"""The clocks of a run as `clock.json` tells of them: what each host said of its clock, and when. Another program may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from joulemark.standard.case import Case
from joulemark.units import NS_PER_S

COLLECTOR: Final = "collector"


@dataclass(frozen=True, slots=True)
class ClockMoment:
    """One state of a clock; None where it was not told. `offset_ns`: add to the host's UTC for the collector's, true within `bound_ns`
    once a probe was answered. `discipline_bound_ns`: of its UTC, as its time daemon says.
    """

    t_ns: int
    offset_ns: int | None
    bound_ns: int | None
    probe_count: int | None
    kernel_synchronized: bool | None
    discipline: str
    discipline_bound_ns: int | None

    @property
    def known_s(self) -> float | None:
        """How far the host's UTC may be from the collector's: by its probes, else by what the daemon says; None where neither tells."""
        if self.probe_count and self.bound_ns is not None:
            return self.bound_ns / NS_PER_S
        if self.offset_ns is not None and self.discipline_bound_ns:
            return (abs(self.offset_ns) + self.discipline_bound_ns) / NS_PER_S
        return None

    @property
    def apart_s(self) -> float | None:
        """How far the probes put the host's UTC from the collector's at most; None where they do not tell."""
        return None if self.offset_ns is None or self.bound_ns is None else (abs(self.offset_ns) + self.bound_ns) / NS_PER_S


@dataclass(frozen=True, slots=True)
class HostClock:
    """The clock of one host, its states in time order. `role`: agent, collector, load_generator or meter_host."""

    name: str
    role: str
    moments: tuple[ClockMoment, ...]

    def before(self, t_ns: int) -> ClockMoment | None:
        """The last state at or before a time."""
        return next((one for one in reversed(self.moments) if one.t_ns <= t_ns), None)

    def after(self, t_ns: int) -> ClockMoment | None:
        """The first state at or after a time."""
        return next((one for one in self.moments if one.t_ns >= t_ns), None)

    def around(self, begin_ns: int, end_ns: int) -> tuple[ClockMoment, ...]:
        """The states of a span, with the one before and the one after it."""
        edges = (self.before(begin_ns), self.after(end_ns))
        return tuple(one for one in self.moments if begin_ns < one.t_ns < end_ns or one in edges)

    def probed_ns(self) -> list[int]:
        """When the count of probes had grown."""
        counts = [(0, 0), *((one.t_ns, one.probe_count or 0) for one in self.moments)]
        return [t_ns for (_, before), (t_ns, now) in pairwise(counts) if now > before]


def clocks(case: Case) -> tuple[HostClock, ...]:
    """Every host of the bundle, the collector last."""
    found = {} if case.evidence is None else case.evidence.clocks
    hosts = [HostClock(name, str(told.get("role", "agent")), moments(told.get("states"))) for name, told in sorted(found.items())]
    return tuple(sorted(hosts, key=lambda host: host.role == COLLECTOR))


def moments(told: Any) -> tuple[ClockMoment, ...]:
    """The states in a list as JSON gave it, in time order; what has no time is left out."""
    entries = [entry for entry in told if isinstance(entry, Mapping)] if isinstance(told, list | tuple) else []
    found = [
        ClockMoment(
            t_ns=t_ns,
            offset_ns=whole(entry, "offset_ns"),
            bound_ns=whole(entry, "bound_ns"),
            probe_count=whole(entry, "probe_count"),
            kernel_synchronized=synced if isinstance(synced := entry.get("kernel_synchronized"), bool) else None,
            discipline=str(entry.get("discipline") or "").strip(),
            discipline_bound_ns=whole(entry, "discipline_bound_ns"),
        )
        for entry in entries
        if (t_ns := whole(entry, "t_ns")) is not None
    ]
    return tuple(sorted(found, key=lambda one: one.t_ns))


def whole(entry: Mapping[str, Any], key: str) -> int | None:
    """An integer, None for anything else."""
    value = entry.get(key)
    return value if type(value) is int else None


def span_ns(case: Case) -> tuple[int, int]:
    """From the begin of the first repetition to the end of the last. Raises ValueError for a case without one."""
    return min(one.begin_ns for one in case.measured), max(one.end_ns for one in case.measured)


def bounds_s(case: Case) -> dict[str, float | None]:
    """How far each clock may be off during the repetitions, in s: of each host but the collector, of the marks, and of the readings.

    None where a host does not tell. Raises ValueError for a case without a measured phase.
    """
    begin_ns, end_ns = span_ns(case)
    found: dict[str, float | None] = {}
    for host in clocks(case):
        if host.role != COLLECTOR:
            known = [one.known_s for one in host.around(begin_ns, end_ns)]
            found[host.name] = max((one for one in known if one is not None), default=None) if None not in known else None
    found["marks"] = max(one.unc_ns for one in case.measured) / NS_PER_S
    found["readings"] = max((one.clock_bound_ns / NS_PER_S for one in case.headline), default=None)
    return found
