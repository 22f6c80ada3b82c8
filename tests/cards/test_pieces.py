"""A price that changed within a run is charged piece by piece, never by its first value alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from joulemark.cards.measured import Measured, at_prices
from joulemark.cards.pieces import rent_of
from joulemark.cards.reprice import Asked, Terms, priced_again
from joulemark.pricing.price import Price, Unit
from joulemark.pricing.snapshot import Snapshot
from tests.kit import spoil
from tests.kit.lab import prices

EVIDENCE = spoil.good("ES1")
SECOND = EVIDENCE.run.measured[1]
OWN = prices().prices[0]
MIDDLE_NS = (SECOND.begin_ns + SECOND.end_ns) // 2


def changed(**fields: Any) -> Snapshot:
    """The kit's price, and another from the middle of the second repetition on."""
    later: Price = replace(OWN, effective_from_ns=MIDDLE_NS, **{"amount": Decimal("26.00"), **fields})
    return Snapshot((replace(OWN, amount=Decimal("24.50")), later), prices().tariffs)


def test_each_stretch_at_its_price() -> None:
    """Half of the phases at 24.50, half at 26.00: 195 s of each, not 390 s at the price of the beginning (V18)."""
    found = priced_again(EVIDENCE, changed(), Asked(), Terms())["market"]
    wanted = (Decimal("24.50") + Decimal("26.00")) * 195 / 3600
    assert Decimal(found["amount"]) == pytest.approx(wanted, rel=Decimal("1e-15"))
    assert [piece["price"]["amount"] for piece in found["pieces"]] == ["24.5", "24.5", "26", "26"]
    assert found["price"]["amount"] == "24.5"
    assert sum(piece["end_ns"] - piece["begin_ns"] for piece in found["pieces"]) == 390 * 10**9


def test_a_price_that_stays_has_no_pieces() -> None:
    """One price, and a list read again with the same amount, leave the rent of the card."""
    run = Measured.of(EVIDENCE)
    assert rent_of(run, prices()).pieces == ()
    assert rent_of(run, Snapshot((OWN, replace(OWN, effective_from_ns=MIDDLE_NS)))).pieces == ()
    assert rent_of(Measured.of(at_prices(EVIDENCE, Snapshot(), labels={})), Snapshot()).pieces == ()


def test_what_was_not_known_yet_changes_nothing() -> None:
    """A change that was read later than --known-at does not count."""
    late = changed(fetched_at_ns=OWN.fetched_at_ns + 10**18)
    run = Measured.of(EVIDENCE)
    assert rent_of(run, late, known_at_ns=OWN.fetched_at_ns).pieces == ()
    assert len(rent_of(run, late).pieces) == 4


def test_pieces_that_do_not_add_up_are_null() -> None:
    """Another currency in the middle, or a price per GPU of an unknown count, leaves no amount, with the reason."""
    for fields, says in (({"currency": "EUR"}, "not summed"), ({"unit": Unit.GPU_HOUR}, "gpu_count is not given")):
        found = priced_again(EVIDENCE, changed(**fields), Asked(), Terms())["market"]
        assert (found["amount"], says in found["reason"], len(found["pieces"])) == (None, True, 4)
