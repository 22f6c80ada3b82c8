"""Offers of AWS: which of the hundred rows of a machine is its price, and why the others are not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.pricing.aws_list import plain
from joulemark.pricing.aws_offer import NEEDED, Seen, Selection, gib, offered, whole
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.price import Price, PriceModel
from tests.pricing.aws_lists import COLUMNS, RESERVED, p5
from tests.pricing.records import DAY

SEEN = Seen("https://example.com/index.csv", "ab" * 32, DAY, "20260728175247", DAY, "aws_bulk")


def offers(*rows: dict[str, str], **changes: Any) -> Harvest:
    selection = Selection(**{"region": "us-east-1", "instance_types": ("p5.48xlarge",), **changes})
    spelled = [{plain(name): row.get(name, "") for name in COLUMNS} for row in rows]
    return offered([(f"byte {number}", row) for number, row in enumerate(spelled)], selection, SEEN)


def prices(harvest: Harvest) -> list[Price]:
    return [record for record in harvest.records if isinstance(record, Price)]


def reserved(unit: str, amount: str, **changes: str) -> dict[str, str]:
    return {**p5(), **RESERVED, "Unit": unit, "PricePerUnit": amount, "RateCode": f"R.{unit}", **changes}


@pytest.mark.parametrize(
    "other",
    [
        {"Operating_System": "Windows"},
        {"Tenancy": "Dedicated"},
        {"Tenancy": "Host", "PricePerUnit": "0.0000000000"},
        {"Pre_Installed_S/W": "SQL Std"},
        {"CapacityStatus": "UnusedCapacityReservation"},
        {"CapacityStatus": "AllocatedCapacityReservation", "PricePerUnit": "0.0000000000"},
        {"Location_Type": "AWS Local Zone"},
        {"Location_Type": "AWS Outposts"},
        {"Product_Family": "Storage"},
        {"Instance_Type": "p5.4xlarge"},
        {"TermType": "FlatRate"},
        {"StartingRange": "1000"},
    ],
)
def test_rows_that_nobody_asked_for_are_passed_over(other: dict[str, str]) -> None:
    """Another system, tenancy, software, capacity, place, family or machine neither becomes the price nor is told."""
    harvest = offers(p5(), p5(**other))
    assert ([p.amount for p in prices(harvest)], harvest.rejected) == ([Decimal("55.04")], ())


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"MarketOption": "CapacityBlock", "PricePerUnit": "0.0000000000"}, "capacity_block_unpriced"),
        ({"MarketOption": "Fleet"}, "market: Fleet"),
        ({"PricePerUnit": "0.0000000000"}, "the amount is zero"),
        ({"PricePerUnit": ""}, "not a number"),
        ({"Unit": "Quantity"}, "unit: Quantity"),
        ({"Currency": "CNY"}, "currency: listed in CNY"),
        ({"License_Model": "Bring your own license"}, "byol"),
        ({"EffectiveDate": "July"}, "is not a date"),
    ],
)
def test_rows_that_were_asked_for_and_are_no_price_are_told(other: dict[str, str], reason: str) -> None:
    """A zero, another market, unit or currency is refused with its rate code; last row does not win."""
    for rows in ((p5(), p5(RateCode="other", **other)), (p5(RateCode="other", **other), p5())):
        harvest = offers(*rows)
        (told,) = harvest.rejected
        assert ([p.amount for p in prices(harvest)], told.pointer, reason in told.reason) == ([Decimal("55.04")], "other", True)


def test_a_capacity_block_with_a_price_is_one() -> None:
    """Should AWS list an amount for capacity blocks, it is a price of that model, not on demand."""
    models = {p.price_model: p.amount for p in prices(offers(p5(), p5(MarketOption="CapacityBlock", PricePerUnit="31.46")))}
    assert models == {PriceModel.ON_DEMAND: Decimal("55.04"), PriceModel.CAPACITY_BLOCK: Decimal("31.46")}


def test_older_lists_lack_columns() -> None:
    """Without MarketOption, CapacityStatus and Region Code, as in lists of 2017, a row is what it always was."""
    old = {name: value for name, value in p5().items() if name not in ("MarketOption", "CapacityStatus", "Region Code")}
    (price,) = prices(offers(old))
    assert (price.amount, price.region) == (Decimal("55.04"), "us-east-1")


def test_upfront_and_hours_are_one_price() -> None:
    """V14: 100000 at the beginning and 10 an hour for one year is 21.415525 an hour."""
    harvest = offers(reserved("Hrs", "10.0000000000"), reserved("Quantity", "100000"))
    (price,) = prices(harvest)
    assert price.amount.quantize(Decimal("1E-6")) == Decimal("21.415525")
    assert (price.price_model, price.term_months, price.payment_option) == (PriceModel.RESERVED, 12, "partial_upfront")
    assert price.note == "100000 USD at the beginning, 10.0000000000 an hour, 1 x 8760 h"


def test_ways_of_paying_are_kept_apart() -> None:
    """Nothing upfront is the hour as listed; everything upfront has an hour of zero, and is no zero; a convertible one says so."""
    none = reserved("Hrs", "40", PurchaseOption="No Upfront", OfferTermCode="A")
    every = [reserved(u, a, PurchaseOption="All Upfront", OfferTermCode="B") for u, a in (("Hrs", "0.0000000000"), ("Quantity", "262800"))]
    other = reserved("Hrs", "42", PurchaseOption="No Upfront", OfferTermCode="C", OfferingClass="convertible", LeaseContractLength="3yr")
    found = {(p.payment_option, p.term_months): p.amount for p in prices(offers(none, *every, other))}
    assert found == {("no_upfront", 12): Decimal(40), ("all_upfront", 12): Decimal(30), ("no_upfront_convertible", 36): Decimal(42)}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ((reserved("Hrs", "10"),), "Partial Upfront has only Hrs"),
        ((reserved("Quantity", "100000"),), "Partial Upfront has only Quantity"),
        ((reserved("Hrs", "0", PurchaseOption="No Upfront"),), "the amount is zero"),
        ((reserved("Hrs", "10"), reserved("Hrs", "11"), reserved("Quantity", "1")), "Hrs stands twice"),
        ((reserved("Hrs", "10", LeaseContractLength="5yr"), reserved("Quantity", "1")), "term: '5yr'"),
        ((reserved("Hrs", "10"), reserved("Quantity", "1", Currency="CNY")), "currency"),
    ],
)
def test_half_a_reservation_is_no_price(rows: tuple[dict[str, str], ...], reason: str) -> None:
    """Without its hours or its upfront part, with two of one, with an unknown term or mixed money there is no price, and it is told."""
    harvest = offers(*rows)
    assert (harvest.records, reason in harvest.rejected[0].reason) == ((), True)


def test_a_broken_row_is_told_with_its_place() -> None:
    """A row of another length than the header takes no other with it."""
    harvest = offered([("byte 7", {})], Selection("us-east-1", ("p5.48xlarge",)), SEEN)
    assert [(told.pointer, told.reason[:7]) for told in harvest.rejected] == [("byte 7", "broken:")]


@given(column=st.sampled_from(COLUMNS), value=st.text(max_size=12))
def test_no_value_breaks_the_list(column: str, value: str) -> None:
    """Whatever stands in a column of one row, the row beside it is read, nothing but a reason comes of it, and no price is zero."""
    harvest = offers(p5(SKU="GOOD"), {**p5(), column: value}, *[reserved("Hrs", "10"), {**reserved("Quantity", "9"), column: value}])
    found = prices(harvest)
    assert "GOOD" in {p.sku_id for p in found}
    assert all(p.amount > 0 for p in found)


def test_a_family_is_named_with_a_star() -> None:
    """p5.* is p5.48xlarge and p5.4xlarge, and not p5en."""
    rows = [p5(Instance_Type=name) for name in ("p5.48xlarge", "p5.4xlarge", "p5en.48xlarge")]
    assert {p.instance_type for p in prices(offers(*rows, instance_types=("p5.*",)))} == {"p5.48xlarge", "p5.4xlarge"}
    assert Selection("r", ("p5.*", "g6.xlarge")).words == ('"p5.', '"g6.xlarge"')


def test_tenancy_is_part_of_the_price() -> None:
    """Dedicated machines, when asked for, are told apart from shared ones, which need no name."""
    found = {
        p.tenancy: p.amount for p in prices(offers(p5(), p5(Tenancy="Dedicated", PricePerUnit="60"), tenancies=("Shared", "Dedicated")))
    }
    assert found == {"": Decimal("55.04"), "dedicated": Decimal(60)}


def test_the_count_of_gpus_is_our_own() -> None:
    """A list that says 12 GPUs is overruled by the table; for an unknown machine the list is believed."""
    assert [p.gpu_count for p in prices(offers(p5(GPU="12")))] == [8]
    strange = p5(Instance_Type="p9.xlarge", GPU="3")
    assert [p.gpu_count for p in prices(offers(strange, instance_types=("p9.xlarge",)))] == [3]


def test_sizes_are_read_or_left_out() -> None:
    """Memory with a comma is read; NA is none."""
    assert (gib("1,152 GiB"), gib("0.5 GiB"), gib("NA"), gib("12 MB")) == (Decimal(1152), Decimal("0.5"), None, None)
    assert (whole("192"), whole("NA"), whole("0"), whole("")) == (192, None, None, None)


def test_the_columns_of_a_list_are_those_needed() -> None:
    """The columns of a real list, spelled plainly, hold all that are needed."""
    assert {plain(name) for name in COLUMNS} >= NEEDED
