"""Snapshots: immutable records, two times, and an answer with a reason."""

import dataclasses
import json
import sqlite3
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import ConfigError, FormatError, NaiveTimeError
from joulemark.pricing import canonical, money
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.price import Price, PriceModel
from joulemark.pricing.snapshot import Answer, Snapshot, Status
from joulemark.pricing.tariffs import Tariff


def record(**changes: object) -> dict[str, object]:
    return {
        "provider": "aws",
        "region": "us-east-1",
        "instance_type": "p5.48xlarge",
        "amount": "98.32",
        "currency": "USD",
        "unit": "h",
        "effective_from": "2024-01-01",
        "fetched_at": "2024-02-05T20:41:07Z",
        "source_url": "https://example.com/list",
        **changes,
    }


def price(**changes: object) -> Price:
    return Price.from_json(record(**changes))


CUT = {"amount": "55.04", "effective_from": "2025-06-01", "fetched_at": "2025-07-03T20:49:06Z"}


def ask(snapshot: Snapshot, at: str, **more: object) -> Answer:
    wanted = {"provider": "aws", "instance_type": "p5.48xlarge", "region": "us-east-1", **more}
    return snapshot.lookup(valid_at_ns=moment_ns(at, "at"), **wanted)  # type: ignore[arg-type]


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
        price().amount = Decimal(1)  # type: ignore[misc]
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
        ({"currency": "usd"}, "ISO 4217"),
        ({"source_url": ""}, "source_url is empty"),
        ({"gpu_count": 0}, "gpu_count is 0"),
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


def test_dates_round_trip() -> None:
    """A date is midnight UTC, offsets are applied, fractions stay."""
    assert moment_text(moment_ns("2025-06-01", "x")) == "2025-06-01T00:00:00Z"
    assert moment_text(moment_ns("2025-06-01T02:00:00.5+02:00", "x")) == "2025-06-01T00:00:00.5Z"


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


def test_price_per_gpu_needs_the_count() -> None:
    """A price per GPU becomes one per instance only where the count is known."""
    assert price(unit="GPU-h", amount="2.5", gpu_count=8).per_instance_hour() == 20
    with pytest.raises(FormatError, match="gpu_count is not given"):
        price(unit="GPU-h", amount="2.5").per_instance_hour()


def tariff(**changes: object) -> Tariff:
    return Tariff.from_json(
        {
            "zone": "site",
            "amount": "0.12",
            "currency": "USD",
            "amount_basis": "measured",
            "pue": "1.20",
            "effective_from": "2025-01-01",
            "fetched_at": "2025-01-02",
            "source_url": "https://example.com/bill",
            **changes,
        }
    )


def test_tariff_says_what_was_assumed() -> None:
    """Tariff and PUE are labelled apart, and PUE is assumed unless said otherwise."""
    assert (tariff().to_json()["amount_basis"], tariff().to_json()["pue_basis"]) == ("measured", "assumed")
    with pytest.raises(FormatError, match="below 1"):
        tariff(pue="0.9")
    with pytest.raises(FormatError, match="not kWh"):
        tariff(unit="MWh")


def test_tariff_is_never_guessed_between_zones() -> None:
    """With two zones a tariff is only found by name; before it begins there is none."""
    two = Snapshot((), (tariff(), tariff(zone="other")))
    at = moment_ns("2025-02-01", "x")
    assert two.tariff_at(at) is None
    assert two.tariff_at(at, zone="other") == tariff(zone="other")
    assert Snapshot((), (tariff(),)).tariff_at(at) == tariff()
    assert Snapshot((), (tariff(),)).tariff_at(moment_ns("2024-12-31", "x")) is None


def test_canonical_json_refuses_floats() -> None:
    """A float has no place in a hash: two writers may print it in two ways."""
    with pytest.raises(TypeError, match="no canonical text"):
        canonical.encode({"a": 0.1})
    assert canonical.encode({"b": [1, None, True], "a": "é"}) == '{"a":"é","b":[1,null,true]}'.encode()


def test_stored_quotients_end() -> None:
    """A quotient that never ends is stored with 18 significant digits, without exponent."""
    assert money.stored(Decimal(1) / Decimal(3) / 10000) == "0.0000333333333333333333"
    assert money.text(Decimal("1E+3")) == "1000"
