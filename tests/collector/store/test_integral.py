"""The energy of a span out of the sums is bit for bit what all readings added up give, whatever stands in its way."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest

from joulemark.collector.store.base import Integral, Received
from joulemark.collector.store.integral import counted
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.energy.integrate import trapezoid_j
from joulemark.errors import UsageError
from joulemark.proto import convert
from joulemark.proto.messages import Batch, ClockState
from joulemark.readings import DeviceInfo, Quality
from tests.collector.store.conftest import DEVICE, METERS, SYNCED, T0, UTC_MINUS_MONO, S, batch, sample

BATCHES = 46
"""A second of readings each, sealed in chunks of ten."""
SPANS = [(T0 + begin, T0 + begin + long) for begin in (2 * S, 3 * S + 456_789, 10 * S + 7) for long in (1, 7 * S, 31 * S + 1)]


def brute(store: SqliteStore, begin_ns: int, end_ns: int) -> tuple[Fraction, int, int]:
    """(twice the integral, readings inside, longest gap touched) of everything that the store gives, one reading after another."""
    (found,) = store.series(METERS[:1], 0, 2**62)
    good = counted(found)
    points = list(zip(good.t_ns.tolist(), good.value.tolist(), strict=True))
    total, longest_ns = Fraction(0), 0
    for (t0, v0), (t1, v1) in pairwise(points):
        a, b = max(t0, begin_ns), min(t1, end_ns)
        if a < b:
            at = [v0 + Fraction((v1 - v0) * (x - t0), t1 - t0) for x in (a, b)]
            total += (b - a) * sum(at)
            longest_ns = max(longest_ns, t1 - t0)
    return total, sum(begin_ns <= t_ns <= end_ns for t_ns, _ in points), longest_ns


def asked(store: SqliteStore) -> list[Integral]:
    """What the store says of the power over SPANS; asserts that it is the brute force."""
    (found,) = store.integrals(METERS[:1], SPANS)
    out = []
    for one, span in zip(found, SPANS, strict=True):
        assert one is not None
        assert (one.double, one.readings, one.longest_ns) == brute(store, *span)
        out.append(one)
    return out


def filled(store: SqliteStore, numbers: Iterable[int] = range(BATCHES), change: Callable[[Received], Received] = lambda one: one) -> None:
    """Append batches, each as `change` makes it."""
    for done in [store.append(change(batch(number))) for number in numbers]:
        done.result()


def altered(store: SqliteStore, statement: str) -> None:
    """Run a statement on the store's file."""
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute(statement)


def frozen(received: Received, **changes: object) -> Received:
    """A batch of the same rows with other facts."""
    view = received.view
    rng = random.Random(view.batch_seq)
    samples = tuple(sample(view.batch_seq * 10 + i, rng) for i in range(10))
    plain = Batch(view.epoch_ns, view.batch_seq, "boot", view.closed_ns, view.clock, {"fake:h:0": samples}, devices=view.devices)
    body = convert.freeze(replace(plain, **changes)).body  # type: ignore[arg-type]  # names of its fields
    return replace(received, view=convert.decode(body), body=body)


@pytest.mark.parametrize("sealed", [0, 28, BATCHES])
def test_sealed_or_not_it_is_the_brute_force(store: SqliteStore, sealed: int) -> None:
    """Everything in the log, half of it, and everything in chunks: gaps, driver stamps and edges inside and between chunks."""
    filled(store, range(sealed))
    if sealed:
        store.seal(T0, everything=True)
    filled(store, range(sealed, BATCHES))
    for one in asked(store):
        (series,) = store.series(METERS[:1], 0, 2**62)
        good = counted(series)
        assert one.energy_j == pytest.approx(trapezoid_j(good.t_ns, good.si(), one.begin_ns, one.end_ns), rel=1e-9)
        assert one.longest_ns in {b - a for a, b in pairwise(good.t_ns.tolist())}


def test_whole_chunks_are_not_read(store: SqliteStore) -> None:
    """Chunks in the middle of a span may be gone, and their sums are believed: that is what makes it fast."""
    filled(store)
    store.seal(T0, everything=True)
    span = [(T0 + 5 * S, T0 + 44 * S)]
    before = store.integrals(METERS[:1], span)
    altered(store, f"UPDATE chunk SET body = x'00' WHERE t0_ns > {T0 + 15 * S} AND t1_ns < {T0 + 35 * S}")
    assert store.integrals(METERS[:1], span) == before
    altered(store, f"UPDATE chunk_sum SET double_integral = double_integral + 2 WHERE t0_ns > {T0 + 15 * S} AND t0_ns < {T0 + 25 * S}")
    ((more,),) = store.integrals(METERS[:1], span)
    ((was,),) = before
    assert more is not None
    assert was is not None
    assert more.double == was.double + 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chunk_sum SET longest_ns = NULL, double_integral = 0",
        f"INSERT INTO clock_step (agent_id, epoch_ns, t_ns, unc_ns, step_ns) VALUES ('h', 0, {T0 + 20 * S}, 0, 5)",
        "UPDATE chunk_sum SET first_stamp_ns = 77, last_stamp_ns = 77",
    ],
    ids=["of an older version", "around a step of the clock", "where stamps repeat"],
)
def test_what_a_sum_cannot_stand_for_is_read(store: SqliteStore, statement: str) -> None:
    """Sums of an older version, of chunks around a step of the clock, and where a stamp repeats across a border are not believed."""
    filled(store)
    store.seal(T0, everything=True)
    altered(store, statement)
    altered(store, "UPDATE chunk_sum SET double_integral = 1 WHERE double_integral IS NOT NULL")
    asked(store)


def test_epochs_that_overlap_are_read_together(store: SqliteStore) -> None:
    """Two starts of an agent whose readings lie among each other give the energy of all of them in time order."""
    filled(store)
    late = S // 20

    def shifted(one: Received) -> Received:
        clock = replace(SYNCED, offset_ns=SYNCED.offset_ns + late)
        return frozen(one, epoch_ns=T0 + 1, clock=clock)

    filled(store, range(15, 40), shifted)
    store.seal(T0, everything=True)
    asked(store)


def test_late_readings_inside_a_chunk_that_holds_another_are_read_with_both(store: SqliteStore) -> None:
    """A long chunk, a short one inside it, one after both, and a batch that comes late: its time lies in the long one alone."""
    described = batch(0).view.devices

    def add(numbers: Iterable[int], start: int) -> None:
        for number in numbers:
            store.append(frozen(batch(number, epoch_ns=T0 + start), devices=described)).result()

    add(range(10), 0)
    add([2], 1)
    add([12, 13], 2)
    store.seal(0, everything=True)
    add([8], 3)
    for span in ((T0 + S, T0 + 84 * S // 10), (T0 + 75 * S // 10, T0 + 95 * S // 10)):
        ((one,),) = store.integrals(METERS[:1], [span])
        assert one is not None
        assert (one.double, one.readings, one.longest_ns) == brute(store, *span)


def test_an_older_description_with_another_scale_is_refused(store: SqliteStore) -> None:
    """A power whose numbers meant something else before has no one energy."""
    filled(store, range(20))
    coarse = DeviceInfo(DEVICE.device_id, (replace(DEVICE.meters[0], exponent=-2), DEVICE.meters[1]))
    filled(store, range(20, BATCHES), lambda one: frozen(one, devices=(coarse,)))
    store.seal(T0, everything=True)
    with pytest.raises(UsageError, match="changed its scale"):
        store.integrals(METERS[:1], [(T0 + 5 * S, T0 + 44 * S)])


def test_one_chunk_of_an_older_scale_is_refused(store: SqliteStore) -> None:
    """Its sum is of numbers that meant something else than the description of now says."""
    filled(store, range(10))
    store.seal(T0, everything=True)
    coarse = DeviceInfo(DEVICE.device_id, (replace(DEVICE.meters[0], exponent=-2), DEVICE.meters[1]))
    filled(store, range(10, 11), lambda one: frozen(one, samples={}, devices=(coarse,)))
    with pytest.raises(UsageError, match="changed its scale"):
        store.integrals(METERS[:1], [(T0 + 2 * S, T0 + 8 * S)])


def test_a_step_of_another_agents_clock_changes_nothing(store: SqliteStore) -> None:
    """Sums of an agent are believed whatever the clock of its neighbour does."""
    filled(store)
    store.seal(T0, everything=True)
    altered(store, f"INSERT INTO clock_step (agent_id, epoch_ns, t_ns, unc_ns, step_ns) VALUES ('other', 0, {T0 + 20 * S}, 0, 5)")
    altered(store, f"UPDATE chunk SET body = x'00' WHERE t0_ns > {T0 + 15 * S} AND t1_ns < {T0 + 35 * S}")
    ((found,),) = store.integrals(METERS[:1], [(T0 + 5 * S, T0 + 44 * S)])
    assert found is not None


def test_nothing_is_extrapolated(store: SqliteStore) -> None:
    """A span that begins before the first reading or ends after the last one has no energy."""
    filled(store, range(20))
    store.seal(T0, everything=True)
    spans = [(T0 - 5 * S, T0 + 5 * S), (T0 + 5 * S, T0 + 50 * S), (T0 - 9 * S, T0 - 5 * S), (T0 + 5 * S, T0 + 6 * S)]
    (found,) = store.integrals(METERS[:1], spans)
    assert [one is None for one in found] == [True, True, True, False]


def test_a_reading_too_far_away_does_not_count(store: SqliteStore) -> None:
    """Between two readings that are minutes apart there is a span that has none near enough."""
    filled(store, range(10))
    store.seal(T0, everything=True)
    away = ClockState(offset_ns=SYNCED.offset_ns + 400 * S, bound_ns=40_000, offset_known=True)
    filled(store, range(10, 20), lambda one: frozen(one, epoch_ns=T0 + 1, clock=away))
    store.seal(T0, everything=True)
    assert store.integrals(METERS[:1], [(T0 + 200 * S, T0 + 300 * S)]) == [[None]]
    ((across, between),) = store.integrals(METERS[:1], [(T0 + 5 * S, T0 + 415 * S), (T0 + 200 * S, T0 + 300 * S)])
    assert between is None
    assert across is not None
    assert across.longest_ns > 390 * S


@pytest.mark.parametrize("meter_id", [METERS[1], "fake:h:0:nothing"])
def test_what_shows_no_power_is_refused(store: SqliteStore, meter_id: str) -> None:
    """A counter, and a meter that nobody described."""
    filled(store, range(3))
    with pytest.raises(UsageError, match="shows no power"):
        store.integrals([meter_id], [(T0, T0 + S)])


def test_a_power_of_nothing_is_no_reading(store: SqliteStore) -> None:
    """0 W counts neither in a sum nor in what is read."""
    (meter,) = (m for m in DEVICE.meters if m.meter_id == METERS[0])

    def dark(one: Received) -> Received:
        mono_ns = 50 * S + one.view.batch_seq * S
        bare = sample(one.view.batch_seq * 10, random.Random(1))
        bare = bare._replace(
            utc_minus_mono_ns=UTC_MINUS_MONO, t_device_ns=(None, None), qualities=(Quality.OK, Quality.OK), reasons=("", "")
        )
        times = [mono_ns + i * S // 10 for i in range(9)]
        rows = [bare._replace(t_read0_ns=t, t_read1_ns=t + 10, values=(0 if i % 3 else 500 + i, i)) for i, t in enumerate(times)]
        return frozen(one, samples={"fake:h:0": tuple(rows)})

    filled(store, range(BATCHES), dark)
    store.seal(T0, everything=True)
    assert meter.exponent == -3
    assert all(one.double > 900 * (one.end_ns - one.begin_ns) for one in asked(store))
