from __future__ import annotations

from datetime import UTC
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import MeterTransient
from joulemark.meters.ptdaemon_lines import (
    TOTAL,
    Row,
    Uncertainty,
    judged,
    parse_header,
    parse_identity,
    parse_ranges,
    parse_row,
    parse_uncertainty,
    stamp_ns,
    worsened,
)
from joulemark.readings import MeterRange, Quality, Quantity
from joulemark.timebase import zone
from tests.standins.ptdaemon_standin import IDENTITY

CHANNELS = (
    "Time,02-16-2022 11:27:55.204,Watts,1490.500000,Volts,-1.000000,Amps,-1.000000,PF,-1.000000,Mark,run_testing,"
    "Ch1,Watts,454.700000,Volts,209.110000,Amps,2.253000,PF,0.965300,Ch2,Watts,493.200000,Volts,208.720000,Amps,2.444000,PF,0.966800"
)
SINGLE = "Time,12-23-2020 10:21:51.496,Watts,23.430000,Volts,228.370000,Amps,0.204280,PF,0.502300,Mark,testing-workload"


def test_identity_of_a_real_analyser() -> None:
    """Vendor, model, serial and firmware stand in the last field of Identify, the daemon's version in one of the others."""
    found = parse_identity(IDENTITY)
    assert (found.vendor, found.model, found.serial, found.firmware) == ("YOKOGAWA", "WT333E", "C2XL24034V", "F1.04")
    assert found.version == "1.10.0-ed9a21d2-20220817"
    assert not found.dummy
    assert not found.calibrated


def test_identity_without_what_the_analyser_tells() -> None:
    """An older daemon names the model alone; then there is no serial, and none is made up."""
    found = parse_identity("YokogawaWT310E,49,version=1.9.1-2a9bb1b0-20200611,OS=Linux,mode=power")
    assert (found.vendor, found.model, found.serial, found.firmware) == ("", "YokogawaWT310E", "", "")
    assert found.calibrated


@pytest.mark.parametrize("line", ["Dummy_Device,1000,1,version=1.9.1-x", "Anything,0,version=1.9.1-x"])
def test_the_dummy_analyser_is_told(line: str) -> None:
    """PTDaemon's built-in analyser, device type 0, measures nothing and is marked so."""
    assert parse_identity(line).dummy


@pytest.mark.parametrize("line", ["", "Error: no device", "Range A changed", "Last 0 samples", "a,b"])
def test_what_is_no_identity(line: str) -> None:
    """An answer to another command is never taken for an identity."""
    with pytest.raises(MeterTransient, match="Identify"):
        parse_identity(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Ranges,0,20.000000,0,300.000000", MeterRange(volts=300.0, amps=20.0, auto=False)),
        ("Ranges,0,20.000000,1,300.000000", MeterRange(volts=300.0, amps=20.0, auto=True)),
        ("Ranges,1,2.000000,1,300.000000", MeterRange(volts=300.0, amps=2.0, auto=True)),
        ("Ranges,-1,-1.000000,-1,-1.000000", MeterRange(auto=None)),
        ("Ranges,0,20.000000,-1,-1.000000", MeterRange(amps=20.0, auto=None)),
    ],
)
def test_ranges(line: str, expected: MeterRange) -> None:
    """Amperes come before volts, one auto range makes the whole automatic, and -1 is not known."""
    assert parse_ranges(line) == expected


@pytest.mark.parametrize("line", ["Range V changed", "Ranges,1,2", "Ranges,0,twenty,0,300", "Error"])
def test_what_are_no_ranges(line: str) -> None:
    """Another answer is an error, never a range."""
    with pytest.raises(MeterTransient, match="RR"):
        parse_ranges(line)


def test_header_of_samples() -> None:
    """Both forms of `Last N samples` tell N; an error does not."""
    assert parse_header("Last 12 samples") == 12
    assert parse_header("Last 1 samples from sum channel and channels 1 - 3") == 1
    for line in ("Error: no measurement", "Last samples", "Last -1 samples", SINGLE, "Last 99999999999 samples"):
        with pytest.raises(MeterTransient, match="samples"):
            parse_header(line)


def test_rows_with_and_without_channels() -> None:
    """The first Watts is the analyser's own sum, and each channel has its own; volts and amperes are not taken for them."""
    row = parse_row(CHANNELS)
    assert row.watts == {TOTAL: "1490.500000", "ch1": "454.700000", "ch2": "493.200000"}
    assert (row.stamp, row.mark, row.channels) == ("02-16-2022 11:27:55.204", "run_testing", ("ch1", "ch2"))
    assert parse_row(SINGLE).watts == {TOTAL: "23.430000"}


def test_what_stands_beside_the_watts() -> None:
    """Volts, amperes and power factor are kept for each channel as printed, and found by what a meter measures."""
    row = parse_row(CHANNELS)
    assert row.details["ch2"] == {"Volts": "208.720000", "Amps": "2.444000", "PF": "0.966800"}
    assert row.printed("ch2-current", Quantity.CURRENT) == "2.444000"
    assert row.printed("ch2", Quantity.POWER) == "493.200000"
    assert row.printed("ch3-current", Quantity.CURRENT) == ""
    assert row.printed("ch2-temperature", Quantity.TEMPERATURE) == ""


@pytest.mark.parametrize("line", ["Error: analyser does not answer", "", "Time,01-01-2026 00:00:00.000", "Time,x,Volts,230", "Watts,1,1"])
def test_a_line_between_samples_is_trouble(line: str) -> None:
    """A line that is no sample carries its text and no watts."""
    row = parse_row(line)
    assert row.watts == {}
    assert row.trouble


@given(st.text(max_size=200))
def test_no_line_breaks_the_parser(line: str) -> None:
    """Whatever a line holds, a row comes out, and each of its powers is a number, or None with a reason."""
    for text in (line, f"Time,x,Watts,{line}", CHANNELS.replace("454.700000", line)):
        row = parse_row(text)
        assert isinstance(row, Row)
        assert bool(row.watts) != bool(row.trouble)
        for printed in row.watts.values():
            value, quality, reason = judged(printed)
            assert (value is None) == bool(reason) == (not quality.integrable)


@given(st.decimals(min_value=-99_999, max_value=99_999, places=6))
def test_a_printed_power_is_kept_exactly(power_w: Decimal) -> None:
    """Six printed decimals are whole microwatts, to the last digit; -1 alone is not a power."""
    value, _, _ = judged(f"{power_w:.6f}")
    assert value == (None if power_w == -1 else int(power_w * 10**6))


@pytest.mark.parametrize(
    ("printed", "quality"),
    [
        ("-1.000000", Quality.GAP),
        ("nan", Quality.SENTINEL),
        ("NaN", Quality.SENTINEL),
        ("9.91E+37", Quality.SENTINEL),
        ("9.9E+37", Quality.OVER_RANGE),
        ("inf", Quality.OVER_RANGE),
        ("", Quality.GAP),
        ("12.5W", Quality.GAP),
        ("1_000", Quality.GAP),
        ("\u0661\u0662", Quality.GAP),
    ],
)
def test_what_the_analyser_cannot_tell(printed: str, quality: Quality) -> None:
    """Not available, NaN, infinity and what is no number become no value, each with its quality and a reason."""
    value, found, reason = judged(printed)
    assert (value, found) == (None, quality)
    assert reason


@pytest.mark.parametrize(("printed", "value"), [("0.000000", 0), ("-0.120000", -120_000), ("-1.000001", -1_000_001)])
def test_zero_and_less_stay_as_read(printed: str, value: int) -> None:
    """A channel with nothing plugged in reads 0 W, noise may be negative: both are kept."""
    assert judged(printed) == (value, Quality.OK, "")


def test_local_stamps() -> None:
    """A stamp is read in the daemon's zone; an hour that the zone repeats or skips, and what is no time, has no answer."""
    assert stamp_ns("01-02-2024 03:04:05.006", UTC) == 1_704_164_645_006_000_000
    assert stamp_ns("01-02-2024 03:04:05.006", zone("America/Los_Angeles")) == 1_704_193_445_006_000_000
    assert stamp_ns("10-27-2024 02:30:00.000", zone("Europe/Berlin")) is None
    assert stamp_ns("03-31-2024 02:30:00.000", zone("Europe/Berlin")) is None
    assert stamp_ns("13-45-2024 02:30:00.000", UTC) is None
    assert stamp_ns("", UTC) is None


def test_uncertainty() -> None:
    """The largest and the number of unknown ones are read; an answer of another form tells none."""
    assert parse_uncertainty("Uncertainty,0.002457,0.002320,0.003377,733,0,733,0") == Uncertainty(Decimal("0.003377"), 0)
    assert parse_uncertainty("Uncertainty,-1.0,10000000.000000,0.000000,796,0,0,796") == Uncertainty(Decimal(0), 796)
    for line in ("Unknown command Uncertainty", "Uncertainty,0.35%", "Uncertainty,a,b,c,d,e,f,g"):
        assert parse_uncertainty(line) is None


def test_uncertainty_that_worsened() -> None:
    """A sample of unknown uncertainty is told, and one above 1 % and all before; what was told before is not told again."""
    good, bad, worse = (Uncertainty(Decimal(text)) for text in ("0.0030", "0.0106", "0.0145"))
    assert worsened(Uncertainty(), good) == worsened(bad, bad) == worsened(worse, bad) == ""
    assert worsened(good, bad) == "uncertainty 1.06 % is above 1.00 %"
    assert worsened(bad, worse) == "uncertainty 1.45 % is above 1.00 %"
    assert worsened(Uncertainty(unknown=3), Uncertainty(unknown=4)) == "uncertainty not known to PTDaemon"
    assert worsened(Uncertainty(unknown=4), Uncertainty(unknown=4)) == ""
