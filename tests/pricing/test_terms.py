"""Terms of a rent: months with a name, reservations, and price lists that are not linear."""

from __future__ import annotations

from decimal import Decimal

import pytest

from joulemark.pricing import terms
from joulemark.pricing.money import CONTEXT
from joulemark.pricing.terms import Period
from tests.pricing.records import price


def test_months_have_the_hours_in_their_name() -> None:
    """2 USD/h and 100 GB at 0.15 per month of 720 h, 375 GB at 0.08 per month of 730 h, are what the two providers bill."""
    disk = terms.per_hour(Decimal(100) * Decimal("0.15"), Period.MONTH_720)
    assert f"{CONTEXT.add(Decimal(2), disk):.6f}" == "2.020833"
    assert f"{terms.per_hour(Decimal(375) * Decimal('0.08'), Period.MONTH_730):.9f}" == "0.041095890"
    assert [period.hours for period in Period] == [1, 720, 730, 8760]


def test_an_hour_is_never_divided_by_a_month() -> None:
    """0.95 per hour stays 0.95 and does not become 0.001301; there is no month without a length that could be meant."""
    assert terms.per_hour(Decimal("0.95"), Period.HOUR) == Decimal("0.95")
    assert "month" not in list(Period)


def test_reservations_spread_what_was_paid_at_the_beginning() -> None:
    """100000 and 10 per hour for a year are 21.415525 per hour; over no time there is no price."""
    assert f"{terms.reserved_per_hour(Decimal(10), upfront=Decimal(100_000), years=1):.6f}" == "21.415525"
    assert f"{terms.reserved_per_hour(Decimal(0), upfront=Decimal(803), years=3):.9f}" == "0.030555556"
    with pytest.raises(ValueError, match="no term"):
        terms.reserved_per_hour(Decimal(10), upfront=Decimal(1), years=0)


def test_lists_that_are_not_linear_are_seen() -> None:
    """8.38 for two GPUs is not twice 4.29; where sizes are in proportion, or the unit is the GPU, they are; one size tells nothing."""
    one, two = price(amount="4.29", gpu_count=1, gpu_model="H100"), price(amount="8.38", gpu_count=2, gpu_model="H100")
    assert terms.is_linear([one, two]) is False
    assert terms.is_linear([one, price(amount="8.58", gpu_count=2)]) is True
    assert terms.is_linear([price(amount="4.29", unit="GPU-h", gpu_count=8)]) is True
    assert terms.is_linear([one]) is None
    assert terms.is_linear([price()]) is None


def test_only_the_same_machine_in_other_sizes_is_compared() -> None:
    """Sizes are of one GPU, place and list; another region, another read, or a price that names no GPU is none of them."""
    one = price(amount="4.29", gpu_count=1, gpu_model="H100", instance_type="gpu_1x")
    two = price(amount="8.38", gpu_count=2, gpu_model="H100", instance_type="gpu_2x")
    strangers = [price(amount="5", gpu_count=2, gpu_model="H100", **other) for other in ({"region": "x"}, {"fetched_at": "2024-03-01"})]
    assert terms.sizes_of(one, [one, two, *strangers]) == (one, two)
    assert terms.sizes_of(price(), [price()]) == ()
