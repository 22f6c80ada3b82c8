from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.calibration.plateaus import Span, cut, mean_w, steadiness, two_levels
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from tests.kit.sensors import BMC, WALL

NS = 1_000_000_000


def shown(watts: object, *, every_s: float = 1.0) -> Series:
    values = np.asarray(watts, dtype=np.float64)
    return Series.plain(BMC, (np.arange(len(values)) * every_s * NS).astype(np.int64), np.round(values).astype(np.int64))


def test_windows_are_whole_and_their_means_weigh_time() -> None:
    """150 s give two windows of a minute; a reading that stands for longer counts for more."""
    ramp = shown(np.arange(200.0))
    record = cut(ramp, ramp, Span("mid", 10 * NS, 160 * NS))
    assert [(w.begin_ns, w.end_ns, w.sensor_w) for w in record.windows] == [(10 * NS, 70 * NS, 40.0), (70 * NS, 130 * NS, 100.0)]
    uneven = ramp.rows(np.array([n < 60 or n % 2 == 0 for n in range(200)]))
    assert mean_w(uneven, 50 * NS, 70 * NS) == pytest.approx(60.0)


def test_too_short_and_uncovered_windows_are_refused() -> None:
    """A plateau of half a minute has no window, and a hole of 20 s leaves no mean."""
    ramp = shown(np.arange(200.0))
    with pytest.raises(InsufficientData, match="less than one window"):
        cut(ramp, ramp, Span("mid", 0, 30 * NS))
    holed = ramp.rows(np.array([not 20 < n < 40 for n in range(200)]))
    with pytest.raises(InsufficientData, match="of a window"):
        mean_w(holed, 0, 60 * NS)


def test_steadiness_tells_scatter_and_slope() -> None:
    """6 W a minute on 600 W are 1 % a minute; three readings are the least."""
    found = steadiness(shown(570 + 0.1 * np.arange(601.0)), 0, 600 * NS)
    assert found.slope_per_min == pytest.approx(0.01, rel=0.01)
    assert found.cv == pytest.approx(0.1 * 601 / np.sqrt(12) / 600, rel=0.02)
    with pytest.raises(InsufficientData, match="readings in a window"):
        steadiness(shown([1.0, 2.0]), 0, NS)


def test_levels_leave_the_way_between_them_out() -> None:
    """Of a recording without marks the ramps belong to neither level; one level, or other times, are refused."""
    load = np.concatenate([np.full(50, 500.0), np.linspace(500, 1500, 20), np.full(50, 1500.0)])
    (low, _), (high, _) = two_levels(shown(load), replace(shown(load), meter=WALL))
    assert low.max() < 750.0
    assert high.min() > 1250.0
    with pytest.raises(InsufficientData, match="no two levels"):
        two_levels(shown(load * 0 + 500.0), shown(load * 0 + 500.0))
    with pytest.raises(InsufficientData, match="same times"):
        two_levels(shown(load), shown(load, every_s=0.7))
