from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterGone, MeterUnavailable
from joulemark.meters.base import Meter
from joulemark.meters.replay import DRIVER
from joulemark.readings import Quality
from tests.conftest import ManualClock

NS = 1_000_000_000
TRACE = "t_ns,power_milliwatt,energy_millijoule\n500,100000,7000\n1000000500,200000,107000\n3000000500,300000,507000\n"

Opened = Callable[..., Meter]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    def build(text: str = TRACE, **options: Any) -> Meter:
        file = tmp_path / "node.csv"
        file.write_text(text)
        meter = DRIVER.build(MeterTable("replay", {"file": str(file), **options}), host="node1")
        meter.open()
        return meter

    return build


def test_rows_fall_due_from_the_first_read(opened: Opened, manual_clock: ManualClock) -> None:
    """The first read gets the first row; later ones the last row that is due, dated at that row, nothing in between."""
    meter = opened()
    begin = manual_clock.utc
    assert meter.read(manual_clock)[0].values == (100_000, 7000)
    manual_clock.advance(NS - 1)
    assert meter.read(manual_clock)[0].t_device_ns == (begin, begin)
    manual_clock.advance(1)
    [sample] = meter.read(manual_clock)
    assert sample.values == (200_000, 107_000)
    assert sample.t_device_ns == (begin + NS, begin + NS)


def test_end_is_gone(opened: Opened, manual_clock: ManualClock) -> None:
    """The last row is still played; after it the device is gone."""
    meter = opened()
    meter.read(manual_clock)
    manual_clock.advance(3 * NS)
    assert meter.read(manual_clock)[0].values == (300_000, 507_000)
    manual_clock.advance(1)
    with pytest.raises(MeterGone, match="loop"):
        meter.read(manual_clock)


def test_loop_keeps_the_counter_going(opened: Opened, manual_clock: ManualClock) -> None:
    """In the second round the powers repeat and the counter goes on from where the first one ended."""
    meter = opened(loop=True)
    begin = manual_clock.utc
    meter.read(manual_clock)
    manual_clock.advance(4 * NS)
    [sample] = meter.read(manual_clock)
    assert sample.values == (200_000, 507_000 + 100_000)
    assert sample.t_device_ns[1] == begin + 4 * NS


def test_speed_keeps_power_and_energy_consistent(opened: Opened, manual_clock: ManualClock) -> None:
    """At speed 2 the rows come twice as fast with the same power, so the counter grows half as far."""
    meter = opened(speed=2.0)
    begin = manual_clock.utc
    meter.read(manual_clock)
    manual_clock.advance(NS // 2)
    [sample] = meter.read(manual_clock)
    assert sample.values == (200_000, 7000 + 50_000)
    assert sample.t_device_ns[0] == begin + NS // 2


def test_gain_makes_the_source_stronger(opened: Opened, manual_clock: ManualClock) -> None:
    """Gain 1.01 raises power and the counter's growth by 1 %."""
    meter = opened(gain=1.01)
    meter.read(manual_clock)
    manual_clock.advance(NS)
    assert meter.read(manual_clock)[0].values == (202_000, 7000 + 101_000)


def test_fixed_start_survives_a_restart(opened: Opened, manual_clock: ManualClock) -> None:
    """With start_ns the row depends on the time alone: before it there is a gap, and a reopened meter goes on where it was."""
    meter = opened(start_ns=manual_clock.utc + NS)
    [early] = meter.read(manual_clock)
    assert early.qualities[0] is Quality.GAP
    assert "not begun" in early.reasons[0]
    manual_clock.advance(2 * NS)
    meter.close()
    meter.open()
    assert meter.read(manual_clock)[0].values == (200_000, 107_000)


def test_channels_as_recorded(opened: Opened, manual_clock: ManualClock) -> None:
    """Every column is a meter with its own unit; a name before the dot is its channel; an empty cell is a gap with a reason."""
    meter = opened("t_ns,outlet1.power_watt,outlet2.power_watt,energy_joule\n0,5,,9\n1000,6,7,10\n")
    assert [(m.channel, m.exponent, m.value_column) for m in meter.info[0].meters] == [
        ("outlet1", 0, "power_watt"),
        ("outlet2", 0, "power_watt"),
        ("energy", 0, "energy_joule"),
    ]
    [sample] = meter.read(manual_clock)
    assert sample.values == (5, None, 9)
    assert sample.qualities[1] is Quality.GAP
    assert sample.reasons[1]


def test_missing_file(tmp_path: Path) -> None:
    """A trace that does not exist is unavailable, with its path."""
    meter = DRIVER.build(MeterTable("replay", {"file": str(tmp_path / "none.csv")}), host="node1")
    with pytest.raises(MeterUnavailable, match=r"none\.csv"):
        meter.open()


def test_unreadable_trace(opened: Opened) -> None:
    """A file that is no trace makes the meter unavailable, with the file and the line."""
    with pytest.raises(MeterUnavailable, match=r"node\.csv line 3"):
        opened("t_ns,power_watt\n0,1\n0,2\n")


def test_values_that_a_gain_lifts_over_64_bits(opened: Opened) -> None:
    """A gain, or a speed that stretches counters, under which a value could not be stored is refused when the trace is opened."""
    for options in ({"gain": 1e14}, {"gain": 1e9, "speed": 1e-6}):
        with pytest.raises(MeterUnavailable, match="64 bits"):
            opened(**options)


def test_bad_options() -> None:
    """A speed of zero would never end and is refused."""
    with pytest.raises(ConfigError, match="speed"):
        DRIVER.build(MeterTable("replay", {"speed": 0}), host="node1")
