from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import ConfigError, MeterTransient
from joulemark.meters.exec_output import UNITS, Place, judged, pointed, step_of
from joulemark.readings import Quality, Quantity


@pytest.mark.parametrize(
    ("unit", "quantity", "printed", "si"),
    [
        ("W", Quantity.POWER, "512.5", "512.5"),
        ("mW", Quantity.POWER, "512500", "512.5"),
        ("kW", Quantity.POWER, "0.5125", "512.5"),
        ("J", Quantity.ENERGY_COUNTER, "1.5", "1.5"),
        ("mJ", Quantity.ENERGY_COUNTER, "1500", "1.5"),
        ("kJ", Quantity.ENERGY_COUNTER, "1.5", "1500"),
        ("Wh", Quantity.ENERGY_COUNTER, "0.001", "3.6"),
        ("kWh", Quantity.ENERGY_COUNTER, "12345.1", "44442360000"),
    ],
)
def test_units(unit: str, quantity: Quantity, printed: str, si: str) -> None:
    """Each unit comes to watts or joules by its factor, exactly, and says which of the two it is."""
    value, quality, reason = judged(printed, UNITS[unit], zero_is_gap=True)
    assert UNITS[unit].quantity is quantity
    assert value is not None
    assert Decimal(value).scaleb(UNITS[unit].exponent) == Decimal(si)
    assert (quality, reason) == (Quality.OK, "")


@pytest.mark.parametrize("printed", ["", "N/A", "68,5", "1_000", "12 W", "0x10", "\u0661", "--5", "1e999"])
def test_what_is_no_number(printed: str) -> None:
    """Text that is no plain number is a gap that shows it."""
    value, quality, reason = judged(printed, UNITS["W"], zero_is_gap=True)
    assert (value, quality) == (None, Quality.GAP)
    assert repr(printed) in reason


@pytest.mark.parametrize("printed", ["nan", "-NaN", "inf", "1e90"])
def test_numbers_that_no_meter_means(printed: str) -> None:
    """NaN, infinity and what does not fit 64 bits are sentinels."""
    assert judged(printed, UNITS["W"], zero_is_gap=True)[:2] == (None, Quality.SENTINEL)


def test_zero() -> None:
    """0 W is a failed reading unless an outlet may really have none; a counter begins at 0 and never is below."""
    assert judged("0.0", UNITS["W"], zero_is_gap=True)[:2] == (None, Quality.SENTINEL)
    assert judged("0.0", UNITS["W"], zero_is_gap=False) == (0, Quality.OK, "")
    assert judged("0", UNITS["J"], zero_is_gap=True) == (0, Quality.OK, "")
    assert judged("-5", UNITS["J"], zero_is_gap=True)[:2] == (None, Quality.SENTINEL)
    assert judged("-5", UNITS["W"], zero_is_gap=True) == (-5_000_000, Quality.OK, "")


@given(st.text(max_size=30), st.sampled_from(sorted(UNITS)))
def test_any_text_is_a_value_or_a_reason(printed: str, unit: str) -> None:
    """Whatever stands where the value should, it comes to a whole number of 64 bits, or to none with a reason."""
    value, quality, reason = judged(printed, UNITS[unit], zero_is_gap=True)
    assert (value is None) == bool(reason) == (not quality.integrable)
    assert value is None or abs(value) < 2**63
    assert step_of(printed, UNITS[unit], resolution=0.0) >= 1


def test_steps() -> None:
    """The last printed digit, or the resolution that is stated, is the step: 0.1 kWh are 360 kJ."""
    assert step_of("12345.1", UNITS["kWh"], resolution=0.0) == 360_000_000
    assert step_of("12345.1", UNITS["kWh"], resolution=0.5) == 1_800_000_000
    assert step_of("68.0", UNITS["W"], resolution=0.0) == 100_000
    assert step_of("512", UNITS["W"], resolution=0.0) == 1_000_000
    assert step_of("N/A", UNITS["W"], resolution=0.0) == 1


def test_one_value() -> None:
    """A pattern with one group finds its one value, on any line; the named group wins over others."""
    assert Place.of(r"^Power:\s+(\S+)", "").values("a\nPower:  68.0\n") == {"": "68.0"}
    assert Place.of(r"(in|out) (?P<value>\d+)", "").values("in 5") == {"": "5"}


def test_a_device_for_each_id() -> None:
    """With a group for the id each match is a device, wherever the group stands."""
    text = "card 0: 212.25 W\ncard 1: N/A W\n"
    assert Place.of(r"card (?P<id>\d): (\S+) W", "").values(text) == {"0": "212.25", "1": "N/A"}
    assert Place.of(r"(\d+) W of (?P<id>\w+)", "").values("5 W of a, 6 W of b") == {"a": "5", "b": "6"}


@pytest.mark.parametrize(
    ("pattern", "text", "said"),
    [
        (r"Power: (\d+)", "Temperature: 5", "finds nothing"),
        (r"Power: (\d+)", "", "finds nothing"),
        (r"Power: (\d+)", "Power: 5\nPower: 6", "more than once"),
        (r"(?P<id>\d): (\d+)", "1: 5\n1: 6", "twice for '1'"),
    ],
)
def test_no_value_or_more_than_one(pattern: str, text: str, said: str) -> None:
    """Nothing found, and values that nothing tells apart, are errors: none of them is chosen."""
    with pytest.raises(MeterTransient, match=said):
        Place.of(pattern, "").values(text)


@pytest.mark.parametrize(
    ("pattern", "pointer", "said"),
    [
        ("", "", "either pattern or json_pointer"),
        ("(a)", "/a", "either pattern or json_pointer"),
        ("", "a/b", "begin with"),
        ("(", "", "no regular expression"),
        ("a", "", "which group"),
        ("(a)(b)", "", "which group"),
        ("(?P<id>a)", "", "which group"),
    ],
)
def test_a_place_that_is_none(pattern: str, pointer: str, said: str) -> None:
    """A pattern or a pointer that cannot tell the value is an error of the configuration, with what to write."""
    with pytest.raises(ConfigError, match=said) as raised:
        Place.of(pattern, pointer)
    assert raised.value.next_step


def test_json() -> None:
    """A pointer goes through objects and lists to a number, which is kept as it is written, or to text."""
    text = '{"a/b": [{"w~": 0.1000000000000000055}, {"w": "68.5"}], "n": 7}'
    assert pointed(text, "/a~1b/0/w~0") == "0.1000000000000000055"
    assert pointed(text, "/a~1b/1/w") == "68.5"
    assert Place.of("", "/n").values(text) == {"": "7"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ('{"b": 1}', "no /a"),
        ('{"a": true}', "no number"),
        ('{"a": null}', "no number"),
    ],
)
def test_json_without_the_value(text: str, said: str) -> None:
    """What is no JSON, has not the place, or has no number there is an error that says so."""
    with pytest.raises(MeterTransient, match=said):
        pointed(text, "/a")
