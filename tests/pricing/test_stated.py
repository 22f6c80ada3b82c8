"""A price in one word: never without its currency and unit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from joulemark.errors import UsageError
from joulemark.pricing import stated
from joulemark.pricing.price import PriceModel, Unit
from joulemark.pricing.tariffs import Basis

AT = {"valid_from_ns": 10**18, "read_ns": 2 * 10**18}


def test_a_price_in_a_word() -> None:
    """The amount enters as it is written, for what the labels name, with its dates and a note of where it is from."""
    labels = {"provider": "aws", "region": "us-east-1", "instance_type": "p5", "price_model": "spot"}
    found = stated.price("55.0400000001USD/h", labels=labels, gpu_count=8, **AT)
    assert (found.amount, found.currency, found.unit) == (Decimal("55.0400000001"), "USD", Unit.INSTANCE_HOUR)
    assert (found.provider, found.price_model, found.source_url) == ("aws", PriceModel.SPOT, "command line")
    assert (found.effective_from_ns, found.fetched_at_ns, found.gpu_count) == (10**18, 2 * 10**18, None)
    each = stated.price("6.88 USD/GPU-h", labels={}, gpu_count=8, **AT)
    assert (each.per_instance_hour(), each.provider) == (Decimal("55.04"), "unnamed")


def test_a_tariff_in_a_word() -> None:
    """A stated tariff is assumed, not measured, and may be below zero."""
    found = stated.tariff("-0.01EUR/kWh", zone="here", **AT)
    assert (found.amount, found.currency, found.amount_basis, found.zone) == (Decimal("-0.01"), "EUR", Basis.ASSUMED, "here")


@pytest.mark.parametrize("word", ["55.04", "55.04USD", "55.04/h", "55.04USD/month", "55.04usd/h", "0.12USD/kWh", "1e3USD/h", "5 5USD/h"])
def test_nothing_is_taken_for_an_hour_or_a_dollar(word: str) -> None:
    """A price without currency or unit, per month, or of electricity is refused with an example."""
    with pytest.raises(UsageError, match=r"55\.04USD/h"):
        stated.price(word, labels={}, **AT)


def test_files_are_told_from_amounts() -> None:
    """What begins as a number with a unit is an amount, also a wrong one; names of files are not."""
    assert all(stated.is_amount(word) for word in ("55.04USD/h", "55.04", "1USD/month", "-1EUR/kWh"))
    assert not any(stated.is_amount(word) for word in ("prices.toml", "2026.toml", "./55", "98-prices.json"))


@pytest.mark.parametrize("word", ["-5USD/h", "99999999999999999999USD/h"])
def test_an_amount_that_no_machine_costs_is_refused(word: str) -> None:
    """Below zero, or beyond belief: the message shows how a price is written, and speaks of no file, since none was given."""
    with pytest.raises(UsageError, match=r"55\.04USD/h") as told:
        stated.price(word, labels={}, **AT)
    assert "file" not in str(told.value)
