"""Times of readings, by whose clock they are: what has to be stored, and what has to follow from it (SMP-5)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.energy.series import Series
from joulemark.readings import TimestampSource
from tests.kit.small import NS, POWER, case, judged, moving, verdict

AT_S = np.arange(-5.0, 126.0)


def stamped(off_s: float = 0.0) -> Series:
    """Readings dated by the device, whose clock is `off_s` from the reads."""
    meter = replace(POWER, timestamp_source=TimestampSource.DEVICE, averaging_window_s=0.0)
    series = moving(AT_S, meter)
    said_ns = series.t_ns + round(off_s * NS)
    return replace(series, t_ns=said_ns, t_device_ns=said_ns, device_stamps=True)


def test_a_stream_of_the_agent_passes() -> None:
    """Brackets, half-widths and times as the agent stores them."""
    assert verdict("SMP-5", "ES2", case(moving(AT_S))) == "pass"


@pytest.mark.parametrize(("off_s", "expected"), [(0.0, "pass"), (-29.9, "pass"), (-30.1, "fail"), (3600.0, "fail")])
def test_the_clock_of_the_device_is_near_the_reads(off_s: float, expected: str) -> None:
    """Half a minute may lie between a device's stamp and its read; an hour is a wrong zone."""
    series = stamped(off_s)
    around = moving(np.arange(-4000.0, 4000.0), replace(POWER, meter_id="redfish:node-1:CN2:power"))
    assert judged("SMP-5", "ES1", case(series, around, phase_s=(off_s + 1.0, off_s + 100.0))).verdict == expected


def test_the_time_of_the_device_has_to_be_stored_where_it_dates() -> None:
    """A stream that is dated by its device, without what the device said."""
    assert verdict("SMP-5", "ES1", case(replace(stamped(), t_device_ns=None))) == "cannot_tell"
    series = stamped()
    assert series.t_device_ns is not None
    said_ns = np.where(np.arange(len(series)) == 40, 0, series.t_device_ns)
    assert verdict("SMP-5", "ES1", case(replace(series, t_device_ns=said_ns))) == "cannot_tell"


def test_two_readings_at_one_time() -> None:
    """Equal times with equal values are one reading seen twice; with different ones they are a fault."""
    series = moving(AT_S)
    t_ns = series.t_ns.copy()
    t_ns[50] = t_ns[49]
    read0_ns, read1_ns = t_ns + series.meter.lag_ns - 1_000_000, t_ns + series.meter.lag_ns + 1_000_000
    twice = replace(series, t_ns=t_ns, t_read0_ns=read0_ns, t_read1_ns=read1_ns)
    assert verdict("SMP-5", "ES1", case(twice)) == "fail"
    value = series.value.copy()
    value[50] = value[49]
    assert verdict("SMP-5", "ES1", case(replace(twice, value=value))) == "pass"


def test_a_read_does_not_end_before_it_begins() -> None:
    """A bracket turned round is no bracket."""
    series = moving(AT_S)
    assert verdict("SMP-5", "ES1", case(replace(series, t_read0_ns=series.t_read1_ns, t_read1_ns=series.t_read0_ns))) == "fail"


@pytest.mark.parametrize(("off_ns", "expected"), [(1_000_000, "pass"), (1_100_000, "fail")])
def test_a_reading_stands_in_the_middle_of_its_read(off_ns: int, expected: str) -> None:
    """The time follows from the bracket to a millisecond."""
    series = moving(AT_S)
    assert verdict("SMP-5", "ES2", case(replace(series, t_ns=series.t_ns + off_ns))) == expected


@pytest.mark.parametrize(("half_ns", "expected"), [(501_000_000, "pass"), (500_900_000, "fail")])
def test_the_half_width_holds_bracket_and_update_period(half_ns: int, expected: str) -> None:
    """A bracket of 2 ms and an update period of 1 s make 501 ms."""
    series = moving(AT_S)
    assert verdict("SMP-5", "ES2", case(replace(series, t_unc_ns=np.full(len(series), half_ns)))) == expected


def test_an_unknown_update_period_cannot_be_told() -> None:
    """Without it nobody knows how old a reading was."""
    assert verdict("SMP-5", "ES2", case(moving(AT_S, replace(POWER, update_period_s=None)))) == "cannot_tell"


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "pass"), (0.999, "pass"), (0.98, "fail")])
def test_a_reading_stands_where_its_device_said(factor: float, expected: str) -> None:
    """Times that were pressed together, while what the device said of them was left as it was, are not those of the device."""
    series = stamped()
    pressed_ns = series.t_ns[0] + np.round((series.t_ns - series.t_ns[0]) * factor).astype(np.int64)
    assert verdict("SMP-5", "ES1", case(replace(series, t_ns=pressed_ns), phase_s=(0.0, 100.0))) == expected


def test_a_clock_of_the_device_that_goes_back() -> None:
    """Readings stand in the order of their times: where that is not the order of their reads, the device set its clock back."""
    series = stamped()
    assert series.t_device_ns is not None
    assert series.t_read0_ns is not None
    assert series.t_read1_ns is not None
    said_ns = series.t_device_ns - np.where(np.arange(len(series)) >= 60, round(3.5 * NS), 0)
    order = np.argsort(said_ns, kind="stable")
    back = replace(
        series,
        t_ns=said_ns[order],
        t_device_ns=said_ns[order],
        value=series.value[order],
        t_read0_ns=series.t_read0_ns[order],
        t_read1_ns=series.t_read1_ns[order],
    )
    assert verdict("SMP-5", "ES1", case(back, phase_s=(0.0, 100.0))) == "fail"
