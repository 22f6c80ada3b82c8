"""Costs of a run on its page: two bills, each with its price or its reason, in one drawing for each currency."""

from __future__ import annotations

import copy

from joulemark.cards.figures import Place
from joulemark.collector.web.money import bills, costs, steps
from tests.cards import pages
from tests.collector.web.reading import read


def headline() -> dict[str, object]:
    """A headline with a price and a tariff."""
    made: dict[str, object] = copy.deepcopy(dict(pages.full("ES1").headline))
    return made


def test_two_bills_with_their_prices() -> None:
    """Rent with its status and the time it was read, electricity with its zone."""
    rent, energy = bills(Place(headline()))
    assert (rent.name, rent.reason, rent.status) == ("Machine time", "", "manual")
    assert rent.read == "2026-10-20T00:00:00Z"
    assert energy.status == "measured, zone US-VA"


def test_one_currency_is_one_drawing() -> None:
    """Both bars share a scale; the title says that they are not added."""
    ((currency, drawing),) = costs(Place(headline()))
    assert currency == "USD"
    assert len(read(drawing).all("rect")) == 2
    assert "not added" in read(drawing).all("title")[0].text


def test_two_currencies_are_two_drawings() -> None:
    """Amounts in different money never share a scale."""
    made = headline()
    made["cost"]["energy"]["currency"] = "EUR"  # type: ignore[index]  # plain JSON
    assert [currency for currency, _ in costs(Place(made))] == ["USD", "EUR"]


def test_what_is_not_known_has_no_bar() -> None:
    """Without a tariff the rent stands alone; without either nothing is drawn, and both say why."""
    bare = Place(pages.bare().headline)
    assert costs(bare) == []
    assert all(one.reason and one.mend.startswith("joulemark cost RUN") for one in bills(bare))
    assert all(one.read is None for one in bills(bare))


def test_two_prices_in_one_run_are_two_parts() -> None:
    """Each stretch at its price, then the whole."""
    made = headline()
    half = {"amount": "2.9815", "price": 0, "begin_ns": 0, "end_ns": 1, "status": "manual"}
    made["cost"]["market"]["parts"] = [half, {**half, "price": 1}]  # type: ignore[index]  # plain JSON
    found = steps(bills(Place(made))[0])
    assert [one.whole for one in found] == [False, False, True]
    assert found[1].begin == found[0].end
