"""The card as text."""

from collections.abc import Callable

from joulemark.cards import card, text
from joulemark.cards.evidence import Evidence
from joulemark.pricing.snapshot import Snapshot


def test_says_value_uncertainty_meter_and_dated_prices(gather: Callable[..., Evidence]) -> None:
    """The block shows the figure with its uncertainty, the meter, and each cost with the date of its price."""
    shown = text.render(card.build(gather()))
    assert "250.0 +- 2.9 J per 1k output tokens" in shown
    assert "ipmi:node.1:BMC/7:power" in shown
    assert "0.0003333 USD per 1k output tokens at 24 USD/h" in shown
    assert "0.000008333 USD per 1k output tokens at 0.1 USD/kWh measured, PUE 1.2 assumed" in shown
    assert shown.count("read 2026-09-01") == 2
    assert "level not validated" in shown


def test_says_what_is_not_known(gather: Callable[..., Evidence]) -> None:
    """Without prices the cost lines give the reason, not a number."""
    shown = text.render(card.build(gather(prices=Snapshot())))
    assert "rent: not known: no price of aws p5.48xlarge us-east-1 linux on_demand" in shown
    assert "electricity: not known: no tariff is known" in shown
