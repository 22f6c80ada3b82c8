from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import ConfigError
from joulemark.meters.modbus_register import (
    FORMAT,
    CheckRegister,
    Encoding,
    Identity,
    IdentityRegister,
    MeterRegister,
    Unit,
    WordOrder,
    judged,
    marked,
    number,
)
from joulemark.readings import Quality, Quantity
from tests.standins.modbus_standin import text, words


def register(kind: Encoding = Encoding.FLOAT32, unit: Unit = Unit.W, **keys: Any) -> MeterRegister:
    return MeterRegister(address=0, channel="c", type=kind, unit=unit, **keys)


@pytest.mark.parametrize("kind", [kind for kind in FORMAT if kind is not Encoding.VERSION])
@given(data=st.data())
def test_every_number_comes_back_in_both_word_orders(kind: Encoding, data: st.DataObject) -> None:
    """What a device writes in registers is what is read, for every encoding, high or low word first."""
    size = struct.calcsize(FORMAT[kind])
    raw = data.draw(st.binary(min_size=size, max_size=size))
    (value,) = struct.unpack(FORMAT[kind], raw)
    run = [int.from_bytes(raw[i : i + 2], "big") for i in range(0, size, 2)]
    for order, given_words in ((WordOrder.BIG, run), (WordOrder.LITTLE, run[::-1])):
        read = number(register(kind, word_order=order), given_words)
        assert read == value or math.isnan(read)


@given(value=st.floats(width=32))
def test_no_pattern_of_a_float_becomes_a_number_it_is_not(value: float) -> None:
    """Any 32 bits give the value in whole milliwatts, or no value with a reason."""
    read, quality, reason = judged(register(), words("f", value))
    if math.isfinite(value) and abs(value) * 1000 < 2**63:
        assert read == round(Fraction(value) * 1000)
    else:
        assert read is None
        assert not quality.integrable
        assert reason


def test_the_wrong_word_order_of_a_known_reading() -> None:
    """893.8 W of an EM24, read with the high word first, would be 585 million counts: why open() tests the map."""
    right = words("i", 8938, order="little")
    assert number(register(Encoding.INT32, scale=0.1, word_order=WordOrder.LITTLE), right) == 8938
    assert number(register(Encoding.INT32, scale=0.1), right) == 585_760_768


@pytest.mark.parametrize(
    ("kind", "unit", "scale", "exponent", "step", "raw", "value"),
    [
        (Encoding.INT32, Unit.W, 0.1, -1, 1, 8938, 8938),
        (Encoding.INT16, Unit.KW, 0.01, 0, 10, -5, -50),
        (Encoding.INT32, Unit.KWH, 0.1, 0, 360_000, 50_000, 18_000_000_000),
        (Encoding.UINT32, Unit.WH, 1.0, 0, 3600, 7, 25_200),
        (Encoding.UINT64, Unit.MWH, 0.001, 0, 3_600_000, 2, 7_200_000),
        (Encoding.UINT16, Unit.W, 0.001, -3, 1, 5, 5),
        (Encoding.INT32, Unit.W, -1.0, 0, 1, 100, -100),
    ],
)
def test_integers_keep_their_counts(kind: Encoding, unit: Unit, scale: float, exponent: int, step: int, raw: int, value: int) -> None:
    """An integer register is taken exactly: its exponent is the coarsest that holds one count, and one count is its step."""
    one = register(kind, unit, scale=scale)
    assert (one.exponent, one.step([]), judged(one, words(FORMAT[kind][1], raw))) == (exponent, step, (value, Quality.OK, ""))


@pytest.mark.parametrize(("kwh", "step_j"), [(1234.5, 439), (50_000.0, 14_062), (1.0, 0.429), (0.0, 0.001)])
def test_the_step_of_a_float_counter_is_that_of_its_present_value(kwh: float, step_j: float) -> None:
    """A float32 counter of kWh moves by 439 J at 1.2 MWh and by 14 kJ at 50 MWh."""
    one = register(unit=Unit.KWH)
    assert one.exponent == -3
    assert one.step(words("f", kwh)) / 1000 == pytest.approx(step_j, rel=0.01)


def test_the_step_of_a_counter_without_a_value_is_the_finest() -> None:
    """A counter that has no value when it is opened states no step of its own."""
    assert register(unit=Unit.KWH).step(words("f", math.nan)) == 1


@pytest.mark.parametrize(
    ("keys", "run", "quality"),
    [
        ({}, [0x7FC0, 0], Quality.SENTINEL),
        ({}, [0x7F80, 0], Quality.OVER_RANGE),
        ({}, [0xFF80, 0], Quality.OVER_RANGE),
        ({"kind": Encoding.INT32, "over_range_from": 0x7FFF0000}, [0x7FFF, 0xFFFF], Quality.OVER_RANGE),
        ({"kind": Encoding.INT32, "over_range_from": 0x7FFF0000}, [0x7FFF, 0], Quality.OVER_RANGE),
        ({"kind": Encoding.INT16, "not_available": (0x8000,)}, [0x8000], Quality.SENTINEL),
        ({"kind": Encoding.UINT64, "unit": Unit.MWH}, [0xFFFF] * 4, Quality.SENTINEL),
    ],
)
def test_marks_of_a_missing_value_are_no_numbers(keys: dict[str, Any], run: list[int], quality: Quality) -> None:
    """NaN, infinity, an overflow, a maker's own mark and what 64 bits cannot hold are gaps that say which."""
    value, found, reason = judged(register(**keys), run)
    assert (value, found) == (None, quality)
    assert reason


def test_the_largest_reading_below_overflow_is_a_number() -> None:
    """The overflow of an EM24 begins at 7FFF0000h, and one count below it is read."""
    one = register(Encoding.INT32, over_range_from=0x7FFF0000)
    assert judged(one, [0x7FFE, 0xFFFF]) == (0x7FFEFFFF, Quality.OK, "")


def test_a_check_passes_over_what_the_device_cannot_tell() -> None:
    """NaN is no evidence against a map; a value outside the believable range is."""
    check = CheckRegister(address=0, type=Encoding.FLOAT32, name="voltage", low=85, high=300)
    assert marked(check, [0x7FC0, 0]) is not None
    assert check.believable([0x7FC0, 0])
    assert check.believable(words("f", 230.4))
    assert not check.believable(words("f", 230.4, order="little"))
    assert not check.believable(words("f", 0.0))


@pytest.mark.parametrize(
    ("kind", "run", "said"),
    [
        (Encoding.TEXT, text("BX0000000000A", 7), "BX0000000000A"),
        (Encoding.TEXT, text("A:1 \x01\t", 7), "A1"),
        (Encoding.TEXT, [0xFFFF] * 7, ""),
        (Encoding.TEXT, [0] * 7, ""),
        (Encoding.UINT32, words("I", 21_090_012), "21090012"),
        (Encoding.UINT32, [0, 0], ""),
        (Encoding.VERSION, [0x1803], "1.8.3"),
    ],
)
def test_identity_in_words(kind: Encoding, run: list[int], said: str) -> None:
    """A serial number is what is printed on the case, without what a meter id may not hold; a blank one is none."""
    count = len(run) if kind is Encoding.TEXT else 0
    assert IdentityRegister(address=0, type=kind, count=count, field=Identity.SERIAL).text(run) == said


@pytest.mark.parametrize(
    "keys",
    [
        {"address": 65_535},
        {"address": -1},
        {"function_code": 6},
        {"scale": 0.0},
        {"channel": "a:b"},
        {"channel": ""},
        {"type": Encoding.TEXT, "count": 2},
        {"type": Encoding.TEXT},
        {"type": Encoding.INT32, "scale": 1e-12},
    ],
)
def test_an_impossible_register_is_refused(keys: dict[str, Any]) -> None:
    """A register that cannot be read, or cannot be a meter, is an error of the map with a next step."""
    with pytest.raises(ConfigError) as raised:
        MeterRegister(**{"address": 0, "channel": "power", "type": Encoding.FLOAT32, "unit": Unit.W, **keys})
    assert raised.value.next_step


def test_units_tell_the_quantity() -> None:
    """Watts are power, watt-hours and joules count energy."""
    assert {unit.quantity for unit in (Unit.W, Unit.KW)} == {Quantity.POWER}
    assert {unit.quantity for unit in (Unit.J, Unit.WH, Unit.KWH, Unit.MWH)} == {Quantity.ENERGY_COUNTER}
