"""The collector's axis: kept or anchored anew, and its steps."""

from __future__ import annotations

from joulemark.collector.store.base import Anchored, ClockStep
from joulemark.collector.store.sqlite import SqliteStore
from tests.collector.store.conftest import T0, S, batch

SHIFT = T0 - 100 * S


def test_the_first_start_anchors_to_utc(store: SqliteStore) -> None:
    """The axis is UTC of that moment, and is read back."""
    assert store.anchored("boot", mono_ns=100 * S, utc_minus_mono_ns=SHIFT, keep=False) == SHIFT
    assert store.axes() == [Anchored("boot", SHIFT, 0, T0)]


def test_a_restart_goes_on_with_the_axis(store: SqliteStore) -> None:
    """Under the same boot, without a step, nothing is anchored anew: the noise of reading two clocks does not move the axis."""
    store.anchored("boot", mono_ns=100 * S, utc_minus_mono_ns=SHIFT, keep=False)
    assert store.anchored("boot", mono_ns=200 * S, utc_minus_mono_ns=SHIFT + 900, keep=False) == SHIFT
    assert len(store.axes()) == 1
    assert store.clock_steps(0, 2 * T0) == []


def test_an_open_run_keeps_the_axis_through_a_step(store: SqliteStore) -> None:
    """Stepped by 5 s while the collector was down: the axis stays, and the step lies between the last batch and the restart."""
    store.anchored("boot", mono_ns=100 * S, utc_minus_mono_ns=SHIFT, keep=False)
    store.append(batch(10)).result()
    assert store.anchored("boot", mono_ns=130 * S, utc_minus_mono_ns=SHIFT + 5 * S, keep=True) == SHIFT
    assert store.clock_steps(0, 2 * T0) == [ClockStep("", T0 + 20 * S, 10 * S, 5 * S)]
    assert store.axes() == [Anchored("boot", SHIFT, -5 * S, T0)]


def test_without_a_run_or_after_a_boot_the_axis_is_anchored_anew(store: SqliteStore) -> None:
    """A step is taken over at a start without an open run; another boot has another monotonic clock, and an unknown one always has."""
    store.anchored("boot", mono_ns=100 * S, utc_minus_mono_ns=SHIFT, keep=False)
    assert store.anchored("boot", mono_ns=200 * S, utc_minus_mono_ns=SHIFT + 5 * S, keep=False) == SHIFT + 5 * S
    assert store.anchored("next boot", mono_ns=S, utc_minus_mono_ns=T0 + 300 * S, keep=True) == T0 + 300 * S
    assert store.anchored("", mono_ns=S, utc_minus_mono_ns=T0, keep=True) == T0
    assert store.anchored("", mono_ns=S, utc_minus_mono_ns=T0 + 7 * S, keep=True) == T0 + 7 * S


def test_a_step_while_running_is_kept_once(store: SqliteStore) -> None:
    """A change above 1 ms is an event at its time on the axis; the same difference seen again is none."""
    store.anchored("boot", mono_ns=100 * S, utc_minus_mono_ns=SHIFT, keep=False)
    seen = [store.stepped(mono_ns=at_s * S, utc_minus_mono_ns=SHIFT - 2 * S).result() for at_s in (150, 151)]
    assert seen == [True, False]
    assert not store.stepped(mono_ns=152 * S, utc_minus_mono_ns=SHIFT - 2 * S + 900_000).result()
    assert store.clock_steps(T0 + 50 * S, T0 + 50 * S) == [ClockStep("", T0 + 50 * S, 0, -2 * S)]
    assert store.clock_steps(T0 + 51 * S, T0 + 60 * S) == []
