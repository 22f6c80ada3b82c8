from __future__ import annotations

from joulemark.agent.clock import ClockTracker
from joulemark.agent.clock_fit import Exchange
from tests.conftest import ManualClock


def tracker_with(clock: ManualClock, *, boot: str, offset_ns: int, axis_ns: int = 0) -> ClockTracker:
    tracker = ClockTracker(clock, boot_id="boot-a")
    tracker.welcome(boot, axis_ns)
    tracker.add_burst([Exchange(clock.mono, clock.utc - clock.mono + offset_ns, 200_000)])
    return tracker


def test_unknown_until_a_probe_is_answered(manual_clock: ManualClock) -> None:
    """Before the first reply the offset is not known, and the state says so."""
    assert not ClockTracker(manual_clock, boot_id="boot-a").state(0).offset_known


def test_other_host_has_offset_and_bound(manual_clock: ManualClock) -> None:
    """A collector 7 ms ahead gives an offset of 7 ms within half the round trip."""
    state = tracker_with(manual_clock, boot="boot-b", offset_ns=7_000_000).state(manual_clock.mono)
    assert (state.offset_ns, state.bound_ns, state.offset_known) == (7_000_000, 200_000, True)


def test_one_kernel_has_the_axis_told(manual_clock: ManualClock) -> None:
    """Under one boot id, with probes that agree, the axis is the collector's word, and the bound zero."""
    tracker = tracker_with(manual_clock, boot="boot-a", offset_ns=50_000, axis_ns=manual_clock.utc - manual_clock.mono + 300)
    state = tracker.state(manual_clock.mono)
    assert (state.offset_ns, state.bound_ns, state.offset_known) == (300, 0, True)
    assert state.axis_minus_mono_ns == manual_clock.utc - manual_clock.mono + 300


def test_probes_outweigh_the_boot_id(manual_clock: ManualClock) -> None:
    """Under one boot id a process with a false clock is found out by its probes."""
    tracker = tracker_with(manual_clock, boot="boot-a", offset_ns=5_000_000_000, axis_ns=manual_clock.utc - manual_clock.mono)
    state = tracker.state(manual_clock.mono)
    assert (state.offset_ns, state.bound_ns) == (5_000_000_000, 200_000)


def test_another_axis_of_the_same_collector_starts_anew(manual_clock: ManualClock) -> None:
    """A collector that anchored its axis anew says so in its welcome: what was measured against the old one is forgotten."""
    tracker = tracker_with(manual_clock, boot="boot-b", offset_ns=0, axis_ns=7)
    tracker.welcome("boot-b", 7)
    assert tracker.state(manual_clock.mono).offset_known
    tracker.welcome("boot-b", 8)
    assert not tracker.state(manual_clock.mono).offset_known


def test_a_step_of_the_host_changes_its_utc_and_not_the_axis(manual_clock: ManualClock) -> None:
    """After a step of +5 s the offset to the host's UTC is 5 s less, and monotonic times lie where they lay."""
    tracker = tracker_with(manual_clock, boot="boot-b", offset_ns=0)
    before = tracker.state(manual_clock.mono)
    manual_clock.utc += 5_000_000_000
    after = tracker.state(manual_clock.mono)
    assert (before.offset_ns, after.offset_ns) == (0, -5_000_000_000)
    assert before.axis_minus_mono_ns == after.axis_minus_mono_ns


def test_the_bound_holds_for_the_oldest_sample_of_the_batch(manual_clock: ManualClock) -> None:
    """A batch that reaches 10 s back is bounded for clocks that part by 100 ppm: 1 ms wider."""
    tracker = tracker_with(manual_clock, boot="boot-b", offset_ns=0)
    assert tracker.state(manual_clock.mono - 10_000_000_000).bound_ns == 200_000 + 1_000_000
