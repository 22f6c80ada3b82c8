"""The texts of costs: rounded to the uncertainty, each cost with its price, or why it is not known."""

from __future__ import annotations

from dataclasses import replace

from joulemark.cards.reprice import Asked, Terms, amount_of, priced_again
from joulemark.cli.cost_text import cost_text, rounded, shown
from joulemark.pricing.money import decimal
from joulemark.pricing.snapshot import Snapshot
from joulemark.units import NS_PER_S
from tests.kit import spoil
from tests.kit.lab import prices


def test_amounts_have_two_digits_of_their_uncertainty() -> None:
    """0.0158928 known to 1 % is 0.01589 +- 0.00032; unknown or exact ones have four digits."""
    assert shown(amount_of(decimal("0.0158928158"), 0.01), "USD") == "0.01589 +- 0.00032 USD"
    assert shown(amount_of(decimal("0.0158928158"), None), "USD") == "0.01589 USD"
    assert shown(amount_of(decimal("0.0158928158"), 0.0), "USD") == "0.01589 USD"
    assert rounded("0.0000000123456") == "0.00000001235"


def test_each_cost_has_its_price_or_its_reason() -> None:
    """Rent with price, status, age and source; electricity with tariff and PUE; without prices the reason in place of each."""
    known = {**priced_again(spoil.good("ES1"), prices(), Asked(), Terms()), "prices_from": ["bundle"]}
    lines = cost_text(known).splitlines()
    assert "  manual: 55.04 USD/h (aws p5.48xlarge us-east-1 on_demand), read 2026-10-20, 13.4 days old" in lines
    assert "  0.0871 USD/kWh measured (US-VA), PUE 1.2 assumed" in lines
    assert not any("cache" in line for line in lines)
    bare = {**priced_again(spoil.good("ES1"), Snapshot(), Asked(), Terms()), "prices_from": ["bundle"]}
    assert sum(line.startswith("  not known: ") for line in cost_text(bare).splitlines()) == 2


def test_a_price_that_was_read_after_the_run_has_no_negative_age() -> None:
    """Two days after the begin of the run it is told as such; nothing is -2 days old."""
    begin_ns = spoil.good("ES1").run.measured[0].begin_ns
    found = prices()
    later = replace(found, prices=tuple(replace(one, fetched_at_ns=begin_ns + 2 * 86_400 * NS_PER_S) for one in found.prices))
    text = cost_text({**priced_again(spoil.good("ES1"), later, Asked(), Terms()), "prices_from": ["given"]})
    assert ", 2.0 days after the begin of the run\n" in text
    assert "days old" not in text
