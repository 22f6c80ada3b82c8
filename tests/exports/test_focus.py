"""FOCUS 1.2: every row obeys the published rules, no amount stands in the place of a missing one, and no cell is a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import FormatError
from joulemark.exports import focus
from joulemark.exports.usage import Usage
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import PriceModel
from joulemark.pricing.snapshot import Snapshot
from joulemark.runs import PhaseKind, Tokens
from tests.exports import focus_rules
from tests.exports.conftest import LABELS, RUN_ID, Make, snapshot, window

MONEY = ("ListUnitPrice", "ListCost", "ContractedUnitPrice", "ContractedCost", "EffectiveCost")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def exported(*usages: Usage, **options: Any) -> list[dict[str, str]]:
    return rows(focus.export(usages, account="lab", **options).text)


def test_a_plain_run_conforms(make: Make) -> None:
    """Warm-up and measured phase make a row each, and the file breaks no rule of FOCUS 1.2."""
    made = focus.export(make([window("warm-up", -100, -10, kind=PhaseKind.WARMUP), window("decode", 0, 600)]), account="lab")
    assert focus_rules.findings(made.text) == []
    assert (made.count, made.findings) == (2, ())


def test_a_price_of_all_regions_is_charged_in_that_of_the_run(make: Make) -> None:
    """Where a provider asks the same everywhere, the row names the region of the run and the price the one of the list."""
    (row,) = exported(*make(prices=snapshot(region="global")))
    assert (row["RegionId"], row["SkuPriceId"]) == ("us-east-1", "SKU1/global/linux/on_demand")


def test_the_row_of_a_known_run(make: Make) -> None:
    """600 s at 55.04 USD per hour: the cells are those worked out by hand, and the card's own cost stands beside them."""
    (row,) = exported(*make())
    assert (row["ListUnitPrice"], row["PricingUnit"], row["BilledCost"], row["ChargeCategory"]) == ("55.04", "Hours", "0", "Usage")
    assert abs(Decimal(row["PricingQuantity"]) - Decimal(1) / 6) < Decimal("1e-8")
    assert abs(Decimal(row["ListCost"]) - Decimal("9.173333333333")) < Decimal("1e-6")
    assert Decimal(row["x_CardCost"]).quantize(Decimal("1e-12")) == Decimal("9.173333333333")
    assert {row[name] for name in ("ListCost", "ContractedCost", "EffectiveCost")} == {row["ListCost"]}
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == ("6000000", "Tokens")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-09-21T12:00:00Z", "2026-09-21T12:10:00Z")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z")
    assert (row["ProviderName"], row["RegionId"], row["AvailabilityZone"]) == ("aws", "us-east-1", "us-east-1a")
    assert (row["SkuId"], row["SkuPriceId"]) == ("SKU1", "SKU1/us-east-1/linux/on_demand")
    details = {"CoreCount": 192, "GpuCount": 8, "InstanceType": "p5.48xlarge", "MemorySize": 2048.0, "OperatingSystem": "Linux"}
    assert json.loads(row["SkuPriceDetails"]) == {**details, "x_GpuModel": "H100"}
    assert json.loads(row["Tags"]) == LABELS
    assert "not billed" in row["ChargeDescription"]


def test_own_columns_hold_the_joules_and_the_price(make: Make) -> None:
    """Joules with their uncertainty, the id of the price and how far it can be trusted stand in columns of our own."""
    (found,) = make()
    (row,) = exported(found)
    assert found.rent.price is not None
    assert (row["x_RunId"], row["x_Phase"], row["x_PhaseNumber"]) == (RUN_ID, "decode", "1")
    assert (float(row["x_EnergyJoules"]), float(row["x_EnergyUncertainty95Joules"])) == (found.energy_j, found.u95_j)
    assert (row["x_PricePointId"], row["x_PriceStatus"], row["x_PriceStale"]) == (found.rent.price.point_id, found.rent.status, "false")
    assert row["x_PriceSource"] == "https://example.com/list"
    assert (row["x_ElectricityCost"], row["x_ElectricityCurrency"]) == (str(found.electricity[0]), "USD") if found.electricity else False


def test_without_a_price_amounts_are_empty_and_never_zero(make: Make) -> None:
    """A run whose price is missing has rows with hours and tokens, empty amounts and the reason; the rules then name just these."""
    made = focus.export(make(prices=Snapshot()), account="lab")
    (row,) = rows(made.text)
    assert {row[name] for name in MONEY} == {""}
    assert (row["PricingUnit"], row["ConsumedUnit"], row["ProviderName"]) == ("Hours", "Tokens", "aws")
    assert row["x_PriceStatus"] == "missing"
    assert row["x_Reason"]
    assert "without amounts" in made.findings[0]
    nulls = {finding.split()[2] for finding in focus_rules.findings(made.text)}
    assert nulls == {*MONEY, "BillingCurrency", "PricingCategory", "SkuId", "SkuPriceId"}


def test_priced_only_leaves_them_out(make: Make) -> None:
    """With priced_only a phase without a price is no row, and is named with the reason."""
    made = focus.export(make(prices=Snapshot()), account="lab", priced_only=True)
    assert made.count == 0
    assert "left out" in made.findings[0]


@pytest.mark.parametrize("tokens", [Tokens(), Tokens(output=12)])
def test_a_phase_without_tokens_consumed_hours(make: Make, tokens: Tokens) -> None:
    """Where the tokens of one direction are not known, the consumption is the hours of the machine, and the file still conforms."""
    made = focus.export(make([window("decode", 0, 600, tokens=tokens)]), account="lab")
    assert focus_rules.findings(made.text) == []
    (row,) = rows(made.text)
    assert (row["ConsumedUnit"], row["ConsumedQuantity"]) == ("Hours", row["PricingQuantity"])
    assert (row["x_InputTokens"], row["x_OutputTokens"]) == ("", "12" if tokens.output else "")


def test_no_tokens_at_all_is_a_count(make: Make) -> None:
    """Zero tokens that were counted stand as zero, unlike tokens that nobody counted; the consumption is the hours."""
    (row,) = exported(*make([window("decode", 0, 600, tokens=Tokens(input=0, output=0))]))
    assert (row["x_InputTokens"], row["x_OutputTokens"]) == ("0", "0")
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == (row["PricingQuantity"], "Hours")


def test_an_aborted_phase_is_a_row(make: Make) -> None:
    """An aborted phase cost rent: it has its row with amounts, says that it does not count, and why."""
    made = focus.export(make([window("decode", 0, 600), window("decode", 700, 900, aborted="lost the GPU")]), account="lab")
    assert focus_rules.findings(made.text) == []
    bad = rows(made.text)[1]
    assert (bad["x_PhaseCounted"], bad["x_PhaseAborted"], bad["x_PhaseNumber"]) == ("false", "lost the GPU", "2")
    assert Decimal(bad["ListCost"]) == Decimal(bad["ListUnitPrice"]) * Decimal(bad["PricingQuantity"])


def test_energy_that_is_not_known_is_empty(make: Make) -> None:
    """A phase without readings keeps its hours and its rent, and has no joules."""
    (found,) = make()
    made = focus.export([replace(found, energy_j=None, u95_j=None)], account="lab")
    assert focus_rules.findings(made.text) == []
    assert rows(made.text)[0]["x_EnergyJoules"] == ""


@pytest.mark.parametrize(
    ("begin", "seconds", "period", "billed"),
    [
        ("2026-09-21T23:59:30Z", 60, ("2026-09-21T23:59:30Z", "2026-09-22T00:00:30Z"), "2026-09-01T00:00:00Z"),
        ("2026-10-25T00:30:00Z", 3600, ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"), "2026-10-01T00:00:00Z"),
        ("2026-12-31T23:59:59.250Z", 0.5, ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"), "2026-12-01T00:00:00Z"),
        ("2027-01-01T00:00:00.5Z", 0.001, ("2027-01-01T00:00:00Z", "2027-01-01T00:00:01Z"), "2027-01-01T00:00:00Z"),
    ],
)
def test_midnight_month_and_summer_time(make: Make, begin: str, seconds: float, period: tuple[str, str], billed: str) -> None:
    """Over midnight, over the end of summer time in Europe and over New Year a phase is one row in UTC, its end exclusive and its
    length the one measured.
    """
    (found,) = make()
    begin_ns = moment_ns(begin, "begin")
    made = focus.export([replace(found, begin_ns=begin_ns, end_ns=begin_ns + round(seconds * 1e9))], account="lab")
    assert focus_rules.findings(made.text) == []
    (row,) = rows(made.text)
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"], row["BillingPeriodStart"]) == (*period, billed)
    assert abs(Decimal(row["PricingQuantity"]) * 3600 - Decimal(str(seconds))) < Decimal("1e-4")


@pytest.mark.parametrize(
    ("model", "category"),
    [
        (PriceModel.ON_DEMAND, "Standard"),
        (PriceModel.CAPACITY_BLOCK, "Standard"),
        (PriceModel.SPOT, "Dynamic"),
        (PriceModel.MARKETPLACE, "Dynamic"),
        (PriceModel.ON_PREM, "Other"),
    ],
)
def test_the_category_follows_the_price_model(make: Make, model: PriceModel, category: str) -> None:
    """Every model that is not a commitment has a category of FOCUS, and a file that conforms."""
    labels = {**LABELS, "price_model": str(model)}
    made = focus.export(make(prices=snapshot(price_model=model), labels=labels), account="lab")
    assert focus_rules.findings(made.text) == []
    assert rows(made.text)[0]["PricingCategory"] == category


def test_a_commitment_has_no_list_price(make: Make) -> None:
    """A reserved price is what the use effectively costs; the list price is not known, so it is empty and not the reserved one."""
    made = focus.export(make(prices=snapshot(price_model=PriceModel.RESERVED), labels={**LABELS, "price_model": "reserved"}), account="lab")
    (row,) = rows(made.text)
    assert (row["PricingCategory"], row["ListCost"], row["ContractedCost"]) == ("Committed", "", "")
    assert Decimal(row["EffectiveCost"]) > 9
    assert "reserved" in row["x_Reason"]
    assert len(made.findings) == 1


def test_a_price_that_changed_on_the_way_is_no_list_price(make: Make) -> None:
    """Where another price counted before the end of a phase, its cost is the card's, and no list price is named."""
    (found,) = make()
    (row,) = exported(replace(found, rent=replace(found.rent, changed=True, amount=Decimal("13.76"))))
    assert (row["ListCost"], row["ContractedCost"], row["EffectiveCost"]) == ("", "", "13.76")
    assert row["x_Reason"] == "the price changed within the phase, so it has no one list price"


@given(
    price=st.decimals(min_value="0.0001", max_value="20000", places=6),
    ns=st.integers(min_value=1, max_value=30 * 86_400 * 10**9),
)
def test_price_times_quantity_is_the_cost_in_both_arithmetics(price: Decimal, ns: int) -> None:
    """For any price of six decimals and any length a quantity within 3 ms is found whose cost is exact in both arithmetics."""
    hours = Decimal(ns) / Decimal(3_600_000_000_000)
    found = focus.exact(price, focus.rounded(hours))
    assert found is not None
    quantity, cost = found
    assert Context(prec=100).multiply(price, quantity) == cost
    assert float(price) * float(quantity) == float(cost)
    assert quantity > 0
    assert abs(quantity - hours) * 3600 < Decimal("0.003")


def test_the_shortest_phase_has_a_quantity(make: Make) -> None:
    """A phase of a nanosecond has the smallest quantity there is, not zero, and conforms."""
    (found,) = make()
    made = focus.export([replace(found, end_ns=found.begin_ns + 1)], account="lab")
    assert focus_rules.findings(made.text) == []
    assert Decimal(rows(made.text)[0]["PricingQuantity"]) > 0


def test_a_price_without_an_exact_product_has_no_amounts(make: Make) -> None:
    """At 1.000000000001 per hour no quantity near the length has an exact product: the row has no amounts and says why."""
    (found,) = make([window("decode", 0, 426.6)], prices=snapshot(amount=Decimal("1.000000000001")))
    odd = replace(found, end_ns=found.begin_ns + 1_535_789_490_745_965)
    made = focus.export([odd], account="lab")
    (row,) = rows(made.text)
    assert {row[name] for name in MONEY} == {""}
    assert "no quantity near 426.608191874 h has an exact cost at 1.000000000001" in made.findings[0]


@pytest.mark.parametrize(
    "name",
    [
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2",
        "@SUM(A1)",
        "\t=1",
        "\r\n=1",
        "\uff1d1+1",
        'comma, "quotes"\nand a line',
        "decode; prefill",
        "'",
        "π ≈ 3",
    ],
)
def test_names_are_cells_and_never_formulas(make: Make, name: str) -> None:
    """Commas, quotes, line breaks and characters that begin a formula, in any name, stay in one cell that no spreadsheet runs."""
    labels = {**LABELS, name: name}
    (found,) = make([window(name, 0, 600)], labels=labels, benchmark=name, run_id=name)
    assert found.rent.price is not None
    odd = replace(found, rent=replace(found.rent, price=replace(found.rent.price, region=name, sku_id=name)))
    made = focus.export([odd], account=name)
    assert focus_rules.findings(made.text) == []
    (row,) = rows(made.text)
    began = {text[0] for text in row.values() if text}
    assert not began & set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    assert row["x_Phase"].removeprefix("'" if name[0] != "'" else "") == name
    assert json.loads(row["Tags"]) == labels


def test_the_version_is_a_choice() -> None:
    """1.1 and 1.2 are known; another version is refused with those that are."""
    assert focus.export([], account="lab", version="1.1").text == focus.export([], account="lab").text
    with pytest.raises(FormatError, match=r"1\.3 is not known here\. use one of 1\.1, 1\.2"):
        focus.export([], account="lab", version="1.3")


def test_the_file_is_the_same_each_time(make: Make) -> None:
    """Two exports of one run are equal, byte for byte."""
    assert focus.export(make(), account="lab") == focus.export(make(), account="lab")


def without(column: str) -> Callable[[list[list[str]]], None]:
    def change(table: list[list[str]]) -> None:
        place = table[0].index(column)
        for cells in table:
            del cells[place]

    return change


def with_cell(column: str, value: str) -> Callable[[list[list[str]]], None]:
    def change(table: list[list[str]]) -> None:
        table[1][table[0].index(column)] = value

    return change


def renamed(column: str, name: str) -> Callable[[list[list[str]]], None]:
    def change(table: list[list[str]]) -> None:
        table[0][table[0].index(column)] = name

    return change


BROKEN = [
    *((without(column), f"column {column} is mandatory") for column in sorted(focus_rules.MANDATORY)),
    *((with_cell(column, ""), f"{column} is null") for column in sorted(focus_rules.NOT_NULL)),
    *((with_cell(column, ""), f"{column} of usage is null") for column in focus_rules.OF_USAGE),
    *((with_cell(column, "1,5"), "is no number") for column in focus_rules.NUMERIC),
    *((with_cell(column, "2026-09-21 12:00"), "is no moment") for column in focus_rules.MOMENTS),
    *((with_cell(column, "Sometimes"), "is not allowed") for column in focus_rules.ALLOWED),
    (with_cell("ListCost", "1E+7"), "is no number"),
    (with_cell("ListCost", "9.1733333"), "is not ListUnitPrice times PricingQuantity"),
    (with_cell("ListUnitPrice", "-1"), "ListUnitPrice is negative"),
    (with_cell("ContractedCost", "9"), "is not ContractedUnitPrice times PricingQuantity in double precision"),
    (with_cell("PricingUnit", "hours"), "is no unit"),
    (with_cell("ConsumedUnit", ""), "ConsumedQuantity and ConsumedUnit are null together"),
    (with_cell("PricingUnit", ""), "PricingQuantity and PricingUnit are null together"),
    (with_cell("BillingCurrency", "$"), "is no code"),
    (with_cell("ServiceSubcategory", "Bots"), "is not one of Compute"),
    (with_cell("ChargePeriodEnd", "2026-09-21T12:00:00Z"), "the charge period is empty"),
    (with_cell("BillingPeriodEnd", "2026-09-21T00:00:00Z"), "outside its billing period"),
    (with_cell("Tags", '{"a": {"b": 1}}'), "Tags is no flat JSON object"),
    (with_cell("Tags", '{"a": 1, "a": 2}'), "Tags is no flat JSON object"),
    (with_cell("Tags", "a=1"), "Tags is no flat JSON object"),
    (with_cell("SkuPriceDetails", '{"Gpus": 8}'), "neither of FOCUS nor x_"),
    (with_cell("SkuPriceDetails", '{"GpuCount": "8"}'), "SkuPriceDetails GpuCount is '8'"),
    (with_cell("SkuPriceId", ""), "SkuPriceDetails without SkuPriceId"),
    (with_cell("SkuId", ""), "SkuMeter without SkuId"),
    (with_cell("RegionId", "N/A"), "RegionId is a placeholder"),
    (with_cell("RegionId", "  "), "RegionId consists of spaces"),
    (renamed("x_Phase", "Phase"), "neither of FOCUS nor x_"),
    (renamed("Tags", "x_Tags2"), ""),
    (renamed("BilledCost", "x_BilledCost"), "custom columns stand among those of FOCUS"),
    (renamed("x_Phase", f"x_{'P' * 50}"), "more than 50 characters"),
    (renamed("x_Phase", "x_RunId"), "a column stands twice"),
    (lambda table: table[1].append("more"), "cells"),
]


@pytest.mark.parametrize(("change", "finding"), BROKEN)
def test_each_broken_rule_is_found(make: Make, change: Callable[[list[list[str]]], None], finding: str) -> None:
    """A file that breaks one rule on purpose is found out by the checker that the exports are judged by, a sound change is not."""
    table = list(csv.reader(io.StringIO(focus.export(make(), account="lab").text, newline="")))
    change(table)
    out = io.StringIO()
    csv.writer(out).writerows(table)
    found = focus_rules.findings(out.getvalue())
    assert any(finding in one for one in found) if finding else found == []
