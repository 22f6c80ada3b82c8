"""Where marks lie on the collector's axis, also when clocks are stepped."""

from __future__ import annotations

import pytest

from joulemark.collector.placement import Axis, told
from joulemark.collector.recorded import Edge, Mark
from joulemark.collector.store.base import UNKNOWN_BOUND_NS, Anchored, ClockStep, HostState, Stream
from joulemark.collector.store.relation import offset_of_utc
from joulemark.proto.messages import ClockState, Overhead
from joulemark.runs import PhaseKind

S = 1_000_000_000
T0 = 1_790_000_000 * S


def stream(agent_id: str, boot_id: str) -> Stream:
    return Stream(agent_id, T0, boot_id, False, 0, 1, 10, 0, T0, T0, T0)


def state(agent_id: str, t_ns: int, offset_ns: int, bound_ns: int) -> HostState:
    """As an agent of version 1 told it: without monotonic time."""
    return HostState(agent_id, T0, t_ns, False, ClockState(offset_ns, bound_ns, offset_known=True), Overhead())


def on_mono(t_s: int, *, utc_ahead_s: float, bound_ns: int = 1000) -> HostState:
    """The state of an agent that booted at T0, `t_s` later; its UTC is ahead of the axis."""
    clock = ClockState(-round(utc_ahead_s * S), bound_ns, 0, True, at_mono_ns=t_s * S, utc_minus_mono_ns=T0 + round(utc_ahead_s * S))
    return HostState("a", T0, T0 + t_s * S, False, clock, Overhead())


def mark(
    boot_id: str, *, at_s: float = 0, edge: Edge = Edge.BEGIN, received_s: float = 5, mono_s: float = 0, end_s: float | None = None
) -> Mark:
    end_ns = None if end_s is None else T0 + round(end_s * S)
    received_ns, mono_ns = T0 + round(received_s * S), round(mono_s * S)
    return Mark(edge, "p", PhaseKind.MEASURED, T0 + round(at_s * S), mono_ns, boot_id, received_ns, end_ns)


def test_a_mark_is_placed_by_what_is_known_of_its_clock() -> None:
    """Exact on the collector's host, moved by the agent's nearest state on an agent's host, as late as received elsewhere."""
    states = [state("a", T0, 100, 7), state("a", T0 + 60 * S, 200, 9)]
    axis = Axis("here", [stream("a", "boot-a"), stream("b", "boot-b")], states)
    assert axis(mark("here")) == (0, 0)
    assert [axis(mark("boot-a", at_s=at_s))[0] for at_s in (1, 29, 31)] == [100, 100, 200]
    assert axis(mark("boot-a", at_s=10))[1] == pytest.approx(7 + 1_000_000, abs=1)
    assert axis(mark("boot-b", received_s=-3)) == (0, 3 * S)
    assert axis(mark("")) == (0, 5 * S)
    assert axis(mark("stranger", edge=Edge.WINDOW)) == (0, UNKNOWN_BOUND_NS)


def test_an_unknown_boot_is_not_the_collectors_own() -> None:
    """Where the kernel has no boot id, two empty ones do not prove one clock."""
    assert Axis("", [], [])(mark("")) == (0, 5 * S)


AXES = [Anchored("here", T0, 0, T0 + S), Anchored("here", T0, -5 * S, T0 + 2 * S)]
STEP = ClockStep("", T0 + 50 * S, 0, 5 * S)


def test_a_mark_of_the_collectors_host_is_placed_by_monotonic_time() -> None:
    """Its UTC is 5 s ahead since a step: the mark lies where its monotonic time is on the axis, exactly."""
    axis = Axis("here", [], [], axes=AXES, steps=[STEP])
    assert axis(mark("here", at_s=65, received_s=60, mono_s=60)) == (-5 * S, 0)
    assert axis(mark("here", at_s=40, received_s=40, mono_s=40)) == (0, 0)


def test_a_mark_from_before_there_was_an_axis_is_utc() -> None:
    """Marks that version 1 took are where its UTC was, whatever the monotonic time says."""
    assert Axis("here", [], [], axes=AXES)(mark("here", at_s=0, received_s=0, mono_s=77)) == (0, 0)


def test_a_mark_of_the_collectors_earlier_boot_is_still_its_own() -> None:
    """After a restart of the host a run of before is not a stranger's."""
    axes = [Anchored("earlier", T0 - 7, 0, T0), Anchored("here", 5, 0, T0 + 100 * S)]
    assert Axis("here", [], [], axes=axes)(mark("earlier", at_s=3, received_s=3, mono_s=3)) == (-7, 0)


def test_a_window_from_files_is_placed_by_the_utc_of_its_edges() -> None:
    """Before the step UTC is the axis; after it 5 s are taken off; a second that the clock skipped is uncertain by the step."""
    axis = Axis("here", [], [], axes=AXES, steps=[STEP])
    assert axis(mark("here", at_s=49, edge=Edge.WINDOW, end_s=56)) == (0, 0)
    assert axis(mark("here", at_s=56, edge=Edge.WINDOW, end_s=57)) == (-5 * S, 0)
    assert axis(mark("here", at_s=52, edge=Edge.WINDOW, end_s=57)) == (-5 * S, 5 * S)


def test_a_utc_that_was_shown_twice_may_be_either() -> None:
    """Stepped back by 5 s at 50 s: what the clock showed at 47 s was both; 44 s and 51 s were once."""
    back = [ClockStep("", T0 + 50 * S, 0, -5 * S)]
    assert offset_of_utc(T0 + 47 * S, 5 * S, back) == (5 * S // 2, 5 * S // 2)
    assert offset_of_utc(T0 + 44 * S, 5 * S, back) == (0, 0)
    assert offset_of_utc(T0 + 51 * S, 5 * S, back) == (5 * S, 0)


def test_two_steps_are_undone_in_turn() -> None:
    """Forth by 5 s at 50 s, back by 5 s at 80 s: in between UTC is ahead, before and after it is not."""
    steps = [STEP, ClockStep("", T0 + 80 * S, 0, -5 * S)]
    assert [offset_of_utc(T0 + at_s * S, 0, steps)[0] for at_s in (10, 70, 95)] == [0, -5 * S, 0]


def test_a_mark_of_an_agents_host_is_placed_by_monotonic_time() -> None:
    """The agent's UTC is 37 s ahead and then 42 s: marks lie by monotonic time, as uncertain as the nearest state and the drift since."""
    states = [on_mono(10, utc_ahead_s=37), on_mono(20, utc_ahead_s=42)]
    axis = Axis("here", [stream("a", "boot-a")], states, steps=[ClockStep("a", T0 + 15 * S, S, 5 * S)])
    assert axis(mark("boot-a", at_s=49, mono_s=12)) == (-37 * S, 1000 + 200_000)
    assert axis(mark("boot-a", at_s=61, mono_s=19)) == (-42 * S, 1000 + 100_000)
    assert axis(mark("boot-a", at_s=60, edge=Edge.WINDOW, end_s=61))[0] == -42 * S
    assert axis(mark("boot-a", at_s=43, edge=Edge.WINDOW, end_s=44))[0] == -37 * S


def test_a_monotonic_time_of_another_clock_is_not_taken_for_the_hosts() -> None:
    """A client in a time namespace, or on CLOCK_MONOTONIC of a host that slept for an hour, is placed by UTC, steps undone."""
    here = Axis("here", [], [], axes=AXES, steps=[STEP])
    assert here(mark("here", at_s=65, received_s=60, mono_s=3660)) == (-5 * S, 0)
    there = Axis("here", [stream("a", "boot-a")], [on_mono(10, utc_ahead_s=37)])
    assert there(mark("boot-a", at_s=47, mono_s=3600)) == (-37 * S, 1000)


def test_a_step_is_told_in_words() -> None:
    """Who, by how much, when, and that nothing moved."""
    mine, theirs = told([STEP, ClockStep("a", T0, 0, -5_000_400_000)])
    assert mine.startswith("The clock of the collector was stepped by +5.000 s at 2026-09-21T")
    assert "agent a was stepped by -5.000 s" in theirs
