"""Stretches: which streams are looked at in which phase, and the terms of the standard on them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.series import Series
from joulemark.readings import Averaging, Boundary, Quality
from joulemark.standard.case import Case
from joulemark.standard.stretch import Stretch, watched
from tests.kit.small import COUNTER, POWER, at, case, moving, shown
from tests.kit.spoil import good_case

AT_S = np.arange(-10.0, 131.0)


def only(found: Case) -> Stretch:
    """The one stretch of a case."""
    (one,) = watched(found)
    return one


def test_every_stream_of_every_repetition_is_watched() -> None:
    """At ES2 both channels in all five repetitions; the raw readings and the GPUs that must move with them stand beside."""
    found = watched(good_case("ES2"))
    assert len(found) == 2 * 5
    assert {one.meter.channel for one in found} == {"ch1", "ch2"}
    assert {other.meter.kind for other in found[0].others} == {"nvml"}
    assert found[0].raw.meter == found[0].meter


def test_a_stream_that_could_not_lead_is_still_watched() -> None:
    """A device without any reading before the begin gives no energy, which is what has to be seen."""
    late = moving(AT_S[20:])
    assert only(case(late, moving(AT_S, replace(POWER, meter_id="nvml:node-1:G:power", boundary=Boundary.GPU)))).meter == late.meter
    assert watched(Case(case().folder, None)) == ()


def test_of_alternatives_the_leading_one_is_watched() -> None:
    """Power and counter of one device: only the one that the energy of the phase comes from."""
    energy = shown(AT_S, 1000.0 * (AT_S + 20.0) + np.sin(AT_S), COUNTER)
    assert len(watched(case(moving(AT_S), energy))) == 1


@pytest.mark.parametrize(("polls_per_s", "update_s", "interval_s"), [(1, 1.0, 1.0), (10, 1.0, 1.0), (1, 0.1, 1.0), (1, None, 1.0)])
def test_the_nominal_interval_is_the_longer_of_poll_and_update(polls_per_s: int, update_s: float | None, interval_s: float) -> None:
    """Polls that are faster than the meter bring no news."""
    at_s = np.arange(-10.0, 131.0, 1.0 / polls_per_s)
    assert only(case(moving(at_s, replace(POWER, update_period_s=update_s)))).interval_s == pytest.approx(interval_s)


def test_a_burst_around_a_mark_is_neither_faster_sampling_nor_followed_by_a_gap() -> None:
    """A meter on a grid of 1 s that is read at 20 Hz for most of a phase: its nominal interval is 1 s where it says so, by which nothing
    is missing; without its word the rest of the phase would be one gap after another.
    """
    at_s = np.union1d(AT_S, np.arange(0.0, 70.0, 0.05))
    told, untold = (only(case(moving(at_s, replace(POWER, update_period_s=0.1, read_interval_s=said)))) for said in (1.0, None))
    assert (told.interval_s, told.gap_interval_s) == (1.0, 1.0)
    covered, torn = told.covered(), untold.covered()
    assert covered is not None
    assert torn is not None
    assert covered.missing_s == 0.0
    assert torn.missing_s > 30.0


def news(values: list[int], *, update_s: float | None, said_s: list[float] | None = None) -> int:
    """Distinct readings among `values`, one a second from the begin on; with device times `said_s`."""
    at_s = np.arange(len(values), dtype=np.float64)
    series = replace(shown(at_s, 1.0, replace(POWER, update_period_s=update_s)), value=np.array(values, dtype=np.int64))
    if said_s is not None:
        series = replace(series, t_device_ns=np.array([at(second) for second in said_s]))
    return only(case(series, phase_s=(0.0, len(values) - 0.5))).distinct()


@pytest.mark.parametrize(
    ("values", "update_s", "expected"),
    [
        ([5, 6, 5, 6], 1.0, 4),
        ([5, 5, 5, 5], 1.0, 4),
        ([5, 5, 5, 5, 5], 2.0, 3),
        ([5, 5, 5, 5], None, 1),
        ([5, 5, 6, 6], None, 2),
        ([5, 5, 6, 6, 6, 6], 10.0, 2),
    ],
)
def test_a_distinct_reading_is_news(values: list[int], update_s: float | None, expected: int) -> None:
    """A changed value, else one in each update period; none of them where that is not known."""
    assert news(values, update_s=update_s) == expected


def test_the_time_of_the_device_says_what_is_news() -> None:
    """Equal values under new times are news, under one time they are one reading, however long it lasts."""
    assert news([5, 5, 5], update_s=1.0, said_s=[0.0, 1.0, 2.0]) == 3
    assert news([5, 5, 5], update_s=1.0, said_s=[0.0, 0.0, 0.0]) == 1


@pytest.mark.parametrize(
    ("facts", "duty", "window_s"),
    [
        ({"averaging_window_s": 0.25}, 0.25, 0.25),
        ({"averaging_window_s": 2.0}, 1.0, 2.0),
        ({"averaging_window_s": None}, 0.0, None),
        ({"averaging_window_s": None, "averaging": Averaging.INSTANT}, 0.0, 0.0),
        ({"averaging_window_s": 1.0, "coverage": 0.25}, 0.25, 1.0),
        ({"averaging_window_s": 1.0, "averaging": Averaging.EXPONENTIAL}, 1.0, 3.0),
    ],
)
def test_duty_and_window(facts: dict[str, object], duty: float, window_s: float | None) -> None:
    """C of the terms, and the window as a plain average would have it."""
    one = only(case(moving(AT_S, replace(POWER, **facts))))  # type: ignore[arg-type]  # any field
    assert one.duty == pytest.approx(duty)
    assert one.window_s == window_s


def test_a_counter_sees_all_but_what_it_says() -> None:
    """A counter integrates; one that declares a coverage has that."""
    energy = shown(AT_S, 1000.0 * (AT_S + 20.0) + np.sin(AT_S), COUNTER)
    assert only(case(energy)).duty == 1.0
    assert only(case(replace(energy, meter=replace(energy.meter, coverage=0.25)))).duty == 0.25


def test_brackets_and_coverage() -> None:
    """The readings outside each edge, infinite where there is none; then no gap can be told."""
    whole, bare = only(case(moving(AT_S))), only(case(moving(AT_S[12:])))
    assert whole.brackets_s() == (0.0, 0.0)
    assert whole.covered() is not None
    assert bare.brackets_s()[0] == math.inf
    assert bare.covered() is None


def with_quality(quality: Quality, reason: str = "") -> Series:
    """A reading of the phase with another quality."""
    series = moving(AT_S)
    codes = series.quality.copy()
    codes[50] = quality
    return replace(series, quality=codes, reasons={50: reason})


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (with_quality(Quality.SENTINEL), (1, 0)),
        (with_quality(Quality.OVER_RANGE), (1, 0)),
        (with_quality(Quality.GAP, "not a number"), (1, 0)),
        (with_quality(Quality.GAP, "timed out"), (0, 0)),
        (with_quality(Quality.STALE), (0, 0)),
        (with_quality(Quality.OK), (0, 0)),
    ],
)
def test_what_is_no_measurement(series: Series, expected: tuple[int, int]) -> None:
    """Answers that are none are counted; silence and repeats are not. None of them is integrated."""
    assert only(case(series)).invalid(overflow_w=1e9) == expected


def test_an_overflow_is_integrated_if_nobody_marks_it() -> None:
    """A good quality on a value beyond belief is the fault that SMP-11 looks for."""
    series = moving(AT_S)
    value = series.value.copy()
    value[50] = 10**12
    assert only(case(replace(series, value=value))).invalid(overflow_w=1e9) == (1, 1)
