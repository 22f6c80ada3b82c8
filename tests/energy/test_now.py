"""What is now, what is stale, what was not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.now import Device, Level, device, levels
from joulemark.energy.series import Series
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity

S = 1_000_000_000
NOW_NS = 1_790_000_000 * S
POWER = MeterInfo("fake:a:0:power", "fake", Quantity.POWER, -3, Boundary.GPU, update_period_s=0.1, rated_w=700.0)
COUNTER = MeterInfo("fake:a:0:energy", "fake", Quantity.ENERGY_COUNTER, -3, Boundary.GPU, update_period_s=0.1)


def series(meter: MeterInfo = POWER, *, power_w: float = 200.0, begin_s: float = -10.0, end_s: float = -1.0) -> Series:
    """Ten readings a second, in seconds from now."""
    t_ns = np.arange(NOW_NS + round(begin_s * S), NOW_NS + round(end_s * S) + 1, S // 10)
    energy = ((t_ns - t_ns[0]) * power_w // 1_000_000).astype(np.int64)
    return Series.plain(meter, t_ns, energy if meter.quantity is Quantity.ENERGY_COUNTER else np.full(len(t_ns), round(power_w * 1000)))


def only(*given: Series) -> Device:
    return device("fake:a:0", given, {}, NOW_NS)


def level(*given: Series) -> Level:
    (found,) = levels(given, {POWER.meter_id: "a"}, NOW_NS)
    return found


def test_power_is_the_newest_reading_before_the_counter() -> None:
    """A device with both shows its power; one whose power is old shows the mean power of its counter and says so."""
    both = only(series(COUNTER, power_w=150.0), series())
    assert (both.power_w, both.method, both.trouble, both.rated_w) == (200.0, "power", "", 700.0)
    counter = only(series(COUNTER, power_w=150.0), series(end_s=-8.0))
    assert counter.power_w == pytest.approx(150.0)
    assert counter.method == "energy_counter"


def test_what_is_old_is_no_number() -> None:
    """A meter whose newest usable reading is old, marked as bad, or not there has no power, and the reason stands in its place."""
    stale = only(series(end_s=-6.0))
    assert (stale.power_w, stale.age_s, stale.trouble) == (None, 6.0, "stale: nothing usable for 6 s")
    bad = series()
    sick = replace(bad, quality=np.full(len(bad), Quality.SENTINEL, dtype=np.uint8), reasons={0: "reads 0xFFFF"})
    assert (only(sick).power_w, only(sick).trouble) == (None, "silent for 30 s or more (reads 0xFFFF)")
    assert only(series().rows(slice(0, 0))).trouble == "silent for 30 s or more"
    assert only(series(COUNTER, power_w=0.0)).trouble == "the counter does not move, or was reset"


def test_slow_meters_are_given_three_of_their_periods() -> None:
    """A meter that reads each ten seconds is not stale after twenty."""
    slow = replace(POWER, update_period_s=10.0)
    assert only(series(slow, begin_s=-29.0, end_s=-20.0)).power_w == 200.0
    assert only(series(slow, begin_s=-50.0, end_s=-36.0)).power_w is None


def test_gaps_are_counted() -> None:
    """Readings that are missing between others are missing time; readings that are there are not."""
    whole = series()
    kept = (whole.t_ns < NOW_NS - 6 * S) | (whole.t_ns >= NOW_NS - 4 * S)
    assert only(whole).gap_s == 0.0
    assert only(whole.rows(kept)).gap_s == pytest.approx(2.0)


def test_a_boundary_has_a_total_only_when_all_of_it_is_known() -> None:
    """Devices add up; one that is stale leaves no total but the sum and the number of the others."""
    other = replace(POWER, meter_id="fake:a:1:power")
    assert level(series(), series(other, power_w=100.0)).power_w == 300.0
    part = level(series(), series(other, end_s=-8.0))
    assert (part.power_w, part.known_w, part.known_count, len(part.devices)) == (None, 200.0, 1, 2)


def test_what_two_meters_measure_counts_once() -> None:
    """Meters that cover the same GPU are one device; where it is open what covers what, each is shown and there is no total."""
    nvml, page = replace(POWER, covers=("GPU-1",)), replace(POWER, meter_id="page:a:0:power", kind="page", covers=("GPU-1",))
    assert level(series(nvml), series(page)).power_w == 200.0
    crossed = level(series(replace(nvml, covers=("GPU-1", "GPU-2"))), series(replace(page, covers=("GPU-2", "GPU-3"))))
    assert (crossed.power_w, crossed.known_w, len(crossed.devices)) == (None, 400.0, 2)
    assert "covered by meters of different extent" in crossed.finding


def test_boundaries_stand_beside_each_other() -> None:
    """GPUs and the server's input are never summed, and come in the order of the supply chain."""
    wall = replace(POWER, meter_id="ipmi:a:0:power", boundary=Boundary.SERVER_INPUT)
    found = levels([series(wall, power_w=900.0), series()], {}, NOW_NS)
    assert [(one.boundary, one.power_w) for one in found] == [("gpu", 200.0), ("server_input", 900.0)]
