"""Exchange rates: records with their dates, and the one in force between two currencies."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from joulemark.errors import FormatError, JoulemarkError
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import Price, Tax, Unit
from joulemark.pricing.rates import Rate
from joulemark.pricing.snapshot import Snapshot

ENTRY: dict[str, Any] = {
    "base": "EUR",
    "quote": "USD",
    "rate": "1.0823",
    "effective_from": "2026-10-01",
    "fetched_at": "2026-10-02T09:00:00Z",
    "source_url": "https://example.com/reference-rates",
}


def test_a_rate_comes_back_from_its_record() -> None:
    """What a rate writes it reads again, hash included; the hash does not hang on when it was read."""
    rate = Rate.from_json(ENTRY)
    assert Rate.from_json(rate.record()) == rate
    assert replace(rate, fetched_at_ns=0).point_id == rate.point_id != replace(rate, rate=Decimal("1.09")).point_id


@pytest.mark.parametrize(
    "change", [{"rate": "0"}, {"rate": "-1"}, {"rate": 1.08}, {"base": "USD"}, {"base": "eur"}, {"pair": "x"}, {"sha256": "00" * 32}]
)
def test_a_wrong_rate_is_refused(change: dict[str, Any]) -> None:
    """No rate of 0, of one currency to itself, as floating point, with an unknown key or another hash gets in."""
    with pytest.raises(JoulemarkError):
        Rate.from_json({**ENTRY, **change})
    for key in ENTRY:
        with pytest.raises(FormatError, match=f"{key} missing"):
            Rate.from_json({k: v for k, v in ENTRY.items() if k != key})


def test_the_last_rate_in_force_serves_both_ways() -> None:
    """Of the rates of a pair the one that began last before the moment counts, in whichever direction it is quoted; others never."""
    first = Rate.from_json(ENTRY)
    second = replace(first, rate=Decimal("1.1"), effective_from_ns=moment_ns("2026-11-01", "test"))
    snapshot = Snapshot.from_json(Snapshot(rates=(first, second, first)).to_json())
    assert len(snapshot.rates) == 2
    october, november = moment_ns("2026-10-15", "test"), moment_ns("2026-11-02", "test")
    assert snapshot.rate_at(october, between=("USD", "EUR")) == first
    assert snapshot.rate_at(november, between=("EUR", "USD")) == second
    assert snapshot.rate_at(november, between=("EUR", "CHF")) is None
    assert snapshot.rate_at(moment_ns("2026-09-30", "test"), between=("EUR", "USD")) is None
    assert Snapshot().joined(snapshot) == snapshot
    assert snapshot.snapshot_id != Snapshot().snapshot_id


@pytest.mark.parametrize(("duration_s", "billed_s"), [("59.2", "120"), ("120.0", "120"), ("120.001", "180"), ("180", "180")])
def test_what_a_bill_counts(duration_s: str, billed_s: str) -> None:
    """Started steps are billed whole, and never less than the minimum; of unknown steps nothing is said."""
    dates = {"effective_from_ns": 0, "fetched_at_ns": 0}
    price = Price("p", "r", "i", Decimal(1), "USD", Unit.INSTANCE_HOUR, source_url="u", **dates)
    stepped = replace(price, billing_step_s=60, billing_minimum_s=120, tax=Tax.INCLUDED)
    assert stepped.billed_s(Decimal(duration_s)) == Decimal(billed_s)
    assert price.billed_s(Decimal(duration_s)) is None
    assert Price.from_json(stepped.record()) == stepped
    with pytest.raises(FormatError, match="steps of 0 s"):
        replace(price, billing_step_s=0)
