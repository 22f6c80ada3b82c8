"""One meter, one window: the energy, and what this way of measuring leaves uncertain."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.estimate import CounterSource, Estimate, PowerSource, duty_of, source_of
from joulemark.energy.local import PowerTrace
from joulemark.energy.phase import measure
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.readings import Averaging, Quality, Quantity
from joulemark.runs import Window
from tests.energy.waves import T0_NS, WALL, S, gpu, meter, wall, window


def estimated(phase: Window, series: Series) -> Estimate:
    """By the meter's own means alone."""
    source = source_of(series)
    return source.estimate(phase, [] if source.trace is None else [source.trace])


def component_j(found: Estimate, name: str) -> float:
    (one,) = [c for c in found.components if c.name == name]
    assert one.u_j is not None
    return one.u_j


def test_zero_watts_is_a_gap_and_widens_the_uncertainty() -> None:
    """Failed reads that arrive as 0 W are gaps: counted, bridged, and paid for in u_gap; the energy does not sink to 0."""
    power = 5000.0 + 100.0 * np.sin(np.arange(100.0))
    whole = estimated(window(10, 90), wall(power))
    holed = power.copy()
    holed[40:45] = 0.0
    found = estimated(window(10, 90), wall(holed))
    assert found.energy_j == pytest.approx(whole.energy_j, rel=0.005)
    assert component_j(whole, "gap") == 0.0
    assert component_j(found, "gap") > 100.0
    assert found.coverage.share == pytest.approx(1 - 5 / 80)
    assert found.coverage.max_gap_s == 6.0
    source = PowerSource.of(wall(holed))
    assert [source.invalid_inside(window(*span)) for span in ((10, 90), (42, 90), (45, 90))] == [5, 3, 0]


def test_one_gap_costs_half_the_span_around_it() -> None:
    """4 s missing where the power moved between 4000 and 5000 W: 4 s x 500 W / sqrt 3."""
    power = np.where(np.arange(100) % 2, 4000.0, 5000.0)
    power[40:44] = 0.0
    assert component_j(estimated(window(10, 90), wall(power)), "gap") == pytest.approx(4 * 500 / math.sqrt(3.0))


@pytest.mark.parametrize(("missing", "spike", "span_w"), [(4, 30, 1000.0), (4, 28, 0.0), (20, 20, 1000.0), (20, 18, 0.0)])
def test_power_is_looked_at_around_a_gap_as_far_as_it_is_long(missing: int, spike: int, span_w: float) -> None:
    """What power did within 10 s of a gap counts, of a longer gap within its own length, and nothing from further away."""
    power = np.full(100, 4000.0)
    power[spike] += 1000.0
    power[40 : 40 + missing] = 0.0
    assert component_j(estimated(window(10, 90), wall(power)), "gap") == pytest.approx(missing * span_w / 2 / math.sqrt(3.0))


def test_load_that_starts_at_the_mark_is_paid_for() -> None:
    """A step of load at the begin enters u_edge; a steady load does not."""
    steady = estimated(window(10.5, 90.5), wall([5000.0] * 100))
    stepped = estimated(window(10.5, 90.5), wall([2400.0] * 11 + [5000.0] * 89))
    assert component_j(steady, "edge") == 0.0
    assert component_j(stepped, "edge") == pytest.approx(2600.0 * 1.25 / math.sqrt(3))


def test_a_reading_on_the_mark_needs_no_bracket() -> None:
    """Where readings stand on both marks the bracket is 0 s; half a second beside them it is the second between two readings."""
    assert estimated(window(10, 90), wall([5000.0] * 100)).bracket_s == 0.0
    assert estimated(window(10.5, 90), wall([5000.0] * 100)).bracket_s == 1.0


def test_readings_that_are_not_integrable_are_left_out() -> None:
    """Stale and gap rows carry no energy."""
    series = wall([5000.0] * 50)
    value, quality = series.value.copy(), series.quality.copy()
    value[20], quality[20] = 10**9, Quality.STALE
    assert estimated(window(10, 40), replace(series, value=value, quality=quality)).energy_j == pytest.approx(150_000.0)


def test_resolution_of_a_steady_load_does_not_average_out() -> None:
    """Steps of 0.1 W over 80 s are 2.3 J where the power stands still, and less by the root of the count where it moves."""
    still = component_j(estimated(window(10, 90), wall([5000.0] * 100)), "resolution")
    moving = estimated(window(10, 90), wall(5000.0 + np.arange(100.0) % 7))
    assert still == pytest.approx(80 * 0.1 / math.sqrt(12.0))
    assert component_j(moving, "resolution") == pytest.approx(still / math.sqrt(moving.sample_count))


def test_a_counter_that_looks_part_of_the_time_is_charged_for_it() -> None:
    """A counter over a sensor that sees a quarter of the time has a sampling component; one that integrates has none."""
    counter, power = gpu()
    part = replace(power, meter=replace(power.meter, coverage=0.25, update_period_s=0.1, averaging=Averaging.BOXCAR))
    quarter = replace(counter, meter=replace(counter.meter, coverage=0.25))
    assert component_j(estimated(window(2, 8), part), "sampling") > 0.0
    assert component_j(estimated(window(2, 8), quarter), "sampling") > 0.0
    assert component_j(estimated(window(2, 8), counter), "sampling") == 0.0


@pytest.mark.parametrize(
    ("stated", "interval_s", "duty"),
    [
        ({"averaging_window_s": 0.025, "update_period_s": 0.1}, 0.05, 0.25),
        ({"averaging_window_s": 1.0, "update_period_s": 0.1}, 0.1, 1.0),
        ({"averaging_window_s": 0.1, "update_period_s": 0.1}, 1.0, 0.1),
        ({"averaging_window_s": 0.1, "update_period_s": 0.1, "coverage": 0.25}, 0.1, 0.25),
        ({"coverage": 0.25, "update_period_s": 0.1}, 0.1, 0.25),
        ({"averaging_window_s": 0.1, "update_period_s": 0.1, "update_period_measured_s": 0.2}, 0.1, 0.5),
        ({"update_period_s": 0.1}, 0.1, 0.0),
    ],
)
def test_share_of_time_that_is_seen(stated: dict[str, float], interval_s: float, duty: float) -> None:
    """Window over the longer of period and interval, at most 1 and the declared coverage; nothing is seen of an unknown window."""
    assert duty_of(meter("average", Quantity.POWER, **stated), interval_s) == pytest.approx(duty)


def test_a_counter_measures_across_a_gap() -> None:
    """Ten seconds without a read in the middle cost a counter nothing: it went on counting, and the energy is the same."""
    t_s = np.arange(0.0, 60.0, 0.5)
    register = meter("energy", Quantity.ENERGY_COUNTER)
    whole = Series.plain(register, T0_NS + np.round(t_s * S).astype(np.int64), np.round(t_s * 300_000).astype(np.int64))
    found = estimated(window(10, 50), whole.rows((t_s <= 25) | (t_s >= 35)))
    assert found.energy_j == pytest.approx(12_000.0, rel=1e-12)
    assert component_j(found, "gap") == 0.0
    assert found.coverage.max_gap_s == 10.0


def test_nothing_to_read_is_said_of_the_meter() -> None:
    """Only zeros, or a counter that never moves, make no source; the message names the meter."""
    with pytest.raises(InsufficientData, match=r"power readings of ptd:host:wt310:1: there is no valid one"):
        source_of(wall([0.0] * 10))
    frozen = Series.plain(replace(WALL, quantity=Quantity.ENERGY_COUNTER), T0_NS + np.arange(10) * S, np.full(10, 7))
    with pytest.raises(InsufficientData, match=r"counter ptd:host:wt310:1 never changed in 10 readings"):
        source_of(frozen)


def test_a_blurred_counter_shows_no_power_around_the_marks() -> None:
    """A counter dated only between polls is no trace of power; one whose stamps freeze with its refreshes is."""
    counter, _ = gpu()
    blurred = replace(counter, t_ns=T0_NS + np.arange(len(counter)) * 50_000_000, device_stamps=False)
    assert source_of(counter).trace is not None
    source = source_of(blurred)
    assert isinstance(source, CounterSource)
    assert source.trace is None


def test_edges_of_a_counter_follow_the_load_inside_their_brackets() -> None:
    """Between refreshes 0.1 s apart a load that changed just outside the bracket costs nothing; one that changes inside costs what it
    may hide; a power seen to move inside the bracket, under an even count, costs its swing.
    """
    t_s = np.round(np.arange(0.0, 10.0, 0.1), 1)
    register = meter("energy", Quantity.ENERGY_COUNTER)

    def counted(change_s: float) -> Series:
        energy_j = 100.037 * t_s + 500.0 * np.maximum(0.0, t_s - change_s)
        t_ns = T0_NS + np.repeat(np.round(t_s * S).astype(np.int64), 2)
        return replace(Series.plain(register, t_ns, np.repeat(np.round(energy_j * 1000).astype(np.int64), 2)), device_stamps=True)

    assert component_j(estimated(window(3.05, 8.05), counted(5.3)), "edge") < 0.01
    assert component_j(estimated(window(3.05, 8.05), counted(3.2)), "edge") < 0.01
    assert component_j(estimated(window(3.05, 8.05), counted(3.05)), "edge") == pytest.approx(0.1 * 500 / 4 / math.sqrt(3.0), rel=0.01)
    seen = PowerTrace.of_readings(T0_NS + np.array([3.02, 3.07]) * S, np.array([80.0, 120.0]), 0.05)
    found = source_of(counted(5.3)).estimate(window(3.05, 8.05), [seen])
    assert component_j(found, "edge") == pytest.approx(0.1 * 40 / math.sqrt(3.0))


def blurred(begin_s: float, end_s: float, averaging: Averaging, span_s: float) -> Series:
    """1000 W, and 4000 W between the marks, read each second from a meter of the averaging time `span_s`."""
    t_s = np.arange(0, 9000)
    if averaging is Averaging.EXPONENTIAL:
        share = [np.where(t_s > at, 1.0 - np.exp(-np.clip(t_s - at, 0.0, None) / span_s), 0.0) for at in (begin_s, end_s)]
    else:
        share = [np.clip((t_s - at) / span_s, 0.0, 1.0) for at in (begin_s, end_s)]
    info = replace(WALL, averaging=averaging, averaging_window_s=span_s, accuracy=None, certificate=None)
    seen = wall(1000.0 + 3000.0 * (share[0] - share[1]), info)
    return replace(seen, t_ns=seen.t_ns - info.lag_ns)


@pytest.mark.parametrize(
    ("averaging", "span_s", "length_s"),
    [
        (Averaging.BOXCAR, 60.0, 600.0),
        (Averaging.BOXCAR, 60.0, 20.0),
        (Averaging.BOXCAR, 1800.0, 600.0),
        (Averaging.EXPONENTIAL, 5.0, 60.0),
        (Averaging.EXPONENTIAL, 60.0, 300.0),
        (Averaging.EXPONENTIAL, 60.0, 60.0),
    ],
)
def test_what_a_slow_average_hides_stands_in_u95(averaging: Averaging, span_s: float, length_s: float) -> None:
    """A load exactly as long as the phase loses energy to the time around it in a slow meter, and U95 holds what it lost.

    Known answers: a plain average W < D loses swing W / 4, an exponential one twice the swing T / e.
    """
    found = measure(window(4000.5, 4000.5 + length_s), [blurred(4000.5, 4000.5 + length_s, averaging, span_s)])
    assert found.energy_j is not None
    assert found.u95_j is not None
    lost_j = 4000.0 * length_s - found.energy_j
    assert 0.0 < lost_j < found.u95_j
    if averaging is Averaging.BOXCAR and span_s < length_s:
        assert lost_j == pytest.approx(3000.0 * span_s / 4.0, rel=0.01)
    if averaging is Averaging.EXPONENTIAL and span_s < length_s / 4:
        assert lost_j == pytest.approx(2.0 * 3000.0 * span_s / math.e, rel=0.02)


def test_a_repeated_reading_is_no_new_look() -> None:
    """A page renewed each 30 s and polled each second looks 20 times in 600 s, not 600: sampling and resolution rest on that."""
    rng = np.random.default_rng(3)
    power = np.repeat(rng.uniform(1000.0, 4000.0, 40), 30)
    slow, fast = (
        estimated(window(100, 700), wall(power, replace(WALL, averaging_window_s=0.0, update_period_s=period_s)))
        for period_s in (30.0, 1.0)
    )
    assert component_j(slow, "sampling") == pytest.approx(component_j(fast, "sampling") * math.sqrt(599 / 20), rel=1e-3)
    assert [one.dof for found in (slow, fast) for one in found.components if one.name == "sampling"] == [21.0, 600.0]
    assert component_j(slow, "resolution") > component_j(fast, "resolution")


def test_a_measured_update_period_goes_before_the_stated_one() -> None:
    """How often a meter looks is what was seen of it, not what its data sheet says."""
    power = np.repeat(np.random.default_rng(3).uniform(1000.0, 4000.0, 40), 30)
    meters = [replace(WALL, averaging_window_s=0.0, update_period_s=one, update_period_measured_s=30.0) for one in (1.0, 30.0)]
    stated, measured = (estimated(window(100, 700), wall(power, info)) for info in meters)
    assert component_j(stated, "sampling") == component_j(measured, "sampling")
