"""Columns: wire, blob and series hold the same rows; clocks and sums are exact."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from joulemark.collector.store.base import UNKNOWN_BOUND_NS
from joulemark.collector.store.columns import Columns, FirstClock, double_integral, known_clock, offsets, reason_runs, redated, unrolled
from joulemark.collector.store.sqlite import SqliteStore
from joulemark.errors import FormatError
from joulemark.proto.messages import NO_DEVICE_TIME, ClockState
from tests.collector.store.conftest import DEVICE, SYNCED, T0, S, batch, sample


def columns(number: int, clock: ClockState = SYNCED) -> Columns:
    """The rows of a received batch."""
    view = batch(number, clock=clock).view
    return Columns.from_block(view.blocks[0], view.clock)


def assert_equal(one: Columns, other: Columns) -> None:
    """Every column and reason is the same."""
    assert one.shared.keys() == other.shared.keys()
    for name in one.shared:
        np.testing.assert_array_equal(one.shared[name], other.shared[name])
    for mine, theirs in zip(
        (*one.values, *one.device_delta_ns, *one.quality), (*other.values, *other.device_delta_ns, *other.quality), strict=True
    ):
        assert (mine is None) == (theirs is None)
        np.testing.assert_array_equal(mine, theirs)
    assert one.reasons == other.reasons


def test_a_sealed_blob_opens_to_the_same_columns() -> None:
    """Times, values, driver stamps, qualities and reasons of joined batches come back exactly; a meter without a clock stays without."""
    joined = Columns.joined([columns(0), columns(1), columns(2)])
    opened = Columns.unseal(*joined.seal())
    assert_equal(opened, joined)
    assert opened.device_delta_ns[1] is None
    assert opened.reasons[0] == dict.fromkeys((8, 17, 26), "driver did not answer")


def test_blocks_together_are_the_blocks_one_by_one() -> None:
    """Of different lengths, clocks, holes in the count, with and without driver stamps, gaps and pinned rows."""
    clocks = [SYNCED, ClockState(), ClockState(5, 7, 1000, offset_known=True, at_mono_ns=40 * S, utc_minus_mono_ns=T0 - 50 * S)]
    views = [batch(number, size=size, clock=clock).view for number, size, clock in zip((0, 3, 9), (10, 7, 1), clocks, strict=True)]
    parts = [(view.blocks[0], view.clock) for view in views]
    bare, shifted = parts[1][0], np.arange(7, dtype=np.int64) * 3
    whole = tuple(column._replace(device_delta_ns=b"", quality=b"") for column in bare.columns)
    parts[1] = (bare._replace(columns=whole, seq=(shifted + 70).tobytes(), pinned_rows=(2, 6)), parts[1][1])
    together = Columns.from_blocks(parts)
    assert_equal(together, Columns.joined([Columns.from_block(*part) for part in parts]))
    assert together.shared["seq"].tolist() == [*range(10), *(shifted + 70).tolist(), 9]
    assert np.flatnonzero(together.shared["pinned"]).tolist() == [0, 12, 16]
    assert together.shared["bound_ns"].tolist() == [40_000] * 10 + [-1] * 7 + [7]
    assert together.shared["offset_ns"][10:].tolist() == [0] * 7 + [
        T0 - 50 * S + 5 + (int(together.shared["mono_ns"][17]) - 40 * S) * 1000 // S - int(together.shared["utc_minus_mono_ns"][17])
    ]


def test_a_blob_of_another_format_is_refused() -> None:
    """A layout that this version does not write is an error, not a guess."""
    layout, blob = columns(0).seal()
    with pytest.raises(FormatError, match="format 4"):
        Columns.unseal(json.dumps({**json.loads(layout), "format": 4}), blob)


def test_one_meter_alone_can_be_opened() -> None:
    """Its columns are as they were, those of the other stay empty."""
    whole = columns(0)
    opened = Columns.unseal(*whole.seal(), only=1)
    np.testing.assert_array_equal(opened.values[1], whole.values[1])
    np.testing.assert_array_equal(opened.shared["offset_ns"], whole.shared["offset_ns"])
    assert len(opened.values[0]) == 0
    assert opened.quality[0] is None


def test_the_devices_own_times_of_both_ends() -> None:
    """The first and the last row's, where the meter is dated by them; a row or a meter without one has none."""
    first, last = columns(0).stamps(0, DEVICE.meters[0])
    utc_ns = columns(0).utc_ns()
    assert (first, last) == (utc_ns[0] - 17_000, None) or last == utc_ns[-1] - 17_000
    assert columns(0).stamps(1, DEVICE.meters[1]) == (None, None)


def test_rows_before_the_first_known_offset_get_it_widened_by_drift() -> None:
    """100 ppm of drift: 10 s before the first comparison the bound is 1 ms wider; known rows keep their own."""
    rows = {"mono_ns": [0, 10 * S], "utc_minus_mono_ns": [3, 3], "offset_ns": [0, 7], "bound_ns": [-1, 50]}
    shared = {name: np.array(column) for name, column in rows.items()}

    def known(first: FirstClock | None) -> tuple[list[int], list[int]]:
        moved_ns, bound_ns = known_clock(shared, first)
        return moved_ns.tolist(), bound_ns.tolist()

    assert known(FirstClock(8, 40, 10 * S)) == ([5, 7], [40 + 1_000_000, 50])
    assert known(FirstClock(8, 0, 10 * S)) == ([5, 7], [0, 50])
    assert known(FirstClock(8, None, 0)) == ([5, 7], [UNKNOWN_BOUND_NS, 50])
    assert known(FirstClock(5, 40, 10 * S + 3, on_mono=False)) == ([5, 7], [40 + 1_000_000, 50])
    assert known(None) == ([0, 7], [UNKNOWN_BOUND_NS, 50])


def test_a_batch_that_knows_its_clock_is_placed_by_monotonic_time() -> None:
    """The host's UTC is stepped by 5 s between two rows: on the axis they stay 1 s apart, and the drift moves them by 2 us."""
    clock = ClockState(offset_ns=-7, bound_ns=9, drift_ppb=2000, offset_known=True, at_mono_ns=2 * S, utc_minus_mono_ns=100 * S)
    mono_ns, shift_ns = np.array([S, 2 * S]), np.array([95 * S, 100 * S])
    assert (mono_ns + shift_ns + offsets(mono_ns, shift_ns, [clock], np.array([2]))).tolist() == [101 * S - 7 - 2000, 102 * S - 7]


@pytest.mark.parametrize("step_s", [5, -5])
def test_a_stamp_from_before_a_step_is_taken_by_the_clock_of_then(step_s: int) -> None:
    """The driver's stamps of the first rows after a step were made before it; all stamps come out 0.3 s older than their reads."""
    mono_ns = 100 * S + np.arange(10) * S // 10
    stamped_ns = mono_ns - 3 * S // 10
    stepped_ns = 100 * S + S // 2 - 1
    shift_ns = np.where(mono_ns > stepped_ns, step_s * S, 0)
    delta_ns = stamped_ns + np.where(stamped_ns > stepped_ns, step_s * S, 0) - mono_ns - shift_ns
    assert len(set(delta_ns.tolist())) == 2
    fixed_ns = redated(mono_ns, shift_ns, np.full(10, 20_000), delta_ns)
    assert (mono_ns + fixed_ns).tolist() == stamped_ns.tolist()


def test_a_stamp_is_left_alone_where_no_clock_was_stepped() -> None:
    """A device 50 ms ahead of its host and rows without a stamp come through a step as they are."""
    mono_ns, shift_ns = np.arange(4) * S, np.array([0, 0, 5 * S, 5 * S])
    delta_ns = np.array([50_000_000, NO_DEVICE_TIME, NO_DEVICE_TIME, 50_000_000])
    assert redated(mono_ns, shift_ns, np.full(4, 20_000), delta_ns).tolist() == delta_ns.tolist()


def test_the_clock_bound_is_of_the_rows_asked_for() -> None:
    """The widest bound of a piece does not leak into a span that other rows cover."""
    wide = columns(0, ClockState(offset_ns=0, bound_ns=900, offset_known=True))
    joined = Columns.joined([wide, columns(9)])
    assert joined.clock_bound_ns(None, T0, T0 + S) == 900
    assert joined.clock_bound_ns(None, T0 + 9 * S, T0 + 10 * S) == 40_000
    assert Columns.joined([columns(9), wide]).clock_bound_ns(None, T0, T0 + S // 2) == 900


def test_reasons_are_kept_as_runs() -> None:
    """Neighbours with equal text are one run; a hole or another text begins a new one; unrolled they are the same."""
    reasons = {3: "a", 4: "a", 5: "b", 7: "b"}
    assert reason_runs(reasons) == [(3, 5, "a"), (5, 6, "b"), (7, 8, "b")]
    assert unrolled(reason_runs(reasons)) == reasons


def test_sums_are_exact_beyond_int64() -> None:
    """Twice the trapezoid equals big-integer arithmetic, also where int64 would have overflowed."""
    rng = np.random.default_rng(7)
    for scale in (10**3, 10**6, 10**12):
        t_ns = T0 + np.cumsum(rng.integers(1, S, 6000))
        value = rng.integers(-scale, scale * 700, 6000)
        exact = sum((int(t_ns[i + 1]) - int(t_ns[i])) * (int(value[i]) + int(value[i + 1])) for i in range(len(value) - 1))
        assert double_integral(t_ns, value) == exact
    assert abs(exact) > 2**63


def test_the_clock_offset_of_each_batch_moves_its_rows(store: SqliteStore) -> None:
    """Rows stand on the collector's axis by the offset of their own batch, also after sealing."""
    store.append(batch(0, clock=ClockState(offset_ns=5_000, bound_ns=100, offset_known=True))).result()
    store.append(batch(1, clock=ClockState(offset_ns=9_000, bound_ns=300, offset_known=True))).result()
    expected = [
        (s.t_read0_ns + s.t_read1_ns) // 2 + s.utc_minus_mono_ns + (5_000 if s.seq < 10 else 9_000)
        for rng in [[random.Random(0), random.Random(1)]]
        for s in (sample(i, rng[i // 10]) for i in range(20))
    ]
    for _ in range(2):
        series = store.series(["fake:h:0:energy"], T0 - S, T0 + 60 * S)[0]
        assert series.t_ns.tolist() == expected
        assert series.clock_bound_ns == 300
        store.seal(T0, everything=True)
