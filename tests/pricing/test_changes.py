"""What a list changed, and what is known of whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.pricing.changes import Change, Coverage, coverage, difference
from joulemark.pricing.fetch import Outcome
from joulemark.pricing.store import PriceStore
from tests.pricing.records import DAY, fetch, price


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PriceStore]:
    with PriceStore(tmp_path / "prices.db") as made:
        yield made


def read(store: PriceStore, number: int, amounts: dict[str, str], **more: object) -> None:
    """List number `number`: machine to amount."""
    at = f"2026-08-0{number}"
    made = [price(instance_type=name, amount=amount, effective_from=at, fetched_at=at, **more) for name, amount in amounts.items()]
    store.take(fetch(requested_at_ns=DAY + number, raw_sha256=f"{number}"), made)


def test_a_difference_names_what_changed_from_what_to_what(store: PriceStore) -> None:
    """Of two lists: the prices that differ with both amounts as text, and how many came and went; what stayed is no change."""
    assert difference(store, "azure_retail", "") is None
    read(store, 1, {"a": "1.10", "b": "2", "gone": "3"})
    assert difference(store, "azure_retail", "") is None
    read(store, 2, {"a": "1.10", "b": "2.000000000000000001", "new": "4", "newer": "5"})
    found = difference(store, "azure_retail", "")
    assert found is not None
    assert (found.changed, found.came, found.went) == (1, 2, 1)
    assert found.changes == (Change("aws", "us-east-1", "b", "linux", "on_demand", "", "h", "2", "USD", "2.000000000000000001", "USD"),)
    assert (found.earlier.raw_sha256, found.later.raw_sha256) == ("1", "2")


def test_zones_and_terms_are_other_prices(store: PriceStore) -> None:
    """A price of another zone or another term is no change of this one; another currency is."""
    read(store, 1, {"a": "1"}, zone="us-east-1a")
    read(store, 2, {"a": "2"}, zone="us-east-1b")
    found = difference(store, "azure_retail", "")
    assert found is not None
    assert (found.changed, found.came, found.went) == (0, 1, 1)
    read(store, 3, {"a": "2"}, zone="us-east-1b", currency="EUR")
    found = difference(store, "azure_retail", "")
    assert found is not None
    assert [(one.before_currency, one.after_currency) for one in found.changes] == [("USD", "EUR")]


def test_changes_are_bounded_and_counted(store: PriceStore) -> None:
    """Of many changes the first are named and all are counted; failed and unchanged attempts are no lists."""
    read(store, 1, {f"m{number}": "1" for number in range(9)})
    read(store, 2, {f"m{number}": "2" for number in range(9)})
    store.take(fetch(requested_at_ns=DAY + 5, outcome=Outcome.FAILED, fetched_at_ns=None, error="down"))
    found = difference(store, "azure_retail", "", most=4)
    assert found is not None
    assert (found.changed, len(found.changes)) == (9, 4)
    assert difference(store, "azure_retail", "region=elsewhere") is None


def test_coverage_counts_each_provider(store: PriceStore) -> None:
    """Regions, kinds of machines and prices of each, the same price seen twice once."""
    assert coverage(store) == []
    read(store, 1, {"a": "1", "b": "2"})
    read(store, 2, {"a": "1", "b": "3"})
    store.take(fetch(requested_at_ns=DAY + 9), [price(provider="runpod", region="global")])
    assert coverage(store) == [Coverage("aws", 1, 2, 3), Coverage("runpod", 1, 1, 1)]
