"""What a bundle says of clocks: the last state, the widest bound, and the states between, thinned."""

from __future__ import annotations

from joulemark.collector.clocks import OWN_NAME, clock_of, clocks_of, moment, thinned
from joulemark.collector.store.base import HostState
from joulemark.proto.messages import ClockState, Overhead

S = 1_000_000_000


def state(
    t_s: float, *, offset_ns: int = 0, bound_ns: int = 0, known: bool = True, same_clock: bool = False, probe_count: int = 0
) -> HostState:
    clock = ClockState(
        offset_ns=offset_ns,
        bound_ns=bound_ns,
        offset_known=known,
        probe_count=probe_count,
        kernel_synchronized=True,
        kernel_max_error_ns=5,
        discipline="chrony",
        discipline_bound_ns=7,
    )
    return HostState("h", 1, round(t_s * S), same_clock, clock, Overhead(0, 1000, 2))


def test_the_clock_is_the_last_one_with_the_widest_bound() -> None:
    """A clock that was loose early in the run is not called tight because it ended so."""
    clock = clock_of([state(0, offset_ns=9, bound_ns=500), state(10, offset_ns=4, bound_ns=30)])
    assert (clock["applied_offset_ns"], clock["widest_bound_ns"], clock["bound_ns"], clock["same_clock"]) == (4, 500, 30, False)
    assert (clock["role"], clock_of([state(0)], role="collector")["role"]) == ("agent", "collector")


def test_states_are_told_as_the_rules_ask() -> None:
    """Each state has its time, offset, bound, probes and what kernel and daemon said."""
    told = clock_of([state(3, offset_ns=-9, bound_ns=500, probe_count=8)])["states"]
    assert told == [
        {
            "t_ns": 3 * S,
            "offset_ns": -9,
            "bound_ns": 500,
            "probe_count": 8,
            "kernel_synchronized": True,
            "kernel_max_error_ns": 5,
            "discipline": "chrony",
            "discipline_bound_ns": 7,
        }
    ]


def test_an_offset_that_nobody_knew_is_left_out() -> None:
    """Before the first answered probe neither offset nor bound is told; under one kernel both are 0."""
    assert {"offset_ns", "bound_ns"}.isdisjoint(moment(state(0, known=False)))
    assert moment(state(0, known=False, same_clock=True))["bound_ns"] == 0


def test_states_are_thinned_between_the_first_and_the_last() -> None:
    """One in thirty seconds, and always the last, however near it is."""
    times = [0, 10, 29.9, 30, 45, 61, 62]
    assert [one.t_ns / S for one in thinned([state(t) for t in times])] == [0, 30, 61, 62]
    assert thinned([]) == []


def test_the_collector_stands_among_the_hosts() -> None:
    """Under a name that no agent can have, in its own role; without a state of its own it is absent."""
    found = clocks_of({"h": [state(0)]}, [state(0), state(40)])
    assert {host: (clock["role"], len(clock["states"])) for host, clock in found.items()} == {"h": ("agent", 1), OWN_NAME: ("collector", 2)}
    assert list(clocks_of({"h": [state(0)]}, [])) == ["h"]
