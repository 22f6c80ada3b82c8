"""Counts in a window, against counters whose every step is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.energy.counts import Count, counted, standing, summed
from joulemark.energy.series import Series
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity

S = 1_000_000_000
T0 = 1_800_000_000 * S
OUTPUT = MeterInfo("serving:h:s:output_tokens", "serving", Quantity.OUTPUT_TOKENS, 0, Boundary.SERVER_INPUT)
UPTIME = MeterInfo("serving:h:s:uptime", "serving", Quantity.UPTIME, -3, Boundary.SERVER_INPUT)


def series(times_s: list[float], values: list[int], *, resets: tuple[int, ...] = (), bracket_s: float = 0.0) -> Series:
    t_ns = np.array([T0 + round(t * S) for t in times_s], dtype=np.int64)
    quality = np.full(len(values), Quality.OK, dtype=np.uint8)
    quality[list(resets)] = Quality.RESET
    one = Series.plain(OUTPUT, t_ns, np.array(values, dtype=np.int64), quality)
    half = round(bracket_s * S / 2)
    return replace(one, t_read0_ns=t_ns - half, t_read1_ns=t_ns + half)


def uptime(times_s: list[float], started_s: list[float]) -> Series:
    t_ns = np.array([T0 + round(t * S) for t in times_s], dtype=np.int64)
    value = np.array([round((t - s) * 1000) for t, s in zip(times_s, started_s, strict=True)], dtype=np.int64)
    return Series.plain(UPTIME, t_ns, value)


def window(one: Series, begin_s: float, end_s: float, up: Series | None = None) -> Count:
    return counted(one, T0 + round(begin_s * S), T0 + round(end_s * S), uptime=up)


def test_between_readings_it_lies_on_the_line_within_bounds() -> None:
    """At an edge the count is between the readings around it: the figure interpolates, the bounds hold for certain."""
    found = window(series([0, 10, 20, 30], [0, 100, 200, 500]), 5.0, 22.0)
    assert found.value == pytest.approx(200 + 60 - 50)
    assert (found.low, found.high) == (200 - 100, 500 - 0)
    assert found.half == pytest.approx(np.hypot(50, 240))
    assert found.u95 == pytest.approx(2 * found.half / np.sqrt(3))


def test_on_readings_it_is_exact() -> None:
    """A window from one reading to another has no uncertainty of its edges."""
    found = window(series([0, 10, 20], [5, 105, 205]), 0.0, 20.0)
    assert (found.value, found.low, found.high, found.u95) == (200, 200, 200, 0)


def test_a_read_takes_time() -> None:
    """Inside the bracket of a read nobody knows whether it showed the count of before or after: both bounds are wider."""
    found = window(series([0, 10, 20, 30], [0, 100, 200, 300], bracket_s=1.0), 10.2, 20.0)
    assert (found.low, found.high) == (100 - 200, 300 - 0) or found.low == 0.0
    assert found.high == 300


@given(st.lists(st.integers(0, 50), min_size=4, max_size=40), st.floats(0.5, 0.9), st.floats(0.1, 0.4))
def test_the_truth_lies_within_the_bounds(steps: list[int], end: float, begin: float) -> None:
    """Whatever the counter did between two readings, the true growth lies between `low` and `high`."""
    truth = np.concatenate(([0], np.cumsum(steps))).astype(np.int64)
    fine = np.linspace(0.0, 100.0, len(truth))
    read_s = list(np.linspace(0.0, 100.0, 6))
    shown = [int(truth[np.searchsorted(fine, t, side="right") - 1]) for t in read_s]
    b, e = 100 * begin, 100 * end
    real = int(truth[np.searchsorted(fine, e, side="right") - 1] - truth[np.searchsorted(fine, b, side="right") - 1])
    found = window(series(read_s, shown), b, e)
    assert found.value is not None
    assert found.high is not None
    assert found.low <= real <= found.high
    assert found.low <= found.value <= found.high


def test_a_fall_is_never_negative_and_never_bridged() -> None:
    """A counter that fell has no count over that time; what is known for certain is the least of it."""
    found = window(series([0, 10, 20, 30], [1000, 1100, 50, 80]), 0.0, 30.0)
    assert found.value is None
    assert found.low == 100 + 30
    assert "began anew" in found.reason
    assert window(series([0, 10, 20, 30], [1000, 1100, 50, 80]), 0.0, 10.0).value == 100
    assert window(series([0, 10, 20, 30], [1000, 1100, 50, 80]), 20.0, 30.0).value == 30


def test_a_mark_of_a_reset_joins_nothing() -> None:
    """A rise that the driver marked as a reset, as when an engine came, is no growth."""
    found = window(series([0, 10, 20], [100, 5000, 5100], resets=(1,)), 0.0, 20.0)
    assert found.value is None
    assert found.low == 100


def test_after_a_restart_it_counts_from_zero() -> None:
    """Where the start of the new process is known its tokens count from 0; only the end of the old one is lost, and said."""
    times, starts = [0, 10, 20, 30], [-500, -500, 15, 15]
    one, up = series(times, [1000, 1100, 50, 80]), uptime(times, starts)
    whole = window(one, 0.0, 30.0, up)
    assert whole.value is None
    assert whole.low == 100 + 80
    after = window(one, 13.0, 30.0, up)
    assert after.value is None or after.low == 80
    assert window(one, 20.0, 30.0, up).value == 30


def test_a_restart_that_overtook_is_seen_by_its_start() -> None:
    """A new process whose count is already higher is told from the old one by when it was started."""
    times = [0, 10, 20, 30]
    one, up = series(times, [100, 200, 900, 1000]), uptime(times, [-500, -500, 15, 15])
    assert window(one, 0.0, 30.0).value == 900
    found = window(one, 0.0, 30.0, up)
    assert found.value is None
    assert found.low == 100 + 1000


def test_a_model_begins_at_its_first_sight() -> None:
    """A counter seen first within the window has no count of it, unless its process began within the window too: then from 0."""
    times = [10, 20, 30]
    one = series(times, [700, 800, 900])
    unknown = window(one, 0.0, 30.0)
    assert unknown.value is None
    assert "first seen" in unknown.reason
    assert unknown.low == 200
    assert window(one, 0.0, 30.0, uptime(times, [-500] * 3)).value is None
    assert window(one, 0.0, 30.0, uptime(times, [5.0] * 3)).value == 900


def test_jitter_of_the_start_is_no_restart() -> None:
    """The start of a process that is computed a second apart from read to read is one start."""
    times = [0, 10, 20, 30]
    assert window(series(times, [0, 10, 20, 30]), 0.0, 30.0, uptime(times, [-500, -499.2, -500.4, -499])).value == 30


def test_the_end_that_is_not_read_yet() -> None:
    """A window that goes beyond the last reading has no count, and says by how much."""
    found = window(series([0, 10, 20], [0, 10, 20]), 0.0, 25.0)
    assert found.value is None
    assert "5.000 s before the end" in found.reason
    assert window(series([], []), 0.0, 1.0).reason == "there is no reading of it"


def test_a_gap_inside_costs_nothing() -> None:
    """A counter that was not read for long within the window counted all the same; only its edges matter."""
    assert window(series([0, 1, 99, 100], [0, 10, 990, 1000]), 0.0, 100.0).value == 1000


def test_sums() -> None:
    """Counts of several counters add up, their bounds too; with one that is not known the sum is not, and nothing counts to nothing."""
    found = summed([Count(10, 9, 12, half=2.0), Count(5, 2, 8, half=3.0)])
    assert (found.value, found.low, found.high) == (15, 11, 20)
    assert found.half == pytest.approx(np.hypot(2, 3))
    assert summed([Count(10, 9, 12), Count.none("why", 4)]) == Count.none("why", 13)
    assert summed([]).value is None


def test_a_gauge_at_a_moment() -> None:
    """A gauge says what it showed last."""
    gauge = series([0, 10], [3, 4])
    assert standing(gauge, T0 + 9 * S) == 3
    assert standing(gauge, T0 - S) is None
    assert standing(None, T0) is None


def test_a_part_that_went_in_a_process_that_stayed() -> None:
    """A reset while the process stayed, as when an engine went, began at no 0: the sum held most of it before."""
    times = [0, 10, 20, 30]
    one, up = series(times, [1000, 1100, 600, 700], resets=(2,)), uptime(times, [-500] * 4)
    found = window(one, 0.0, 30.0, up)
    assert found.value is None
    assert found.low == 100 + 100
    assert window(one, 0.0, 10.0, up).value == 100
    assert window(one, 20.0, 30.0, up).value == 100
