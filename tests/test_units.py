"""Integers at a decimal exponent and SI values."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.units import J_PER_KWH, J_PER_WH, SI_PREFIX, scaled, si


@pytest.mark.parametrize(
    ("value_si", "exponent", "integer"),
    [(700.123, -3, 700_123), (0.0, -3, 0), (1.5, 0, 2), (2.5, 0, 2), (4_200.0, 2, 42), (-3.2, -1, -32), (1e-6, -6, 1)],
)
def test_scaled_rounds_half_to_even(value_si: float, exponent: int, integer: int) -> None:
    """A value becomes the nearest integer at its exponent, ties to the even one."""
    assert scaled(value_si, exponent) == integer


def test_decimal_is_scaled_without_going_through_binary() -> None:
    """A decimal value far beyond the 53 bits of a float keeps every digit."""
    assert scaled(Decimal("123456789012345678.901"), -3) == 123456789012345678901


@pytest.mark.parametrize("missing", [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("Infinity")])
def test_a_missing_value_is_no_number(missing: float | Decimal) -> None:
    """NaN and infinity are refused: they would become numbers in place of a gap."""
    with pytest.raises(ValueError, match="not a finite value"):
        scaled(missing, -3)


@given(st.integers(-(2**50), 2**50), st.sampled_from(sorted(SI_PREFIX)))
def test_integer_survives_si_and_back(value: int, exponent: int) -> None:
    """Every integer within 50 bits comes back from its SI value at every named exponent."""
    assert scaled(si(value, exponent), exponent) == value


def test_si_of_negative_exponents_is_correctly_rounded() -> None:
    """700123 mW are exactly the float 700.123: dividing by 1000 rounds once, multiplying by 0.001 would round twice."""
    assert si(700_123, -3) == 700.123
    assert si(42, 2) == 4200.0


def test_hour_constants() -> None:
    """A kilowatt-hour is 3.6 MJ and a thousand watt-hours."""
    assert J_PER_KWH == 1000 * J_PER_WH == 3_600_000
