"""The gates before an alignment: just inside they open, just outside they say what to do, and without evidence they stay shut."""

from __future__ import annotations

import numpy as np
import pytest

from joulemark.calibration.gates import (
    CLOCK_BOUND_S,
    Gate,
    clocks,
    exclusive,
    monitors,
    steadiness,
    steady,
    streams,
    temperature,
)
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.readings import Boundary, MeterInfo, Quantity

METER = MeterInfo("ipmi:h:1:power", "ipmi", Quantity.POWER, -3, Boundary.SERVER_INPUT)
THERMOMETER = MeterInfo("hwmon:h:1:inlet", "hwmon", Quantity.TEMPERATURE, -3, Boundary.SERVER_INPUT)
T_S = np.arange(120.0)


def readings(values: np.ndarray, meter: MeterInfo = METER) -> Series:
    return Series.plain(meter, (T_S[: len(values)] * 1e9).astype(np.int64), np.round(values * 1000).astype(np.int64))


@pytest.mark.parametrize(
    ("age_s", "interval_s", "open_"), [(14.9, 1.0, True), (15.1, 1.0, False), (24.9, 5.0, True), (25.1, 5.0, False), (15.1, None, False)]
)
def test_streams_are_alive(age_s: float, interval_s: float | None, open_: bool) -> None:
    """The newest reading is not older than five intervals, or fifteen seconds; the late meter is named."""
    seen = streams({"a": 0.1, "late": age_s}, {"a": 1.0, "late": interval_s})
    assert (seen.passed, seen.shut) == (open_, not open_)
    assert ("late" in seen.next_step) is not open_


def test_a_stream_without_readings_is_not_alive() -> None:
    """None is no age."""
    assert streams({"a": None}, {"a": 1.0}).passed is False


@pytest.mark.parametrize(("bound_s", "passed"), [(CLOCK_BOUND_S, True), (CLOCK_BOUND_S + 0.001, False), (None, None)])
def test_clocks_agree_within_their_bound(bound_s: float | None, passed: bool | None) -> None:
    """A bound that is not known cannot be told, and keeps the gate shut."""
    seen = clocks({"a": 0.0, "b": bound_s})
    assert (seen.passed, seen.shut) == (passed, passed is not True)


def test_foreign_work_and_monitors_shut_the_gate() -> None:
    """They are named; when nobody could look, the gate cannot tell."""
    assert exclusive(["python3 (812)"]).passed is False
    assert "python3 (812)" in exclusive(["python3 (812)"]).saw
    assert exclusive([]).passed is True
    assert exclusive(None, why="it is another machine").passed is None
    assert monitors(["dcgmi (9)"]).passed is False
    assert monitors([]).passed is True
    assert monitors(None).shut is True


def test_a_gate_opens_when_it_is_accepted_by_name() -> None:
    """Only the named one, and the record tells; one that passed needs no acceptance."""
    seen = exclusive(["a"])
    assert seen.accepting(["clocks"]).shut is True
    assert (seen.accepting(["exclusive"]).shut, seen.accepting(["exclusive"]).to_json()["accepted"]) == (False, True)
    assert exclusive([]).accepting(["exclusive"]).accepted is False


@pytest.mark.parametrize(("k_per_min", "passed"), [(0.98, True), (1.02, False), (-1.02, False)])
def test_temperature_settles(k_per_min: float, passed: bool) -> None:
    """The fastest thermometer decides; power is no temperature; without a thermometer it cannot tell."""
    still = readings(np.full(120, 24.0), THERMOMETER)
    moving = readings(24.0 + T_S / 60.0 * k_per_min, THERMOMETER)
    assert temperature([still, moving, readings(T_S * 9.0)]).passed is passed
    assert temperature([readings(T_S)]).passed is None


@pytest.mark.parametrize(("cv", "passed"), [(0.0295, True), (0.0305, False)])
def test_scatter_of_an_idle_machine(cv: float, passed: bool) -> None:
    """Just below 3 % it is idle, just above not."""
    wave = np.where(np.arange(120) % 2, 1.0, -1.0) * np.sqrt(119 / 120)
    seen = steady(readings(400.0 * (1.0 + cv * wave)))
    assert (seen.gate, seen.passed) == (Gate.STEADY, passed)


@pytest.mark.parametrize(("per_min", "passed"), [(0.0195, True), (0.0205, False), (-0.0205, False)])
def test_slope_of_an_idle_machine(per_min: float, passed: bool) -> None:
    """Just below 2 % per minute of its mean it is idle."""
    seen = steady(readings(400.0 * (1.0 + per_min * (T_S - T_S.mean()) / 60.0)))
    assert seen.passed is passed


def test_a_slope_is_told_from_noise() -> None:
    """In ten noisy seconds the uncertainty of the slope is subtracted: what cannot be told from level is level."""
    noise = np.random.default_rng(5).normal(0.0, 4.0, 10)
    found = steadiness(readings(400.0 + noise))
    assert abs(found.slope_per_min) > found.drift_per_min
    assert found.steady
    assert found.mean_w == pytest.approx(400.0, abs=4.0)


def test_too_few_readings_tell_nothing() -> None:
    """Four readings, and a power that is not above 0, cannot be judged."""
    with pytest.raises(InsufficientData, match="too few"):
        steadiness(readings(np.full(4, 400.0)))
    with pytest.raises(InsufficientData, match="mean"):
        steadiness(readings(np.zeros(20)))
    assert steady(readings(np.full(4, 400.0))).passed is None
