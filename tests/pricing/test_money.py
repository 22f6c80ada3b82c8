"""Money: exact decimals, whoever wrote them."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import FormatError
from joulemark.pricing import money


def test_stored_quotients_end() -> None:
    """A quotient that never ends is stored with 18 significant digits, without exponent."""
    assert money.stored(Decimal(1) / Decimal(3) / 10000) == "0.0000333333333333333333"
    assert money.text(Decimal("1E+3")) == "1000"


def test_a_float_is_its_shortest_text() -> None:
    """0.1 enters as a tenth and not with its binary tail, and 1e22 as a whole number."""
    assert (money.decimal(0.1), money.decimal(1e22)) == (Decimal("0.1"), Decimal(10**22))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_comes_back(value: float) -> None:
    """A measured number goes in as text and comes out the same double."""
    assert float(money.decimal(value)) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "NaN", "Infinity", "", "1,5", "5 USD"])
def test_what_is_no_number_is_refused(value: float | str) -> None:
    """NaN, infinity, a truth value, a decimal comma and an amount with its currency raise ValueError."""
    with pytest.raises(ValueError, match="is not a"):
        money.decimal(value)


@pytest.mark.parametrize("value", [55.04, True, None, [1], "1_0 USD", "-0.01", Decimal(-1), Decimal("NaN")])
def test_amounts_of_a_file_are_text(value: object) -> None:
    """A float, a truth value, nothing, a list, text around the number and a negative amount are refused with the field's name."""
    with pytest.raises(FormatError, match="amount of x"):
        money.amount(value, "amount of x")


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=12))
def test_equal_amounts_are_equal_text(value: Decimal) -> None:
    """Trailing zeros and a negative zero leave no trace, there is never an exponent, and the text is the same amount again."""
    text = money.text(value)
    assert text == money.text(value * Decimal("1.000"))
    assert "E" not in text
    assert text != "-0"
    assert Decimal(text) == value


def test_stored_rounds_half_to_even() -> None:
    """At the 18th digit a half goes to the even neighbour, so that sums of many costs do not drift upwards."""
    assert money.stored(Decimal("1.000000000000000005")) == "1"
    assert money.stored(Decimal("1.000000000000000015")) == "1.00000000000000002"


def test_what_is_no_number_is_shown_as_it_was_written() -> None:
    """`nan` of a TOML file is named so in the message, not as an object of this program."""
    with pytest.raises(FormatError, match=r"^price: 'NaN' is not a finite number"):
        money.amount(Decimal("NaN"), "price")
