"""Tariffs: what was measured and what was assumed, one unit, one id."""

from __future__ import annotations

from decimal import Decimal

import pytest

from joulemark.errors import ConfigError, FormatError
from joulemark.pricing.tariffs import Tariff
from tests.pricing.records import tariff


def test_tariff_says_what_was_assumed() -> None:
    """Tariff and PUE are labelled apart, and PUE is assumed unless said otherwise."""
    assert (tariff().to_json()["amount_basis"], tariff().to_json()["pue_basis"]) == ("measured", "assumed")
    with pytest.raises(FormatError, match="below 1"):
        tariff(pue="0.9")
    with pytest.raises(FormatError, match="not kWh"):
        tariff(unit="MWh")


def test_a_building_unknown_is_one_and_assumed() -> None:
    """Without a PUE the tariff says 1 and assumed: energy is not multiplied by a guess, and the card can say so."""
    data = tariff().to_json()
    del data["pue"], data["pue_basis"]
    known = Tariff.from_json(data).to_json()
    assert (known["pue"], known["pue_basis"]) == ("1", "assumed")


def test_a_changed_record_no_longer_fits_its_hash() -> None:
    """The hash covers amount and PUE, in whatever way they are written, and leaves out when they were read."""
    whole = tariff().record()
    assert Tariff.from_json({**whole, "amount": "0.1200", "fetched_at": "2026-01-01"}).point_id == whole["sha256"]
    for change in ({"amount": "0.13"}, {"pue": "1.21"}, {"zone": "other"}):
        with pytest.raises(FormatError, match="sha256 does not match"):
            Tariff.from_json({**whole, **change})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"amount": 0.12}, FormatError, "not an amount"),
        ({"amount": None}, FormatError, "amount missing"),
        ({"currency": "EURO"}, FormatError, "ISO 4217"),
        ({"amount_basis": "guessed"}, ConfigError, "amount_basis = 'guessed' is not known"),
        ({"ammount": "0.12"}, ConfigError, "did you mean 'amount'"),
    ],
)
def test_wrong_values_are_named(change: dict[str, object], error: type[Exception], message: str) -> None:
    """A float, a missing amount, a currency by name, an unknown basis and a misspelt key are each refused with their name."""
    with pytest.raises(error, match=message):
        tariff(**change)


def test_free_electricity_is_a_tariff() -> None:
    """An amount of 0 is a tariff like any other, and so is a negative one, as day-ahead markets know."""
    assert tariff(amount="0").amount == Decimal(0)
    assert tariff(amount="-0.01").amount == Decimal("-0.01")
