"""The course of power: lines of devices, of boundaries, and why something is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.cards.buckets import Buckets
from joulemark.collector.web.course import courses, said, together
from joulemark.energy.series import Series
from joulemark.proto.messages import Loss
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity

S = 1_000_000_000
POWER = MeterInfo("fake:a:0:power", "fake", Quantity.POWER, -3, Boundary.GPU, update_period_s=0.1)
COUNTER = MeterInfo("fake:a:0:energy", "fake", Quantity.ENERGY_COUNTER, -3, Boundary.GPU, update_period_s=0.1)


def series(meter: MeterInfo = POWER, *, power_w: float = 200.0, rows: int = 100) -> Series:
    """Ten readings a second."""
    t_ns = np.arange(rows, dtype=np.int64) * S // 10
    energy = (t_ns * power_w // 1_000_000).astype(np.int64)
    return Series.plain(meter, t_ns, energy if meter.quantity is Quantity.ENERGY_COUNTER else np.full(rows, round(power_w * 1000)))


def test_a_device_is_drawn_by_its_power_and_the_wall_stands_first() -> None:
    """Of power and counter the power is the source; a device whose power is of no use is drawn by its counter."""
    wall = replace(POWER, meter_id="ipmi:a:0:power", boundary=Boundary.SERVER_INPUT)
    outer, inner = courses([series(COUNTER, power_w=150.0), series(), series(wall, power_w=900.0)])
    assert [(one.name, one.by_power) for one in (outer, inner)] == [("ipmi:a:0", True), ("fake:a:0", True)]
    assert inner.trace is not None
    assert set(inner.trace.power_w.tolist()) == {200.0}
    dead = replace(series(), quality=np.full(100, Quality.SENTINEL, dtype=np.uint8))
    (counted,) = courses([dead, series(COUNTER, power_w=150.0)])
    assert not counted.by_power
    assert counted.trace is not None
    assert counted.trace.power_w.mean() == pytest.approx(150.0, rel=1e-3)


def test_one_that_shows_nothing_leaves_no_sum() -> None:
    """Devices of a boundary add up; where one of them shows no power neither does their sum, and other boundaries do not matter."""
    other = replace(POWER, meter_id="fake:a:1:power")
    both = together(courses([series(), series(other, power_w=100.0)]), "gpu")
    assert both is not None
    assert (both.meters, both.power_w[5]) == (2, 300.0)
    assert together(courses([series(), series(other, rows=0)]), "gpu") is None
    assert together(courses([series()]), "server_input") is None


def test_a_gap_says_why() -> None:
    """Two readings too far apart are a gap: what bad readings between them, or a counted loss, say is its reason, else nothing came."""
    one = series()
    bad = np.array(one.quality)
    bad[20:25] = Quality.GAP
    holes = replace(one, quality=bad, reasons={20: "driver did not answer", 21: "driver did not answer"})
    (course,) = courses([holes])
    (gap,) = course.gaps()
    assert (gap.duration_s, gap.reason) == (0.6, "driver did not answer; gap")
    keep = (one.t_ns < 2 * S) | (one.t_ns > 3 * S)
    (course,) = courses([one.rows(keep)])
    lost = Loss("fake:a:0", 9, 2 * S, 3 * S, "spool full")
    reasons = [course.gaps(found)[0].reason for found in ([], [lost], [replace(lost, device_id="fake:a:1")])]
    assert reasons == ["no reading came", "9 samples lost: spool full", "no reading came"]
    assert courses([one])[0].gaps() == []


def test_what_a_line_says() -> None:
    """Lowest and highest power and the number of gaps, in words."""
    nan = float("nan")
    columns = [np.array(values) for values in ([0, 1, 2], [90.0, nan, 95.0], [100.0, nan, 105.0], [110.0, nan, 115.0])]
    assert said("gpu", Buckets(*columns)) == "gpu: 90.0 W to 115.0 W, 1 gap"
    assert said("gpu", Buckets(*(column[:0] for column in columns))) == "gpu: no power is known"
