"""Scatter and slope of a stretch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.series import Float64, Series
from joulemark.energy.steady import Stretch, power_of, together
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity

NS = 1_000_000_000
BEGIN_NS = 1_790_000_000 * NS
METER = MeterInfo(meter_id="ipmi:node:1:power", kind="ipmi", quantity=Quantity.POWER, exponent=-3, boundary=Boundary.SERVER_INPUT)


def stretch(t_s: Float64, value: Float64) -> Stretch:
    """A stretch, which there must be."""
    found = Stretch.of(BEGIN_NS + np.round(t_s * NS).astype(np.int64), value, begin_ns=BEGIN_NS, end_ns=BEGIN_NS + 1000 * NS)
    assert found is not None
    return found


def series(at_s: Float64, watts: Float64, **changed: object) -> Series:
    """A power in mW."""
    meter = replace(METER, **changed)  # type: ignore[arg-type]  # fields of MeterInfo
    return Series.plain(meter, BEGIN_NS + np.round(at_s * NS).astype(np.int64), np.round(watts * 1000).astype(np.int64))


def test_a_line_has_its_slope() -> None:
    """500 W that grow by 0.1 W/s have a slope of 6 W/min, no uncertainty, and drift by 6/506 per minute."""
    t_s = np.arange(0.0, 121.0)
    found = stretch(t_s, 500 + 0.1 * t_s)
    assert found.slope_per_min == pytest.approx(6.0)
    assert found.u_slope_per_min == pytest.approx(0.0, abs=1e-9)
    assert found.mean == pytest.approx(506.0)
    assert found.drift_rel_per_min == pytest.approx(6 / 506)


def test_unequal_spacing_moves_neither_slope_nor_mean() -> None:
    """A line keeps slope and mean where its first half is read each 0.1 s and its second each 10 s; by row number it would not."""
    t_s = np.concatenate((np.arange(0.0, 60.0, 0.1), np.arange(60.0, 121.0, 10.0)))
    found = stretch(t_s, 500 + 0.1 * t_s)
    assert found.slope_per_min == pytest.approx(6.0)
    assert found.mean == pytest.approx(506.0)
    assert float((500 + 0.1 * t_s).mean()) < 504


def test_noise_alone_is_no_drift() -> None:
    """Readings that only scatter drift in at most one of twenty seeds beyond twice the uncertainty of their slope, and then by little."""
    t_s = np.arange(0.0, 121.0)
    drifts = [stretch(t_s, 500 + np.random.default_rng(seed).normal(0, 10, len(t_s))).drift_rel_per_min for seed in range(100)]
    assert sum(drift > 0 for drift in drifts) <= 10
    assert max(drifts) < 0.01


def test_scatter_of_two_levels() -> None:
    """Readings that alternate between 490 and 510 W have a CV of 2 %."""
    t_s = np.arange(0.0, 1000.0)
    assert stretch(t_s, 500 + 10 * (-1) ** t_s).cv == pytest.approx(0.02, rel=1e-3)


def test_two_readings_are_no_stretch() -> None:
    """Fewer than three readings have no slope with an uncertainty: None, not 0."""
    t_ns = BEGIN_NS + np.arange(2) * NS
    assert Stretch.of(t_ns, np.array([1.0, 2.0]), begin_ns=BEGIN_NS, end_ns=BEGIN_NS + NS) is None


def test_streams_are_added_by_time() -> None:
    """Two cords read at other times and rates add up to the power at each time, not row by row."""
    fast, slow = np.arange(0.0, 130.0, 0.5), np.arange(0.3, 130.0, 2.0)
    found = together([series(fast, 300 + fast), series(slow, 200 - slow)], BEGIN_NS, BEGIN_NS + 120 * NS)
    assert found is not None
    assert len(found.value) == 60
    assert found.value == pytest.approx(np.full(60, 500.0), abs=0.01)


def test_a_sum_without_one_part_is_none() -> None:
    """A cord without readings in the stretch leaves no sum."""
    at_s = np.arange(0.0, 130.0)
    late = np.arange(200.0, 300.0)
    assert together([series(at_s, 300 + at_s), series(late, 300 + late)], BEGIN_NS, BEGIN_NS + 120 * NS) is None
    assert together([], BEGIN_NS, BEGIN_NS + NS) is None


def test_zero_and_gaps_are_no_power() -> None:
    """A reading of 0 W and a failed one are left out, not taken for low power."""
    one = series(np.arange(5.0), np.array([500.0, 0.0, 500.0, 500.0, 500.0]))
    quality = np.full(5, Quality.OK, dtype=np.uint8)
    quality[3] = Quality.GAP
    assert power_of(replace(one, quality=quality))[1].tolist() == [500.0, 500.0, 500.0]


def test_a_counter_has_the_power_of_its_slopes() -> None:
    """A counter that grows by 700 J each second is a power of 700 W; one that never moves is none."""
    at_s = np.arange(0.0, 60.0)
    watts = power_of(series(at_s, 700 * at_s + 5, quantity=Quantity.ENERGY_COUNTER))[1]
    assert watts == pytest.approx(np.full(len(watts), 700.0))
    assert len(watts) >= 50
    assert len(power_of(series(at_s, 0 * at_s + 5, quantity=Quantity.ENERGY_COUNTER))[0]) == 0


def test_the_uncertainty_of_a_slope_has_two_degrees_of_freedom_less() -> None:
    """0, 1, 0, 1 at 0 to 3 s: slope 0.2 per second, residuals 0.8 in squares, u = sqrt(0.8 / 2 / 5) per second."""
    found = stretch(np.arange(4.0), np.array([0.0, 1.0, 0.0, 1.0]))
    assert found.slope_per_min == pytest.approx(12.0)
    assert found.u_slope_per_min == pytest.approx(60 * 0.08**0.5)


def test_a_stream_without_any_reading_leaves_no_sum() -> None:
    """A meter that never answered is no zero in the sum: there is none."""
    at_s, none = np.arange(0.0, 130.0), np.zeros(0)
    assert together([series(at_s, 300 + at_s), series(none, none)], BEGIN_NS, BEGIN_NS + 120 * NS) is None
