"""Known answers of analysers, and everything that is no number."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import MeterTransient
from joulemark.meters.scpi_answers import bare, judged, number, parse_answer, peak_over, running, step_of, switched_on
from joulemark.readings import Quality

UW = -6
MJ = -3
WH = 3600


@pytest.mark.parametrize(
    ("text", "microwatts"),
    [
        ("512.34E+00", 512_340_000),
        ("1.2345E+03", 1_234_500_000),
        ("+110.14E+0", 110_140_000),
        ("-2.5", -2_500_000),
        ("0.0000E+00", 0),
        (".5", 500_000),
        (":NUMERIC:NORMAL:VALUE 17.688", 17_688_000),
        ("P +000.00E+0", 0),
    ],
)
def test_numbers_in_the_forms_of_the_makers(text: str, microwatts: int) -> None:
    """Every printed form of a number, with and without its header, is that number exactly."""
    assert judged(text, UW) == (microwatts, Quality.OK, "")


@pytest.mark.parametrize("text", ["NAN", "nan", "9.91E+37", "9.9100E37", "----", "------", ""])
def test_no_data_is_a_gap(text: str) -> None:
    """What stands for a missing value is a gap with a reason, and never a number."""
    assert judged(text, UW) == (None, Quality.GAP, "the instrument has no data")


@pytest.mark.parametrize("text", ["INF", "+INF", "-INF", "9.9E+37", "-9.9E+37", "+9999.9E+99", "--OL-", "--OF-", "9.92E+37"])
def test_infinity_is_over_range(text: str) -> None:
    """What stands for a value beyond the range is over-range, and never a number."""
    value, quality, reason = judged(text, UW)
    assert (value, quality, reason) == (None, Quality.OVER_RANGE, "over range")


@pytest.mark.parametrize("text", ["512,34", "0x10", "1_000", "ERROR", "1E+9999", "512.34.1", "\uff11\uff12", "1e"])
def test_garbage_is_a_gap_that_shows_it(text: str) -> None:
    """An answer that is no number is a gap, and the reason shows the answer."""
    value, quality, reason = judged(text, UW)
    assert (value, quality) == (None, Quality.GAP)
    assert text in reason


@given(st.text(max_size=40))
def test_no_answer_breaks_the_parser(text: str) -> None:
    """Whatever is answered, the verdict is an int that is good, or None with a reason."""
    value, quality, reason = judged(text, UW)
    assert (quality is Quality.OK) == (value is not None) == (reason == "")


@given(st.decimals(min_value=-(10**7), max_value=10**7, places=4))
def test_a_printed_number_comes_back(value: Decimal) -> None:
    """A power of up to 10 MW printed with four decimals keeps every digit."""
    assert judged(f"{value}", UW)[0] == int(value * 10**6)


def test_watt_hours_are_joules() -> None:
    """1.23456 Wh are 4444.416 J, and the last printed digit is the step of the counter."""
    assert judged("1.23456E+00", MJ, factor=WH) == (4_444_416, Quality.OK, "")
    assert step_of("1.23456E+00", MJ, factor=WH) == 36
    assert step_of("1.23456E+03", MJ, factor=WH) == 36_000
    assert step_of("0.000001", MJ, factor=WH) == 4
    assert step_of("0.0000001", MJ, factor=WH) == 1
    assert step_of("NAN", MJ, factor=WH) == 1


def test_answer_of_one_message() -> None:
    """The answers to the questions of one message are told apart, with commas or semicolons between the values."""
    yokogawa = parse_answer("1.000E+00,2.0E+00;300.0E+00;1", value_count=2, setting_count=2, separator=",")
    assert (yokogawa.values, yokogawa.settings) == (("1.000E+00", "2.0E+00"), ("300.0E+00", "1"))
    hioki = parse_answer("P +1.0E+0;WP +2.0E+0;300;START", value_count=2, setting_count=2, separator=";")
    assert (hioki.values, hioki.settings) == (("+1.0E+0", "+2.0E+0"), ("300", "START"))
    external = parse_answer("1.0;300.0;EXTERNAL,2.0E+00", value_count=1, setting_count=2, separator=",")
    assert external.settings == ("300.0", "EXTERNAL,2.0E+00")


@pytest.mark.parametrize("text", ["1.0", "1.0,2.0", "1.0,2.0;300", "1.0,2.0,3.0;300;20", "1.0;2.0;300;20", "1.0,2.0;300;20;0", ""])
def test_answer_of_another_shape(text: str) -> None:
    """An answer with more or fewer parts than were asked for is refused, with what to look for."""
    with pytest.raises(MeterTransient, match="instead of 2 and 2") as raised:
        parse_answer(text, value_count=2, setting_count=2, separator=",")
    assert "no other program" in raised.value.next_step


def test_settings() -> None:
    """Ranges, switches, crest factors and states are read in the short and the long form, with and without header."""
    assert number("300.0E+00") == 300.0
    assert number(":INPUT:VOLTAGE:RANGE 60.0E+00") == 60.0
    assert number("A6") == 6.0
    assert [number(text) for text in ("EXTERNAL,2.0E+00", "AUTO", "", "INF", "0", "-1", "9.91E+37")] == [None] * 7
    assert [switched_on(text) for text in ("1", "ON", ":HOLD 1", "0", "OFF")] == [True, True, True, False, False]
    with pytest.raises(MeterTransient, match="'MAYBE'"):
        switched_on("MAYBE")
    assert [running(text) for text in ("STAR", "START", ":INTEG:STAT STARt")] == [True] * 3
    assert [running(text) for text in ("STOP", "RES", "TIM", "ERR", "READY", "")] == [False] * 6
    assert bare(" :HEAD   12 ") == "12"


def test_peak_over_range_by_element() -> None:
    """Bits 0 and 1 are voltage and current of element 1, bits 2 and 3 of element 2, bits 4 and 5 of element 3."""
    over = {bits: [element for element in (1, 2, 3) if peak_over(str(bits), element)] for bits in (0, 1, 2, 4, 8, 16, 32, 63)}
    assert over == {0: [], 1: [1], 2: [1], 4: [2], 8: [2], 16: [3], 32: [3], 63: [1, 2, 3]}
    assert not peak_over("NAN", 1)
