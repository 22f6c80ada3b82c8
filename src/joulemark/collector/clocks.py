"""What a bundle says of the clocks of a run: of each agent, and of the collector itself (rules CLK-1 to CLK-3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from joulemark.collector.store.base import HostState
from joulemark.units import NS_PER_S

APART_NS: Final = 30 * NS_PER_S
"""States are thinned to one in so long: probes have to be told of once a minute (CLK-3)."""

OF_CLOCK: Final = ("probe_count", "kernel_synchronized", "kernel_max_error_ns", "discipline", "discipline_bound_ns")


OWN_NAME: Final = "collector:own"
"""The collector among the hosts; no agent_id holds a colon."""


def clocks_of(by_host: Mapping[str, Sequence[HostState]], own: Sequence[HostState]) -> dict[str, dict[str, Any]]:
    """The clock of every host that said something of it; `own`: the collector's states."""
    found = {host: clock_of(states) for host, states in by_host.items()}
    return {**found, OWN_NAME: clock_of(own, role="collector")} if own else found


def clock_of(states: Sequence[HostState], *, role: str = "agent") -> dict[str, Any]:
    """The host's last clock state of the run, its offset and the widest bound; `same_clock`: the collector ran under the same kernel.

    `states`: the same through the run, thinned, the first and the last among them.
    """
    last = states[-1]
    return {
        "role": role,
        "same_clock": last.same_clock,
        "applied_offset_ns": last.offset_ns,
        "widest_bound_ns": max(s.bound_ns for s in states),
        **asdict(last.clock),
        "states": [moment(state) for state in thinned(states)],
    }


def moment(state: HostState) -> dict[str, Any]:
    """One state as the validator reads it; an offset that nobody knew is left out."""
    clock = asdict(state.clock)
    known = {"offset_ns": state.offset_ns, "bound_ns": state.bound_ns} if state.clock.offset_known or state.same_clock else {}
    return {"t_ns": state.t_ns, **known, **{name: clock[name] for name in OF_CLOCK}}


def thinned(states: Sequence[HostState]) -> list[HostState]:
    """At most one state in `APART_NS`, and the last."""
    kept: list[HostState] = []
    for state in states:
        if not kept or state.t_ns - kept[-1].t_ns >= APART_NS:
            kept.append(state)
    return kept if not states or kept[-1] is states[-1] else [*kept, states[-1]]
