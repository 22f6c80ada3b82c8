"""The text of a projection: what is not known is said, never drawn."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from joulemark.cards.measured import Measured
from joulemark.cards.projection import Demand, projected
from joulemark.cli.projection_text import projection_text
from joulemark.pricing.amortise import Profile
from tests.kit import spoil
from tests.kit.lab import Lab

ONE = Measured.of(spoil.good("ES1"))
OWN = Profile(Decimal(320_000), "USD", years=Decimal(4), utilisation=Decimal("0.7"))


def test_a_year_in_lines() -> None:
    """Energy with its uncertainty, machines, what it costs to run and to buy, and payback with its interval."""
    text = projection_text(projected(ONE, ONE, Demand(Decimal(1_000_000), years=Decimal(3)), profiles=(None, OWN)))
    for words in ("91400 +- 1200 kWh (NODE_AC, server_input)", "6 rented", "9 owned", "to buy: 2880000 USD", "within 3"):
        assert words in text


def test_what_is_not_known_is_said() -> None:
    """Other boundaries, and an own machine in another currency: no energy saved, no running cost, no payback, each with its reason."""
    other = Measured.of(Lab.of("ES2", seed=3).evidence())
    text = projection_text(projected(ONE, other, Demand(Decimal(5), Decimal(100)), profiles=(None, replace(OWN, currency="EUR"))))
    for words in (
        "5 queries a day of 100 output tokens",
        "energy is not compared: boundary differs",
        "running costs are not compared",
        "no payback",
    ):
        assert words in text


def test_a_saving_within_its_uncertainty_is_called_so() -> None:
    """Two equal runs save nothing: neither energy nor money is told as a saving without that word."""
    lines = projection_text(projected(ONE, ONE, Demand(Decimal(1_000_000)))).splitlines()
    saved = [line for line in lines if line.startswith("B saves")]
    assert len(saved) == 2
    assert all(line.endswith(", which is within the uncertainty") for line in saved)
