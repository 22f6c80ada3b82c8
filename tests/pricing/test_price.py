"""Prices: immutable, exact, with one id for one price, and every wrong value named."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import ConfigError, FormatError, NaiveTimeError
from joulemark.pricing import canonical
from joulemark.pricing.price import Price
from tests.pricing.records import price, record


def test_written_amounts_hash_alike() -> None:
    """32.7726000000 and 32.7726 are one price, with one id."""
    assert price(amount="32.7726000000").point_id == price(amount="32.7726").point_id
    assert price(amount="32.7726").point_id != price(amount="32.7727").point_id


def test_dates_are_not_identity() -> None:
    """A list re-published unchanged a month later keeps the id of its prices, so history does not grow by repetition."""
    later = price(effective_from="2025-01-01", fetched_at="2025-02-03", source_url="https://example.com/next", note="seen again")
    assert later.point_id == price().point_id


def test_fields_left_empty_keep_the_id() -> None:
    """A field that a later version adds changes no id while it is empty."""
    identity = {
        "provider": "aws",
        "region": "us-east-1",
        "instance_type": "p5.48xlarge",
        "amount": "98.32",
        "currency": "USD",
        "unit": "h",
        "price_model": "on_demand",
        "os": "linux",
    }
    assert price().point_id == canonical.digest(identity)


def test_records_cannot_be_changed() -> None:
    """A price is frozen, and a record whose amount was edited no longer matches its hash."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        price().amount = Decimal(1)  # type: ignore[misc]  # the refusal to assign is the point
    with pytest.raises(FormatError, match="sha256 does not match"):
        Price.from_json({**price().record(), "amount": "9.32"})


@given(st.decimals(min_value=Decimal("1e-12"), max_value=Decimal("1e9"), allow_nan=False, places=12))
def test_amounts_survive_text(amount: Decimal) -> None:
    """An amount goes through JSON and back without a digit lost."""
    if amount == 0:
        return
    one = price(amount=str(amount))
    again = Price.from_json(json.loads(json.dumps(one.record())))
    assert again == one
    assert again.amount == amount


def test_amounts_survive_sqlite_as_text() -> None:
    """98.3200000001234567890 comes back from a TEXT column whole, where REAL would keep 17 digits."""
    one = price(amount="98.3200000001234567890")
    with sqlite3.connect(":memory:") as db:
        db.execute("create table prices (record text)")
        db.execute("insert into prices values (?)", (json.dumps(one.record()),))
        (text,) = db.execute("select record from prices").fetchone()
    db.close()
    assert Price.from_json(json.loads(text)).amount == Decimal("98.320000000123456789")


def test_zero_is_refused_unless_flagged() -> None:
    """A listed zero means unpublished: it is refused, except where the source says that it is free."""
    with pytest.raises(FormatError, match="amount is zero"):
        price(amount="0.0000000000")
    assert price(amount="0", free=True).amount == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amount": 55.04}, "not an amount"),
        ({"amount": "-1"}, "negative"),
        ({"amount": "NaN"}, "not a finite number"),
        ({"amount": "about 5"}, "not a number"),
        ({"amount": "1e999999999"}, "no believable amount"),
        ({"amount": "1e-999999999"}, "no believable amount"),
        ({"amount": "1_0"}, "no believable amount"),
        ({"effective_from": "9999-12-31"}, "after 2116"),
        ({"effective_from": "0001-01-01T00:00:00+23:59"}, "before 1970"),
        ({"currency": "usd"}, "ISO 4217"),
        ({"source_url": ""}, "source_url is empty"),
        ({"gpu_count": 0}, "gpu_count is 0"),
        ({"vcpu": 10**12}, "vcpu is 1000000000000"),
        ({"memory_gib": "0"}, "memory_gib is Decimal"),
        ({"term_months": -12}, "term_months is -12"),
        ({"effective_from": "June 2025"}, "not a date"),
    ],
)
def test_wrong_values_are_named(change: dict[str, object], message: str) -> None:
    """Each wrong value of a record is refused with its name."""
    with pytest.raises(FormatError, match=message):
        price(**change)


def test_a_month_is_no_unit() -> None:
    """Hours per month differ between providers, so a price per month is refused instead of divided by a guess."""
    with pytest.raises(ConfigError, match="unit = 'month' is not known"):
        price(unit="month")


def test_unknown_key_and_missing_key() -> None:
    """A misspelt key names the nearest valid one, and a missing one is named."""
    with pytest.raises(ConfigError, match="did you mean 'region'"):
        price(regoin="x")
    without = record()
    del without["source_url"]
    with pytest.raises(FormatError, match="source_url missing"):
        Price.from_json(without)


def test_a_time_needs_its_zone() -> None:
    """A fetch time without a zone is refused: prices are compared across the world."""
    with pytest.raises(NaiveTimeError):
        price(fetched_at="2025-06-01T12:00:00")


def test_price_per_gpu_needs_the_count() -> None:
    """A price per GPU becomes one per instance only where the count is known."""
    assert price(unit="GPU-h", amount="2.5", gpu_count=8).per_instance_hour() == 20
    with pytest.raises(FormatError, match="gpu_count is not given"):
        price(unit="GPU-h", amount="2.5").per_instance_hour()


def test_the_parts_of_a_composed_price_are_identity() -> None:
    """Cores, memory and GPU come back exactly, and another quantity of one is another price."""
    parts = [{"sku_id": "core", "quantity": 12, "amount": "0.031611"}, {"sku_id": "gpu", "quantity": "1", "amount": "2.933908"}]
    one = price(components=parts)
    assert Price.from_json(json.loads(json.dumps(one.record()))) == one
    assert [str(part.quantity * part.amount) for part in one.components] == ["0.379332", "2.933908"]
    assert price(components=[{**parts[0], "quantity": 13}, parts[1]]).point_id != one.point_id
    for wrong in ("core", [{"sku_id": "core", "quantity": "1"}], [{**parts[0], "amount": 0.03}], [{**parts[0], "hours": 1}]):
        with pytest.raises((FormatError, ConfigError), match="components"):
            price(components=wrong)


def test_where_it_was_seen_is_no_identity_and_what_it_is_is() -> None:
    """Publication, list, feed and trust of a date leave the id; zone, memory, tenancy, meter and payment make another price."""
    seen = {"published_at": "2025-07-03", "list_version": "20250703204906", "feed": "aws_bulk", "effective_trust": "month_stamp"}
    assert price(**seen).point_id == price().point_id
    for what in (
        {"zone": "use1-az1"},
        {"gpu_memory_gib": "80"},
        {"memory_gib": 2048},
        {"tenancy": "shared"},
        {"meter_id": "m"},
        {"vcpu": 192},
    ):
        assert price(**what).point_id != price().point_id
    assert Price.from_json(price(**seen, gpu_memory_gib="80", vcpu=192).record()) == price(**seen, gpu_memory_gib="80", vcpu=192)


def test_known_from_its_publication() -> None:
    """A price from an archived list was known when the list was published, one without such a date when it was read."""
    assert price().known_ns == price().fetched_at_ns
    listed = price(published_at="2024-01-31T00:00:00Z")
    assert listed.known_ns == listed.published_at_ns != listed.fetched_at_ns
