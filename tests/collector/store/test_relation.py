"""From monotonic time to the axis: before the first probe, after a restart, through steps, never across boots."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest

from joulemark.collector.store import schema, sealing
from joulemark.collector.store.base import UNKNOWN_BOUND_NS, ClockStep, Received
from joulemark.collector.store.relation import complete_clock
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState, Loss
from joulemark.readings import Quality, Sample
from tests.collector.store.conftest import DEVICE, METERS, T0, S

AXIS_NS = T0 - 1000 * S


def told(number: int, *, utc_ahead_s: float = 0, known: bool = True, bound_ns: int = 50_000, **more: object) -> Received:
    """Batch `number` of an agent booted 1000 s before T0, its UTC ahead of the axis: ten reads, a second apart, closed after 10 s."""
    shift_ns = AXIS_NS + round(utc_ahead_s * S)
    at_ns = (1000 + number * 10 + 10) * S
    clock = ClockState(
        AXIS_NS - shift_ns if known else 0, bound_ns if known else 0, offset_known=known, at_mono_ns=at_ns, utc_minus_mono_ns=shift_ns
    )
    samples = [
        Sample("fake:h:0", t_ns, t_ns, shift_ns, (1, 1), (None, None), (Quality.OK,) * 2, ("", ""), number * 10 + i)
        for i, t_ns in enumerate(range(at_ns - 10 * S, at_ns, S))
    ]
    epoch_ns = more.pop("epoch_ns", T0)
    boot_id = more.pop("boot_id", "boot")
    lost_ns = more.pop("lost_ns", (at_ns + shift_ns, at_ns + shift_ns))
    assert isinstance(epoch_ns, int)
    assert isinstance(lost_ns, tuple)
    losses = (Loss("fake:h:0", 1, lost_ns[0], lost_ns[1], "full"),) if number == 1 else ()
    assert isinstance(boot_id, str)
    frozen = convert.freeze(
        Batch(epoch_ns, number, boot_id, at_ns + shift_ns, clock, {"fake:h:0": tuple(samples)}, devices=(DEVICE,), losses=losses)
    )
    return Received("h", convert.decode(frozen.body), frozen.body, T0 + number * 10 * S, **more)  # type: ignore[arg-type]  # fields of each kind


def times_s(store: SqliteStore) -> tuple[list[float], int]:
    """Times of all readings in seconds after T0, and the widest bound."""
    found = store.series(METERS[1:], T0 - 4000 * S, T0 + 4000 * S)
    return [(t_ns - T0) / S for one in found for t_ns in one.t_ns.tolist()], max(one.clock_bound_ns for one in found)


@pytest.mark.parametrize("ahead_s", [37.5, -12.0, 3600.0])
def test_a_step_before_the_first_probe_moves_nothing(store: SqliteStore, ahead_s: float) -> None:
    """Two batches unknown, a step of 5 s between them, then known: every reading lies where monotonic time says, sealed or not."""
    store.append(told(0, utc_ahead_s=ahead_s, known=False)).result()
    store.append(told(1, utc_ahead_s=ahead_s + 5, known=False)).result()
    assert times_s(store)[1] == UNKNOWN_BOUND_NS
    store.seal(T0, everything=True)
    store.append(told(2, utc_ahead_s=ahead_s + 5)).result()
    for _ in range(2):
        seconds, bound_ns = times_s(store)
        assert seconds == [float(second) for second in range(30)]
        assert bound_ns == pytest.approx(50_000 + 30 * 100_000, abs=2)
        store.seal(T0, everything=True)
    assert [loss.first_ns for _, loss in store.losses(T0, T0 + 100 * S)] == [T0 + 20 * S]
    assert [state.t_ns for state in store.states(T0, T0 + 100 * S)] == [T0 + 10 * S, T0 + 20 * S, T0 + 30 * S]
    assert store.clock_steps(T0, T0 + 100 * S) == [ClockStep("h", T0 + 15 * S, 5 * S, 5 * S)]
    assert store.streams()[0].last_ns == T0 + 29 * S


@pytest.mark.parametrize("ahead_s", [3600.0, -3600.0])
def test_a_loss_from_before_a_step_keeps_its_time(store: SqliteStore, ahead_s: float) -> None:
    """Lost 5 s after T0 by a clock that is an hour off, told when it was set right: it lies at 5 s, not an hour away from its run."""
    store.append(told(0, utc_ahead_s=ahead_s)).result()
    store.append(told(1, lost_ns=(T0 + round((5 + ahead_s) * S),) * 2)).result()
    ((_, loss),) = store.losses(T0, T0 + 10 * S)
    assert (loss.first_ns, loss.last_ns) == (T0 + 5 * S, T0 + 5 * S)


def test_a_loss_that_may_lie_on_either_side_of_a_step_covers_both(store: SqliteStore) -> None:
    """A time that the clock showed twice, 5 s apart: the loss reaches from the one to the other."""
    store.append(told(0, utc_ahead_s=5)).result()
    store.append(told(1, lost_ns=(T0 + 18 * S,) * 2)).result()
    ((_, loss),) = store.losses(T0, T0 + 100 * S)
    assert (loss.first_ns, loss.last_ns) == (T0 + 13 * S, T0 + 18 * S)


def test_a_loss_on_both_sides_of_a_step_back_covers_it(store: SqliteStore) -> None:
    """Lost from 8 s (by a clock an hour ahead) until 17 s (by the same, set right): the earliest date told is that of the end."""
    store.append(told(0, utc_ahead_s=3600)).result()
    store.append(told(1, lost_ns=(T0 + 17 * S, T0 + 3608 * S))).result()
    ((_, loss),) = store.losses(T0, T0 + 100 * S)
    assert loss.first_ns <= T0 + 8 * S
    assert loss.last_ns >= T0 + 17 * S


def test_a_loss_that_is_dated_after_its_batch_keeps_its_date(store: SqliteStore) -> None:
    """What no clock of the agent can have said is not refused: it stays where it says."""
    store.append(told(1, lost_ns=(T0 + 50 * S,) * 2)).result()
    assert [loss.first_ns for _, loss in store.losses(T0, T0 + 100 * S)] == [T0 + 50 * S]


def test_an_epoch_that_never_learned_it_is_placed_by_the_next_start(store: SqliteStore) -> None:
    """The agent ran and ended while the collector was away; its next start under the same boot learns the offset for both."""
    store.append(told(0, utc_ahead_s=500, known=False)).result()
    store.append(told(3, utc_ahead_s=500, epoch_ns=T0 + 1)).result()
    seconds, bound_ns = times_s(store)
    assert seconds == [*range(10), *range(30, 40)]
    assert bound_ns == 50_000 + 40 * 100_000


def test_a_start_goes_on_with_what_the_one_before_knew(store: SqliteStore) -> None:
    """Before its first probe a restarted agent is placed by the last word of the start before, wider by the drift; then by its own."""
    store.append(told(0)).result()
    store.append(told(2, epoch_ns=T0 + 1, known=False, utc_ahead_s=5)).result()
    assert times_s(store) == ([*range(10), *range(20, 30)], 50_000 + 19 * 100_000)
    store.append(told(3, epoch_ns=T0 + 1, utc_ahead_s=5)).result()
    assert times_s(store)[1] == 50_000 + 20 * 100_000
    assert [step.step_ns for step in store.clock_steps(0, 2 * T0)] == [5 * S]


def test_monotonic_times_of_two_boots_never_meet(store: SqliteStore) -> None:
    """What another boot knew says nothing: the bound is that of a clock nobody compared, and no step is seen between two boots."""
    store.append(told(0, boot_id="before", utc_ahead_s=9)).result()
    store.append(told(2, boot_id="after", epoch_ns=T0 + 1, known=False, utc_ahead_s=4)).result()
    assert times_s(store)[1] == UNKNOWN_BOUND_NS
    assert store.clock_steps(0, 2 * T0) == []


def test_boots_without_a_name_are_not_the_same(store: SqliteStore) -> None:
    """Where the kernel has no boot id, two empty ones prove nothing."""
    store.append(told(0, boot_id="")).result()
    store.append(told(2, boot_id="", epoch_ns=T0 + 1, known=False, utc_ahead_s=3)).result()
    assert times_s(store)[1] == UNKNOWN_BOUND_NS
    assert store.clock_steps(0, 2 * T0) == []


def test_under_one_kernel_the_collectors_axis_holds(store: SqliteStore) -> None:
    """An agent on the collector's host that answers no probe, its UTC stepped by 5 s: exact, by the collector's own axis."""
    store.append(told(0, known=False, utc_ahead_s=5, same_clock=True, axis_minus_mono_ns=AXIS_NS)).result()
    assert times_s(store) == ([float(second) for second in range(10)], 0)


def test_probes_outweigh_the_kernels_identity(store: SqliteStore) -> None:
    """The first answered probe finds a false clock out: what was taken for exact is moved, and bounded by it."""
    wrong_ns = AXIS_NS - 3600 * S
    store.append(told(0, known=False, same_clock=True, axis_minus_mono_ns=wrong_ns)).result()
    assert times_s(store)[0][0] == -3600.0
    store.append(told(1, same_clock=True, axis_minus_mono_ns=wrong_ns)).result()
    seconds, bound_ns = times_s(store)
    assert (seconds, bound_ns) == ([float(second) for second in range(20)], 50_000 + 20 * 100_000)
    assert not store.streams()[0].same_clock


def test_a_clock_is_held_against_the_newest_start_of_its_boot(store: SqliteStore) -> None:
    """What comes late of an older start, or under another boot, is compared with the last word of that boot, not its own."""
    store.append(told(0)).result()
    store.append(told(2, epoch_ns=T0 + 1, utc_ahead_s=5)).result()
    store.append(told(1, utc_ahead_s=5)).result()
    assert [step.step_ns for step in store.clock_steps(0, 2 * T0)] == [5 * S]
    store.append(told(3, epoch_ns=T0 + 1, utc_ahead_s=9, boot_id="another")).result()
    assert [step.step_ns for step in store.clock_steps(0, 2 * T0)] == [5 * S]


def test_a_change_below_a_millisecond_is_no_step(store: SqliteStore) -> None:
    """The noise of reading two clocks is no event; 2 ms is one, halfway between the two closings."""
    for number, ahead_s in enumerate((0, 0.0009, 0.0029)):
        store.append(told(number, utc_ahead_s=ahead_s)).result()
    assert store.clock_steps(0, 2 * T0) == [ClockStep("h", T0 + 25 * S, 5 * S, 2_000_000)]


def test_a_chunk_made_before_the_relation_changed_is_made_again(store: SqliteStore) -> None:
    """Sealing that overlaps the first known offset does not store times of before it."""
    store.append(told(0, known=False, utc_ahead_s=37)).result()
    with closing(schema.reader(store.path)) as db:
        (span,) = sealing.spans(db, T0, span_ns=S, everything=True)
        sealed = sealing.encode(db, span)
    assert sealed is not None
    store.append(told(1, utc_ahead_s=37)).result()
    assert store._writer.submit(sealed.store).result() is False
    assert store.seal(T0, everything=True)
    assert times_s(store)[0] == [float(second) for second in range(20)]


def test_an_agent_of_version_1_tells_its_monotonic_time_by_its_rows() -> None:
    """Its batch has UTC alone: the first row relates it; without a row nothing does."""
    view = told(0, utc_ahead_s=3).view
    old = replace(view, clock=replace(view.clock, at_mono_ns=0, utc_minus_mono_ns=0))
    assert complete_clock(old) == view.clock
    assert complete_clock(replace(old, blocks=())).at_mono_ns == 0
