"""Money and carbon: each with what it rests on, or the reason why it is not known; never summed."""

from __future__ import annotations

import copy
from typing import Any

from joulemark.cards.figures import Place
from joulemark.cards.sections.money import emissions, money, rent
from tests.cards.pages import bare, full


def head() -> dict[str, Any]:
    return copy.deepcopy(dict(full("ES1").card["headline"]))


def test_prices_have_their_date_and_status() -> None:
    """Amount, unit, what was rented, since when, when it was read, and how the look-up ended."""
    text = money(Place(head()))
    assert all(word in text for word in ("USD/h, aws, p5.48xlarge", "2026-10-20T00:00:00Z", "<dd>manual</dd>", "https://example.com/list"))
    assert "PUE <data" in text
    assert "href" not in text


def test_a_stale_price_is_called_stale() -> None:
    """The status stands with the mark."""
    made = head()
    made["cost"]["market"] |= {"status": "stale", "stale": True}
    assert "<dd>stale, stale</dd>" in rent(Place(made)["cost"]["market"])


def test_a_missing_price_has_its_reason() -> None:
    """Rent, electricity and carbon of a run that does not say what it ran on."""
    made = bare().card["headline"]
    text = money(Place(made))
    for reason in (made["cost"]["market"]["reason"], made["cost"]["energy"]["reason"], made["carbon"]["reason"]):
        assert reason
        assert reason in text
    assert "<data" not in text


def test_several_tariffs_stand_in_their_order() -> None:
    """Where the price of energy changed, each tariff has its line."""
    made = head()
    one = made["cost"]["energy"]["tariff"]
    made["cost"]["energy"] |= {"tariff": None, "tariffs": [one, {**one, "amount": "0.2"}], "note": "two tariffs", "pue_applied": False}
    text = money(Place(made))
    assert text.count("<dt>tariff</dt>") == 2
    assert "not applied: not measured at the wall" in text
    assert "two tariffs" in text


def test_carbon_says_its_kind() -> None:
    """Average or marginal, estimated or final, and of which zone."""
    zone = {"zone": "DE"}
    found = {
        "reason": "",
        "intensities": [zone, zone],
        "kind": "average",
        "estimated": True,
        "g_per_1k_output_tokens": "0.12345",
        "g_co2e": None,
    }
    text = emissions(Place(found))
    assert "average, estimated, DE" in text
    assert ">0.1234</data>\u00a0g CO2e" in text
