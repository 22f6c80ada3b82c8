"""Power around a moment: a steady load and one that steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.counters import refreshes
from joulemark.energy.local import Level, PowerTrace, level
from joulemark.energy.series import Series
from joulemark.readings import Quantity
from tests.energy.waves import T0_NS, S, meter


def readings(power_w: list[float]) -> PowerTrace:
    """One reading each second from `T0_NS` on."""
    return PowerTrace.of_readings(T0_NS + np.arange(len(power_w)) * S, np.array(power_w), 1.0)


def test_a_step_is_seen_from_one_interval_away() -> None:
    """The reading before a mark and the one after it are both looked at, also when the mark stands between them."""
    trace = readings([100.0, 100.0, 100.0, 700.0, 700.0, 700.0])
    assert trace.near(T0_NS + 2 * S + S // 2, 0.0).tolist() == [100.0, 700.0]
    assert level([trace], T0_NS + 2 * S + S // 2, 0.0) == Level(100.0, 700.0)
    assert level([trace], T0_NS + S // 2, 0.0) == Level(100.0, 100.0)


def test_the_reach_decides_what_counts() -> None:
    """A step 3 s away belongs to a mark that reaches 2 s and one interval, and not to one that reaches 1.9 s."""
    trace = readings([100.0] * 5 + [700.0] * 5)
    near = level([trace], T0_NS + 2 * S, 2.0)
    far = level([trace], T0_NS + 2 * S, 1.9)
    assert near is not None
    assert far is not None
    assert (near.swing_w, far.swing_w) == (600.0, 0.0)


def test_all_meters_of_a_device_look() -> None:
    """The level is that of all traces together; one with nothing there is passed over, and without any there is no level."""
    low, high = readings([200.0] * 5), readings([300.0] * 5)
    late = replace(high, begin_ns=high.begin_ns + 100 * S, end_ns=high.end_ns + 100 * S)
    assert level([low, high, late], T0_NS + 2 * S, 0.0) == Level(200.0, 300.0)
    assert level([late], T0_NS + 2 * S, 0.0) is None
    assert level([], T0_NS, 0.0) is None


def test_within_a_span_only_what_belongs_to_it_counts() -> None:
    """Readings at both ends of a span are within it; means that reach further than the span tell nothing of it."""
    t_ns, power_w = T0_NS + np.arange(4) * S, np.array([100.0, 200.0, 300.0, 400.0])
    sharp, blurred = (PowerTrace.of_readings(t_ns, power_w, 1.0, averaging_window_s=w) for w in (0.5, 1.5))
    assert sharp.within(T0_NS + S, T0_NS + 2 * S).tolist() == [200.0, 300.0]
    assert sharp.within(T0_NS + S + 1, T0_NS + 2 * S - 1).tolist() == []
    assert blurred.within(T0_NS + S, T0_NS + 2 * S).tolist() == []


def test_slopes_of_a_counter_skip_its_reset() -> None:
    """Between refreshes the power is the slope; the span in which the counter was reset has none."""
    count = np.array([5000, 5200, 5400, 0, 700, 1400]) * 1000
    series = Series.plain(meter("energy", Quantity.ENERGY_COUNTER), T0_NS + np.arange(6) * S, count)
    trace = PowerTrace.of_counter(refreshes(series))
    assert trace.power_w.tolist() == pytest.approx([200.0, 200.0, 700.0, 700.0])
    assert ((trace.begin_ns - T0_NS) // S).tolist() == [0, 1, 3, 4]
    assert level([trace], T0_NS + 2 * S + S // 2, 0.0) is None
    assert level([trace], T0_NS + 2 * S + S // 2, 0.5) == Level(200.0, 700.0)
