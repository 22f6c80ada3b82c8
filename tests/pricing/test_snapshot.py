"""Snapshots: immutable records, two times, and an answer with a reason."""

import json
from decimal import Decimal

import pytest
from jsonschema import Draft202012Validator

from joulemark.errors import FormatError
from joulemark.pricing.answer import Answer, Status
from joulemark.pricing.carbon import Carbon, CarbonKind
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import PriceModel
from joulemark.pricing.rates import Rate
from joulemark.pricing.snapshot import Snapshot
from joulemark.standard.schema import schemas
from tests.pricing.records import CUT, DAY, price, tariff


def ask(snapshot: Snapshot, at: str, **more: object) -> Answer:
    wanted = {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-east-1", **more}
    return snapshot.lookup(valid_at_ns=moment_ns(at, "at"), **wanted)  # type: ignore[arg-type]  # fields of each kind


def test_price_in_force_on_the_day() -> None:
    """A run before the price cut is priced at the old amount, one after it at the new one."""
    history = Snapshot((price(), price(**CUT)))
    before, after = ask(history, "2025-05-15"), ask(history, "2025-07-04")
    assert before.price is not None
    assert after.price is not None
    assert (before.price.amount, after.price.amount) == (Decimal("98.32"), Decimal("55.04"))


def test_as_known_at_the_time() -> None:
    """Asked with what was known on 20 June 2025, the run of 15 June costs 98.32; with the list of 3 July, 55.04."""
    history = Snapshot((price(), price(**CUT)))
    then = ask(history, "2025-06-15T12:00:00Z", known_at_ns=moment_ns("2025-06-20", "x"))
    later = ask(history, "2025-06-15T12:00:00Z", known_at_ns=moment_ns("2025-07-10", "x"))
    assert then.price is not None
    assert later.price is not None
    assert (then.price.amount, later.price.amount) == (Decimal("98.32"), Decimal("55.04"))


def test_nothing_before_the_first_price() -> None:
    """Before the first known price there is none, and the reason names the date."""
    answer = ask(Snapshot((price(),)), "2023-12-01")
    assert answer.status is Status.MISSING
    assert answer.price is None
    assert "2024-01-01T00:00:00Z" in answer.reason


def test_no_other_region_stands_in() -> None:
    """A price of another region is offered as a candidate and never used."""
    answer = ask(Snapshot((price(),)), "2025-01-01", region="eu-west-1")
    assert (answer.status, answer.price, len(answer.candidates)) == (Status.MISSING, None, 1)


def test_another_price_model_or_system_does_not_stand_in() -> None:
    """A spot price or a Windows price does not answer a question for Linux on demand."""
    for change in ({"price_model": "spot"}, {"os": "windows"}):
        assert ask(Snapshot((price(**change),)), "2025-01-01").status is Status.MISSING
    assert ask(Snapshot((price(price_model="spot"),)), "2025-01-01", price_model=PriceModel.SPOT).status is Status.MANUAL


def test_two_amounts_of_one_date_are_ambiguous() -> None:
    """Two amounts for one machine on one date give no price but both candidates."""
    answer = ask(Snapshot((price(), price(amount="55.04"))), "2025-01-01")
    assert (answer.status, answer.price, len(answer.candidates)) == (Status.AMBIGUOUS, None, 2)


def test_joining_is_idempotent_and_order_free() -> None:
    """Importing twice or in another order gives the same snapshot and the same id."""
    one, two = Snapshot((price(),)), Snapshot((price(**CUT),))
    assert one.joined(two) == two.joined(one) == one.joined(two).joined(one)
    assert one.joined(two).snapshot_id == two.joined(one).snapshot_id


def test_snapshot_round_trip_and_tamper() -> None:
    """A snapshot written as JSON reads back equal; taking a price out of it is noticed."""
    whole = Snapshot((price(), price(**CUT)), (tariff(),))
    data = json.loads(json.dumps(whole.to_json()))
    assert Snapshot.from_json(data) == whole
    del data["price"][0]
    with pytest.raises(FormatError, match="snapshot_id does not match"):
        Snapshot.from_json(data)


def test_tariff_is_never_guessed_between_zones() -> None:
    """With two zones a tariff is only found by name; before it begins there is none."""
    two = Snapshot((), (tariff(), tariff(zone="other")))
    at = moment_ns("2025-02-01", "x")
    assert two.tariff_at(at) is None
    assert two.tariff_at(at, zone="other") == tariff(zone="other")
    assert Snapshot((), (tariff(),)).tariff_at(at) == tariff()
    assert Snapshot((), (tariff(),)).tariff_at(moment_ns("2024-12-31", "x")) is None


def test_a_price_file_keeps_its_schema() -> None:
    """Every key of every kind of record that is written stands in the schema of price files, and each record keeps it."""
    part = {"sku_id": "core", "quantity": "12", "amount": "0.03"}
    carbon = Carbon("FR", Decimal(75), CarbonKind.AVERAGE, DAY, DAY, "https://example.com/carbon")
    rate = Rate("EUR", "USD", Decimal("1.08"), DAY, DAY, "https://example.com/rates")
    whole = Snapshot((price(), price(components=[part], **CUT)), (tariff(amount="-0.01"),), (rate,), (carbon,)).to_json()
    schema = schemas()["joulemark.prices/1"]
    assert [error.message for error in Draft202012Validator(schema).iter_errors(whole)] == []
    for kind in ("price", "tariff", "fx", "carbon"):
        known = schema["properties"][kind]["items"]["properties"]
        assert set(whole[kind][0]) <= set(known), kind


def test_equal_prices_are_equal_bytes_however_they_were_written() -> None:
    """1e1 and 10, and parts in either writing, stand at the same place of the file."""
    parts = [[{"sku_id": "core", "quantity": quantity, "amount": "0.03"}] for quantity in ("12", "12.00", "12.5")]
    first = Snapshot((price(amount="1e1"), price(amount="100"), price(components=parts[0]), price(components=parts[2])))
    second = Snapshot((price(components=parts[2]), price(components=parts[1]), price(amount="100"), price(amount="10")))
    assert json.dumps(first.to_json()) == json.dumps(second.to_json())
