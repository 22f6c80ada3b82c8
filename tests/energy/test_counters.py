from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.energy.counters import Dating, Refreshes, counter_energy, refreshes, shortest_window_s, transition, unwrap
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.readings import Quality, Quantity
from tests.energy.waves import T0_NS, WALL, SquareWave, device, meter, polls_ns

S = 1_000_000_000
RAPL = meter("package", Quantity.ENERGY_COUNTER, exponent=-6, modulus=262_143_328_850, rated_w=350.0)


def counter(values: list[int], *, spacing_s: float = 1.0, **changes: Any) -> Series:
    t_ns = T0_NS + np.round(np.arange(len(values)) * spacing_s * S).astype(np.int64)
    return Series.plain(replace(RAPL, **changes), t_ns, np.array(values, dtype=np.int64))


def test_wrap_of_the_worked_example(worked: dict[str, Any]) -> None:
    """A RAPL counter past its range continues where it would have been."""
    expected = worked["counter"]
    found = unwrap(counter([262_143_000_000, 5_000_000], modulus=expected["max_range_uJ"]))
    assert int(found.count[1] - found.count[0]) == expected["example"]
    assert RAPL.si(expected["max_range_uJ"]) / 350.0 == pytest.approx(expected["wrap_s_at_350W"], rel=1e-6)


@given(st.lists(st.integers(1, 400_000_000), min_size=3, max_size=50), st.integers(0, 262_143_328_849))
def test_wraps_lose_nothing(steps: list[int], start: int) -> None:
    """However a counter wraps, as long as its power is believable the sum of its steps comes out."""
    values = [(start + sum(steps[:i])) % 262_143_328_850 for i in range(len(steps) + 1)]
    found = unwrap(counter(values))
    assert int(found.count[-1] - found.count[0]) == sum(steps)
    assert not found.segment.any()


@pytest.mark.parametrize(("before", "modulus"), [(131_000_000_000, 262_143_328_850), (5_000_000_000, None)])
def test_a_fall_that_cannot_be_a_wrap_is_a_reset(before: int, modulus: int | None) -> None:
    """A fall that implies more than the rated power, or has no modulus, ends the segment."""
    found = unwrap(counter([before, 0, 100_000_000], modulus=modulus))
    assert found.segment.tolist() == [0, 1, 1]
    assert int(found.count[-1] - found.count[0]) == 100_000_000


def test_a_reset_inside_the_window_makes_the_counter_unusable() -> None:
    """Across a reset no difference is formed; windows on either side of it are measured."""
    values = [10**12 + 10**8 * i for i in range(10)] + [10**8 * i for i in range(10)]
    points = refreshes(counter(values, modulus=None))
    with pytest.raises(InsufficientData, match=r"reset 5\.000 s after"):
        counter_energy(points, T0_NS + 5 * S, T0_NS + 15 * S)
    assert counter_energy(points, T0_NS + 2 * S, T0_NS + 8 * S).energy_j == pytest.approx(600.0)
    assert counter_energy(points, T0_NS + 11 * S, T0_NS + 18 * S).energy_j == pytest.approx(700.0)


def test_a_frozen_counter_gives_no_energy() -> None:
    """A counter that never moves is refused, not reported as 0 J; nor is one that stops inside the window."""
    with pytest.raises(InsufficientData, match="never changed"):
        refreshes(counter([5] * 10))
    with pytest.raises(InsufficientData, match="before its end"):
        counter_energy(refreshes(counter([10**8 * min(i, 9) for i in range(11)])), T0_NS + 2 * S, T0_NS + round(9.5 * S))


def test_one_reading_is_not_enough() -> None:
    """A single reading of a counter has no difference."""
    with pytest.raises(InsufficientData, match="1 usable"):
        refreshes(counter([5]))


def test_an_edge_on_a_refresh_is_exact() -> None:
    """At a refresh the count is taken as read, with no bracket left."""
    points = refreshes(counter([0, 10**8, 3 * 10**8, 7 * 10**8]))
    found = counter_energy(points, T0_NS + S, T0_NS + 3 * S)
    assert found.energy_j == pytest.approx(600.0)
    assert (found.begin.bracket_s, found.end.bracket_s, found.refresh_count) == (0.0, 0.0, 1)


@given(st.lists(st.integers(1, 10**8), min_size=4, max_size=40), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_phases_add_up(steps: list[int], shares: list[float]) -> None:
    """Counter energies of adjoining windows add up."""
    points = refreshes(counter(np.cumsum([0, *steps]).tolist()))
    a, b, c = sorted(T0_NS + round(share * len(steps) * S) for share in shares)
    parts = counter_energy(points, a, b).energy_j + counter_energy(points, b, c).energy_j
    assert parts == pytest.approx(counter_energy(points, a, c).energy_j, abs=1e-6)


@pytest.mark.parametrize(
    ("rate_hz", "sample_stamps", "dating"),
    [(20.0, True, Dating.STAMP), (20.0, False, Dating.BETWEEN_POLLS), (3.0, False, Dating.POLL)],
)
def test_how_refreshes_are_dated(rate_hz: float, sample_stamps: bool, dating: Dating) -> None:
    """Frozen stamps are sample times, repeats put the refresh between two polls, news at every poll leaves the poll's time."""
    wave = SquareWave(0.73, low_w=100.0, high_w=650.0)
    t_ns = polls_ns(np.random.default_rng(1), 10.0, rate_hz=rate_hz)
    points = refreshes(device(wave, t_ns, sample_stamps=sample_stamps)[0])
    assert points.dating is dating
    off_ns = (points.t_ns - T0_NS + 50_000_000) % 100_000_000 - 50_000_000
    if dating is Dating.STAMP:
        assert np.all(off_ns == 0)
        assert np.all(points.half_ns == 0)
    if dating is Dating.BETWEEN_POLLS:
        assert np.all(np.abs(off_ns) <= points.half_ns)
        assert points.refresh_s == pytest.approx(0.1, abs=0.03)


def test_a_marked_reset_is_believed() -> None:
    """A reading that the agent marked as reset starts a segment even where the count did not fall."""
    series = counter([10**8, 2 * 10**8, 3 * 10**8, 4 * 10**8])
    quality = series.quality.copy()
    quality[2] = Quality.RESET
    assert unwrap(replace(series, quality=quality)).segment.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("period_s", "step_j", "segments"), [(0.5, 179, 0), (0.5, 181, 1), (None, 239, 0), (None, 241, 1)])
def test_a_wrap_is_believed_up_to_a_fifth_above_the_rated_power(period_s: float | None, step_j: int, segments: int) -> None:
    """At 100 W rated a fall after 1 s is a wrap up to 120 W for that second and the update period, or 1 s where none is stated."""
    info = meter("energy", Quantity.ENERGY_COUNTER, modulus=10**6, rated_w=100.0, update_period_s=period_s)
    fallen = (900_000 + step_j * 1000) % 10**6
    found = unwrap(Series.plain(info, T0_NS + np.array([0, S]), np.array([900_000, fallen])))
    assert int(found.segment[-1]) == segments


def test_a_refresh_between_two_polls_is_placed_in_their_middle() -> None:
    """A count that moves at every third poll moved half way between the last poll of the old value and the first of the new."""
    t_ns = np.array([0, 10, 20, 31, 41, 51, 64, 74, 84]) * S // 10
    points = refreshes(counter_at(t_ns, [0, 0, 0, 5, 5, 5, 9, 9, 9]))
    assert points.dating is Dating.BETWEEN_POLLS
    assert ((points.t_ns - T0_NS) / S).tolist() == [2.55, 5.75]
    assert (points.half_ns / S).tolist() == [0.55, 0.65]


def test_the_half_width_between_polls_is_rounded_up() -> None:
    """Polls an odd number of nanoseconds apart enclose the refresh, wherever it was."""
    points = refreshes(counter_at(np.array([0, 10, 13, 23, 26, 36]), [0, 0, 5, 5, 9, 9]))
    assert (points.t_ns - T0_NS).tolist() == [11, 24]
    assert points.half_ns.tolist() == [2, 2]


def counter_at(t_ns: np.ndarray, values: list[int]) -> Series:
    """A counter read at `t_ns` after T0, dated by its polls."""
    return Series.plain(meter("energy", Quantity.ENERGY_COUNTER), T0_NS + t_ns, np.array(values))


@pytest.mark.parametrize(("step", "segments"), [(499, 0), (500, 1), (999, 1)])
def test_without_a_rated_power_a_wrap_is_less_than_half_the_range(step: int, segments: int) -> None:
    """A fall that would mean half of the modulus or more is a reset where nothing says what the meter can draw."""
    info = meter("energy", Quantity.ENERGY_COUNTER, modulus=1000)
    found = unwrap(Series.plain(info, T0_NS + np.array([0, S]), np.array([999, (999 + step) % 1000])))
    assert int(found.segment[-1]) == segments


def stamped(energy_j: list[float], *, step_j: float = 1e-6, half_ns: int = 0) -> Refreshes:
    """Refreshes every 0.1 s, dated by their stamps."""
    n = len(energy_j)
    zeros = np.zeros(n, dtype=np.int64)
    return Refreshes(T0_NS + np.arange(n) * S // 10, np.array(energy_j), zeros + half_ns, zeros, Dating.STAMP, step_j)


@given(st.floats(50, 700), st.floats(50, 700), st.floats(-0.1, 0.2), st.floats(0, 0.1))
def test_one_change_of_load_hides_no_more_than_its_transition(before_w: float, after_w: float, change_s: float, mark_s: float) -> None:
    """Whenever a load changes once, the count between two refreshes departs from a straight line by at most the bound; and a change
    before or behind the bracket leaves next to nothing.
    """

    def energy_j(t_s: float) -> float:
        return before_w * t_s + (after_w - before_w) * max(0.0, t_s - change_s)

    points = stamped([energy_j(t_s) for t_s in (-0.1, 0.0, 0.1, 0.2)])
    bound_j = transition(points, 1)
    assert bound_j is not None
    straight_j = energy_j(0.0) + (energy_j(0.1) - energy_j(0.0)) * mark_s / 0.1
    assert abs(energy_j(mark_s) - straight_j) <= bound_j + 1e-9
    if change_s <= 0.0 or change_s >= 0.1:
        assert bound_j < 1e-5


@pytest.mark.parametrize(
    ("points", "left"),
    [
        (stamped([0.0, 10.0, 40.0, 50.0]), 1),  # more inside than before and behind
        (stamped([0.0, 10.0, 20.0]), 1),  # nothing known behind
        (stamped([0.0, 10.0, 20.0]), 0),  # nothing known before
        (replace(stamped([0.0, 10.0, 20.0, 30.0]), dating=Dating.BETWEEN_POLLS), 1),
        (replace(stamped([0.0, 10.0, 20.0, 30.0]), segment=np.array([0, 0, 1, 1])), 1),
    ],
)
def test_what_is_no_transition_is_not_taken_for_one(points: Refreshes, left: int) -> None:
    """A burst inside the bracket, an end of the count, refreshes of unknown time and a reset give no bound."""
    assert transition(points, left) is None


def test_stamps_and_steps_blur_a_transition() -> None:
    """A steady load under stamps of a microsecond keeps half a microsecond of its power, and a step of the count its size."""
    steady = [30.0 * i for i in range(4)]
    assert transition(stamped(steady, step_j=0.0, half_ns=1000), 1) == pytest.approx(300.0 * 1e-6)
    assert transition(stamped(steady, step_j=0.5), 1) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("step_j", "refresh_s", "shortest_s"),
    [
        (61e-6, 0.001, 0.1),
        (0.001, 0.02, 2.0),
        (0.001, 0.1, 10.0),
        (0.0, 0.25, 25.0),
        (3600.0, 0.0, 72.0),
        (439.0, 0.0, 8.78),
        (14_000.0, 0.0, 280.0),
        (36_000.0, 0.0, 720.0),
        (360_000.0, 0.0, 7200.0),
    ],
    ids=["RAPL", "NVML 20 ms", "NVML 100 ms", "WT310E", "1 Wh", "float at 1.2 MWh", "float at 50 MWh", "10 Wh", "0.1 kWh"],
)
def test_shortest_window_of_a_counter(step_j: float, refresh_s: float, shortest_s: float) -> None:
    """At 5 kW each known counter reaches 1 % of the energy after the time that its step, or its refresh, asks for."""
    assert shortest_window_s(step_j, refresh_s=refresh_s, power_w=5000.0) == pytest.approx(shortest_s)


def test_the_stated_step_is_the_least() -> None:
    """A register that states steps of 360 kJ is no finer for having shown only one of them; without a statement the data tell."""
    meter = replace(WALL, quantity=Quantity.ENERGY_COUNTER, exponent=2)
    series = Series.plain(meter, T0_NS + np.arange(6) * S, np.array([7200, 7200, 14_400, 18_000, 18_000, 25_200]))
    assert refreshes(series).step_j == 360_000.0
    one_step = Series.plain(replace(meter, step=3600), T0_NS + np.arange(4) * S, np.array([7, 7, 3607, 3607]))
    assert refreshes(one_step).step_j == 360_000.0
