from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.device import devices
from joulemark.energy.series import Series
from joulemark.errors import ConfigError
from joulemark.meters.ptdaemon_info import described, device_of
from joulemark.meters.ptdaemon_lines import parse_identity
from joulemark.readings import Averaging, Boundary, Current, MeterInfo, MeterRange
from tests.standins.ptdaemon_standin import IDENTITY

FIXED = MeterRange(volts=300.0, amps=20.0, auto=False)


def total(identity: str = IDENTITY, ranges: MeterRange = FIXED, *, sample_ms: int = 1000) -> MeterInfo:
    return described("ptdaemon:node1:C2XL24034V", parse_identity(identity), ranges, sample_ms=sample_ms)


def test_description_of_a_listed_analyser_on_fixed_ranges() -> None:
    """Maker, model, serial, firmware, ranges and the whitelist's limit at V times A times channels are part of the description."""
    of_sum, ch1, _ = device_of(total(), ("ch1", "ch2"), ()).meters
    assert (of_sum.vendor, of_sum.model, of_sum.serial, of_sum.firmware) == ("YOKOGAWA", "WT333E", "C2XL24034V", "F1.04")
    assert of_sum.meter_id == "ptdaemon:node1:C2XL24034V:total"
    assert (of_sum.boundary, of_sum.current, of_sum.interface) == (Boundary.WALL_ANALYZER, Current.AC, "PTDaemon")
    assert of_sum.range == FIXED
    assert of_sum.accuracy is not None
    assert ch1.accuracy is not None
    assert (of_sum.accuracy.pct_reading, of_sum.accuracy.pct_range) == (0.1, 0.05)
    assert (of_sum.accuracy.range_w, ch1.accuracy.range_w) == (12_000.0, 6_000.0)
    assert of_sum.accuracy.source
    assert not of_sum.simulated
    assert "1.10.0-ed9a21d2-20220817" in of_sum.note
    assert "no calibration date" in of_sum.note


def test_the_mean_of_a_second_is_known_at_one_second_only() -> None:
    """At 1000 ms a sample is the mean of its second; how the analyser averages at another period is not known."""
    assert (total().averaging, total().averaging_window_s, total().update_period_s) == (Averaging.BOXCAR, 1.0, 1.0)
    fast = total(sample_ms=100)
    assert (fast.averaging, fast.averaging_window_s, fast.update_period_s) == (Averaging.UNKNOWN, None, 0.1)


@pytest.mark.parametrize(
    ("identity", "ranges"),
    [
        (IDENTITY, MeterRange(volts=300.0, amps=2.0, auto=True)),
        (IDENTITY, MeterRange(volts=300.0, amps=20.0)),
        (IDENTITY, MeterRange(volts=300.0, auto=False)),
        ("NobodysMeter,1000,version=1.11.1-x", FIXED),
    ],
)
def test_what_is_not_known_is_not_stated(identity: str, ranges: MeterRange) -> None:
    """An auto range, a range that is not known and an analyser that nobody listed have no limit of error."""
    assert device_of(total(identity, ranges), (), ()).meters[0].accuracy is None


def test_the_dummy_analyser_is_simulated() -> None:
    """PTDaemon's built-in analyser makes simulated meters (INT-6)."""
    assert total("Dummy,0,version=1.11.1-x").simulated


def test_cords() -> None:
    """`covers` names the cord of each channel and the sum covers all; without channels it may cover several; a wrong number is an error."""
    covers = ("cord-a", "cord-b")
    assert [meter.covers for meter in device_of(total(), ("ch1", "ch2"), covers).meters] == [covers, ("cord-a",), ("cord-b",)]
    first, second = "C2XL24034V-ch1", "C2XL24034V-ch2"
    assert [meter.covers for meter in device_of(total(), ("ch1", "ch2"), ()).meters] == [(first, second), (first,), (second,)]
    assert [meter.covers for meter in device_of(total(), (), covers).meters] == [covers]
    assert [meter.covers for meter in device_of(total(), (), ()).meters] == [("C2XL24034V-total",)]
    with pytest.raises(ConfigError, match=r"covers names 1 cords.*ch1, ch2"):
        device_of(total(), ("ch1", "ch2"), ("cord-a",))


def test_two_analysers_are_added_up() -> None:
    """Two analysers in two cords that nobody named stand for two things: their totals are no alternatives to each other."""
    first = total()
    second = replace(first, meter_id=first.meter_id.replace("C2XL24034V", "C2XL24035V"))
    series = [Series.plain(device_of(one, (), ()).meters[0], np.arange(2), np.ones(2)) for one in (first, second)]
    assert len(devices(series)) == 2
