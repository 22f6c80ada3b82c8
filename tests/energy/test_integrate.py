from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.energy.integrate import coverage, enclosing, reading_interval_s, samples_inside, spaced, trapezoid_j
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.readings import Quality, Quantity
from tests.energy.waves import T0_NS, WALL, meter

S = 1_000_000_000
spacings = st.lists(st.integers(1, 5 * S), min_size=4, max_size=60)
cuts = st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))


def readings(steps: list[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    t_ns = T0_NS + np.concatenate(([0], np.cumsum(steps))).astype(np.int64)
    return t_ns, np.random.default_rng(seed).uniform(50.0, 700.0, len(t_ns))


def moments(t_ns: np.ndarray, shares: tuple[float, float, float]) -> list[int]:
    return sorted(int(t_ns[0]) + round(share * int(t_ns[-1] - t_ns[0])) for share in shares)


@given(spacings, st.integers(0, 2**32 - 1), cuts)
def test_phases_add_up(steps: list[int], seed: int, shares: tuple[float, float, float]) -> None:
    """The energies of two adjoining windows are the energy of both together."""
    t_ns, power = readings(steps, seed)
    a, b, c = moments(t_ns, shares)
    parts = trapezoid_j(t_ns, power, a, b) + trapezoid_j(t_ns, power, b, c)
    assert parts == pytest.approx(trapezoid_j(t_ns, power, a, c), rel=1e-9, abs=1e-6)


@given(spacings, st.integers(0, 2**32 - 1), cuts, st.floats(0.01, 100.0), st.integers(-(10**17), 10**17))
def test_linear_in_power_and_blind_to_a_shift(
    steps: list[int], seed: int, shares: tuple[float, float, float], scale: float, shift: int
) -> None:
    """Twice the power is twice the energy, and moving readings and window together changes nothing."""
    t_ns, power = readings(steps, seed)
    a, _, c = moments(t_ns, shares)
    base = trapezoid_j(t_ns, power, a, c)
    assert trapezoid_j(t_ns, power * scale, a, c) == pytest.approx(base * scale, rel=1e-9, abs=1e-9)
    assert trapezoid_j(t_ns + shift, power, a + shift, c + shift) == base


def test_a_ramp_is_exact_between_readings() -> None:
    """Linear power has its exact integral wherever the edges fall."""
    t_ns = T0_NS + np.arange(11, dtype=np.int64) * S
    power = 10.0 * np.arange(11)
    a, b = 2.25, 7.6
    assert trapezoid_j(t_ns, power, T0_NS + round(a * S), T0_NS + round(b * S)) == pytest.approx(5.0 * (b * b - a * a), rel=1e-12)


@pytest.mark.parametrize(
    ("begin_s", "end_s", "message"),
    [
        (-1.0, 5.0, "first stands 1.000 s after the begin"),
        (5.0, 12.5, "last stands 2.500 s before its end"),
        (20.0, 21.0, "before its end"),
    ],
)
def test_nothing_is_extrapolated(begin_s: float, end_s: float, message: str) -> None:
    """A side without a reading is refused, by name and by how much."""
    t_ns = T0_NS + np.arange(11, dtype=np.int64) * S
    with pytest.raises(InsufficientData, match=message):
        trapezoid_j(t_ns, np.ones(11), T0_NS + round(begin_s * S), T0_NS + round(end_s * S))


def test_an_edge_on_a_reading_needs_no_neighbour() -> None:
    """Readings exactly at begin and end are enough."""
    t_ns = T0_NS + np.array([0, S, 2 * S])
    assert enclosing(t_ns, T0_NS, T0_NS + 2 * S) == slice(0, 3)
    assert trapezoid_j(t_ns, np.array([1.0, 2.0, 3.0]), T0_NS, T0_NS + 2 * S) == 4.0


def test_a_gap_counts_what_is_missing_of_it() -> None:
    """A hole of 12 s at 1 Hz is one gap with 11 s missing, and half of it where the window ends in its middle."""
    t_ns = T0_NS + np.concatenate((np.arange(30), np.arange(41, 80))).astype(np.int64) * S
    whole = coverage(t_ns, T0_NS, T0_NS + 60 * S)
    assert (len(whole.gaps), whole.missing_s, whole.max_gap_s) == (1, 11.0, 12.0)
    assert whole.share == pytest.approx(1 - 11 / 60)
    assert coverage(t_ns, T0_NS, T0_NS + 35 * S).missing_s == pytest.approx(5.5)
    assert coverage(t_ns, T0_NS, T0_NS + 20 * S).gaps == ()


@pytest.mark.parametrize(("spacing_s", "missing_s"), [(1.0, 0.0), (1.5, 0.0), (1.6, 0.6), (2.0, 1.0)])
def test_a_gap_begins_above_one_and_a_half_intervals(spacing_s: float, missing_s: float) -> None:
    """A spacing of 1.5 nominal intervals is none yet; one read that is missing at 1 Hz is a gap of 1 s."""
    t_ns = T0_NS + np.array([0, S, 2 * S, round((2 + spacing_s) * S), 6 * S])
    assert coverage(t_ns, T0_NS, int(t_ns[3]), interval_s=1.0).missing_s == pytest.approx(missing_s)


@given(st.lists(st.integers(1, 10**9), min_size=3, max_size=200))
def test_mean_of_samples_is_exact(values: list[int]) -> None:
    """The plain mean of samples strictly inside is exact to 1e-12, whatever the values."""
    value = np.array([7, *values, 9], dtype=np.int64)
    t_ns = T0_NS + np.arange(len(value), dtype=np.int64) * S
    series = Series.plain(meter("p", Quantity.POWER), t_ns, value)
    count, mean_w = samples_inside(series, int(t_ns[0]), int(t_ns[-1]))
    assert count == len(values)
    assert mean_w == pytest.approx(math.fsum(v / 1000 for v in values) / len(values), rel=1e-12)


def test_zero_and_window_edges_are_not_samples() -> None:
    """Readings of 0 W and readings on the edges do not enter the mean; no sample makes no number."""
    t_ns = T0_NS + np.arange(4, dtype=np.int64) * S
    series = Series.plain(meter("p", Quantity.POWER), t_ns, np.array([5000, 0, 3000, 1000]), np.full(4, Quality.OK))
    assert samples_inside(series, T0_NS, T0_NS + 3 * S) == (1, 3.0)
    assert samples_inside(series, T0_NS, T0_NS + S) == (0, None)


def bursty(read_interval_s: float | None) -> Series:
    """20 s at 1 Hz, 100 W for 10 s and then 300 W, with 2 s at 20 Hz after the step."""
    t_ns = np.union1d(np.arange(21) * S, 10 * S + np.arange(41) * S // 20)
    info = replace(WALL, read_interval_s=read_interval_s)
    return Series.plain(info, T0_NS + t_ns, np.where(t_ns < 10 * S, 1000, 3000))


def test_a_burst_is_no_faster_sampling() -> None:
    """Of a meter that says that its grid is 1 s, spacings of a burst are not the nominal interval, those of the grid are no gaps, and the
    mean of its samples weighs each second alike; a hole in the grid is a gap for all that.
    """
    told, untold = bursty(1.0), bursty(None)
    assert [reading_interval_s(one) for one in (told, untold)] == [1.0, 0.05]
    window = T0_NS, T0_NS + 20 * S
    assert coverage(told.t_ns, *window, interval_s=reading_interval_s(told)).share == 1.0
    assert coverage(untold.t_ns, *window).share < 0.2
    count, mean_w = samples_inside(told, *window)
    assert 19 <= count <= 21
    assert mean_w == pytest.approx(200.0, abs=15.0)
    assert samples_inside(untold, *window)[1] == pytest.approx(260.0, abs=15.0)
    torn = told.rows((told.t_ns < T0_NS + 3 * S) | (told.t_ns > T0_NS + 5 * S))
    assert coverage(torn.t_ns, *window, interval_s=reading_interval_s(torn)).missing_s == pytest.approx(3.0)


@given(st.lists(st.integers(0, 300), max_size=30), st.integers(1, 100))
def test_spaced_rows_are_apart_and_leave_no_more_out_than_they_must(steps: list[int], least_ns: int) -> None:
    """Kept rows stand that far apart, and between two of them no row was far enough from the first."""
    t_ns = np.cumsum(np.array(steps, dtype=np.int64))
    kept = t_ns[spaced(t_ns, least_ns)]
    assert np.all(np.diff(kept) >= least_ns)
    assert all(t in kept or (t - kept[kept <= t][-1]) < least_ns for t in t_ns)
    assert len(spaced(t_ns, 0)) == len(t_ns)
