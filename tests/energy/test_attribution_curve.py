"""The course of an energy: any cuts of it add up to the headline, and each is what the headline's method says of that part."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.energy.alignment import Applied
from joulemark.energy.attribution_curve import Course, Line
from joulemark.energy.integrate import trapezoid_j
from joulemark.energy.phase import PhaseEnergy, measure
from joulemark.energy.series import Series
from joulemark.readings import Averaging
from tests.energy.waves import T0_NS, WALL, S, gpu, wall, window

SHARES = st.lists(st.floats(0.0, 1.0), max_size=8)


def course(found: PhaseEnergy, *series: Series) -> Course:
    return Course.of(found, {one.meter.meter_id: one for one in series})


def energies(made: Course, shares: list[float]) -> list[float]:
    """What lies between cuts at the `shares` of the phase."""
    at = made.window
    edges = sorted({at.begin_ns, at.end_ns, *(at.begin_ns + round(share * (at.end_ns - at.begin_ns)) for share in shares)})
    return np.diff(made.energy_j(np.array(edges))).tolist()  # type: ignore[no-any-return]  # numpy's tolist


@settings(max_examples=25)
@given(SHARES, st.floats(0.3, 3.0), st.floats(6.0, 11.0))
def test_cuts_of_counters_come_to_the_headline(shares: list[float], begin_s: float, end_s: float) -> None:
    """Two GPUs read by counters: however the phase is cut, the parts add up to its energy to 1e-12."""
    series = [*gpu(0), *gpu(1)]
    found = measure(window(begin_s, end_s), series)
    assert found.energy_method == "counter"
    assert math.fsum(energies(course(found, *series), shares)) == pytest.approx(found.energy_j, rel=1e-12)


@settings(max_examples=50)
@given(SHARES, st.floats(0.0, 20.0), st.floats(21.0, 39.0))
def test_cuts_of_power_come_to_the_headline(shares: list[float], begin_s: float, end_s: float) -> None:
    """A wall meter: the parts add up to the energy, and each is the trapezoid of that part."""
    series = wall(300.0 + 200.0 * np.random.default_rng(3).random(40))
    found = measure(window(begin_s, end_s), [series])
    made = course(found, series)
    assert math.fsum(energies(made, shares)) == pytest.approx(found.energy_j, rel=1e-12)
    cut_ns = (made.window.begin_ns + made.window.end_ns) // 2
    (half_j,) = np.diff(made.energy_j(np.array([made.window.begin_ns, cut_ns])))
    assert half_j == pytest.approx(trapezoid_j(series.t_ns, series.si(), made.window.begin_ns, cut_ns), rel=1e-12)


def test_an_aligned_meter_keeps_its_alignment() -> None:
    """Gain, offset and lag of the headline are those of its course."""
    series = wall(300.0 + 200.0 * np.random.default_rng(3).random(40))
    applied = Applied("a", 1.1, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, lag_ns=400_000_000)
    found = measure(window(3.3, 30.1), [series], alignments={WALL.meter_id: applied})
    assert math.fsum(energies(course(found, series), [0.2, 0.7])) == pytest.approx(found.energy_j, rel=1e-12)


def test_a_gap_is_where_no_reading_stands() -> None:
    """Readings at 10 s and 15 s of a meter of 1 Hz leave the time from 10.5 to 14.5 s without one, cut at the phase."""
    whole = wall([500.0] * 40)
    series = whole.rows((whole.t_ns <= T0_NS + 10 * S) | (whole.t_ns >= T0_NS + 15 * S))
    for begin_s, expected in ((2.0, [10.5, 14.5]), (12.0, [12.0, 14.5])):
        made = course(measure(window(begin_s, 30.0), [series]), series)
        assert ((made.gaps_ns - T0_NS) / S).tolist() == [expected]


@pytest.mark.parametrize(
    ("meter", "at", "resolution_s"),
    [
        ({"update_period_s": 1.0, "averaging_window_s": 1.0}, {}, 1.0),
        ({"update_period_s": 5.0, "averaging_window_s": 1.0}, {}, 5.0),
        ({"update_period_s": 1.0, "averaging_window_s": 2.5, "averaging": Averaging.BOXCAR}, {}, 2.5),
        ({"update_period_s": 1.0, "averaging_window_s": 2.5, "averaging": Averaging.EXPONENTIAL}, {}, 7.5),
        ({"update_period_s": 0.1, "averaging_window_s": 0.1}, {}, 1.0),
        ({"update_period_s": 1.0, "averaging_window_s": 1.0}, {"unc_ns": 2 * S}, 4.0),
    ],
    ids=["readings", "update", "boxcar", "exponential", "polled slowly", "clock"],
)
def test_resolution_is_the_longest_blur(meter: dict[str, Any], at: dict[str, Any], resolution_s: float) -> None:
    """The distance of readings, the update period, the averaging and the clock: whichever blurs most."""
    series = wall([500.0] * 40, replace(WALL, **meter))
    assert course(measure(window(2.0, 30.0, **at), [series]), series).resolution_s == pytest.approx(resolution_s)


def test_the_clock_between_the_hosts_blurs_too() -> None:
    """A clock known to 3 s tells nothing apart below 6 s."""
    series = replace(wall([500.0] * 40), clock_bound_ns=3 * S)
    assert course(measure(window(2.0, 30.0), [series]), series).resolution_s == pytest.approx(6.0)


def test_resolution_of_a_counter_is_its_refresh() -> None:
    """A counter that steps every 100 ms tells 100 ms apart."""
    series = gpu(0)
    made = course(measure(window(1.0, 11.0), series), *series)
    assert made.resolution_s == pytest.approx(0.1, rel=0.02)


def test_the_mean_is_a_straight_line() -> None:
    """The mean power has the same energy over the phase, and half of it in its first half."""
    series = wall(300.0 + 200.0 * np.random.default_rng(3).random(40))
    made = course(measure(window(2.0, 30.0), [series]), series)
    begin_ns, end_ns = made.window.begin_ns, made.window.end_ns
    whole_j = float(np.diff(made.energy_j(np.array([begin_ns, end_ns])))[0])
    assert made.mean_energy_j(np.array([begin_ns, (begin_ns + end_ns) // 2, end_ns])).tolist() == pytest.approx([0.0, whole_j / 2, whole_j])


def test_a_line_bends_as_its_power() -> None:
    """Power from 0 to 2 W in 2 s has given 0.125 J after half a second, 0.5 J after one and 2 J in the end."""
    line = Line.of_power(np.array([0.0, 2.0]), np.array([0.0, 2.0]))
    assert line.at(np.array([0.0, 0.5, 1.0, 2.0])).tolist() == [0.0, 0.125, 0.5, 2.0]


def test_a_device_without_energy_has_no_course() -> None:
    """There is nothing to share out of a device that has no headline."""
    series = gpu(0)
    found = measure(window(1.0, 11.0), series)
    bare = replace(found, devices=(replace(found.devices[0], headline=None),))
    with pytest.raises(ValueError, match="no energy"):
        course(bare, *series)
