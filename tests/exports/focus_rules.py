"""The rules of FOCUS 1.2 for a table of usage, as the FinOps Foundation published them on 2025-05-29, for the columns that occur here.

Written from the specification (columns and attributes), independently of the exporter. `findings` names the rule, the row and the value.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Final

MANDATORY: Final = {
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
}
OTHERS: Final = {
    "AvailabilityZone",
    "BillingAccountType",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "ChargeFrequency",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedUnitPrice",
    "InvoiceId",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
}
NOT_NULL: Final = (MANDATORY - {"BillingAccountName", "ChargeClass", "ChargeDescription", "PricingQuantity", "PricingUnit"}) | {
    "ChargeFrequency",
    "ServiceSubcategory",
}
OF_USAGE: Final = ("PricingQuantity", "ListUnitPrice", "ContractedUnitPrice", "ConsumedQuantity", "SkuId", "SkuPriceId", "PricingCategory")
"""Not null in a row of usage that corrects nothing."""

NUMERIC: Final = (
    "BilledCost",
    "ConsumedQuantity",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "ListCost",
    "ListUnitPrice",
    "PricingQuantity",
)
MOMENTS: Final = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
ALLOWED: Final = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"Standard", "Dynamic", "Committed", "Other"},
    "ServiceCategory": {
        "AI and Machine Learning",
        "Analytics",
        "Business Applications",
        "Compute",
        "Databases",
        "Developer Tools",
        "Multicloud",
        "Identity",
        "Integration",
        "Internet of Things",
        "Management and Governance",
        "Media",
        "Migration",
        "Mobile",
        "Networking",
        "Security",
        "Storage",
        "Web",
        "Other",
    },
}
COMPUTE: Final = {
    "Containers",
    "End User Computing",
    "Quantum Compute",
    "Serverless Compute",
    "Virtual Machines",
    "Other (Compute)",
}
DETAILS: Final = {
    "CoreCount": (int, float),
    "DiskMaxIops": (int, float),
    "DiskSpace": (int, float),
    "DiskType": (str,),
    "GpuCount": (int, float),
    "InstanceType": (str,),
    "InstanceSeries": (str,),
    "MemorySize": (int, float),
    "NetworkMaxIops": (int, float),
    "NetworkMaxThroughput": (int, float),
    "OperatingSystem": (str,),
    "Redundancy": (str,),
    "StorageClass": (str,),
}
UNITS: Final = re.compile(r"([1-9]\d* )?(Counts|Units|Requests|Tokens|Connections|Hours|Minutes|Seconds|Days|Months|Years|[KMGTPE]?i?B)")
NUMBER: Final = re.compile(r"-?(\d+(\.\d+)?|\.\d+)(E-?\d+)?")
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
EXACT: Final = Context(prec=100)
CUSTOM: Final = re.compile(r"x_[A-Za-z0-9]+")
SPACES: Final = re.compile(r" *")

Row = dict[str, str]


def findings(text: str) -> list[str]:
    """What breaks a rule, empty for a file that conforms."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    found = list(of_header(header))
    for number, cells in enumerate(rows, 1):
        if len(cells) != len(header):
            found.append(f"row {number}: {len(cells)} cells, {len(header)} columns")
            continue
        found += [f"row {number}: {finding}" for finding in of_row(dict(zip(header, cells, strict=True)))]
    return found


def of_header(header: list[str]) -> Iterator[str]:
    """ColumnHandling: all mandatory columns, no unknown one, custom ones named so and last."""
    yield from (f"column {name} is mandatory" for name in sorted(MANDATORY - set(header)))
    custom = [name for name in header if name not in MANDATORY | OTHERS]
    yield from (f"column {name} is neither of FOCUS nor x_" for name in custom if not CUSTOM.fullmatch(name))
    yield from (f"column {name} has more than 50 characters" for name in header if len(name) > 50)
    if header[len(header) - len(custom) :] != custom:
        yield "custom columns stand among those of FOCUS"
    if len(set(header)) != len(header):
        yield "a column stands twice"


def of_row(row: Row) -> Iterator[str]:
    """All rules of one row."""
    yield from nulls(row)
    yield from formats(row)
    yield from (f"{name} {row[name]!r} is not allowed" for name, allowed in ALLOWED.items() if row.get(name) and row[name] not in allowed)
    if row.get("ServiceCategory") == "Compute" and row.get("ServiceSubcategory") not in COMPUTE:
        yield f"ServiceSubcategory {row.get('ServiceSubcategory')!r} is not one of Compute"
    if row.get("ChargeCategory") == "Purchase" and row.get("ChargeFrequency") == "Usage-Based":
        yield "ChargeFrequency of a purchase is not usage-based"
    yield from periods(row)
    yield from products(row)
    yield from details(row)


def nulls(row: Row) -> Iterator[str]:
    """Nullability, and that nothing stands in the place of null."""
    yield from (f"{name} is null" for name in sorted(NOT_NULL & set(row)) if not row[name])
    usage = row.get("ChargeCategory") == "Usage" and not row.get("ChargeClass")
    yield from (f"{name} of usage is null" for name in OF_USAGE if usage and name in row and not row[name])
    yield from (
        f"{name} is a placeholder" for name, value in row.items() if value.lower() in ("null", "none", "n/a", "not applicable", "nan")
    )
    yield from (f"{name} consists of spaces" for name, value in row.items() if value and SPACES.fullmatch(value))
    for one, other in (("PricingQuantity", "PricingUnit"), ("ConsumedQuantity", "ConsumedUnit")):
        if bool(row.get(one)) != bool(row.get(other)):
            yield f"{one} and {other} are null together"
    if not row.get("SkuId") and row.get("SkuMeter"):
        yield "SkuMeter without SkuId"
    if not row.get("SkuPriceId") and row.get("SkuPriceDetails"):
        yield "SkuPriceDetails without SkuPriceId"


def formats(row: Row) -> Iterator[str]:
    """NumericFormat, DateTimeFormat, CurrencyFormat, UnitFormat, KeyValueFormat."""
    yield from (f"{name} {row[name]!r} is no number" for name in NUMERIC if row.get(name) and not NUMBER.fullmatch(row[name]))
    yield from (f"{name} is negative" for name in ("ListUnitPrice", "ContractedUnitPrice") if row.get(name, "").startswith("-"))
    yield from (f"{name} {row[name]!r} is no moment" for name in MOMENTS if row.get(name) and not MOMENT.fullmatch(row[name]))
    if row.get("BillingCurrency") and not re.fullmatch(r"[A-Z]{3}", row["BillingCurrency"]):
        yield f"BillingCurrency {row['BillingCurrency']!r} is no code"
    for name in ("PricingUnit", "ConsumedUnit"):
        if row.get(name) and not UNITS.fullmatch(row[name]):
            yield f"{name} {row[name]!r} is no unit"
    yield from (f"{name} is no flat JSON object" for name in ("Tags", "SkuPriceDetails") if row.get(name) and flat(row[name]) is None)


def flat(text: str) -> dict[str, object] | None:
    """The object in `text`, None where it is none, is nested, or has a key twice."""
    pairs: list[tuple[str, object]] = []

    def kept(found: list[tuple[str, object]]) -> dict[str, object]:
        pairs.extend(found)
        return dict(found)

    try:
        data = json.loads(text, object_pairs_hook=kept)
    except ValueError:
        return None
    good = isinstance(data, dict) and len(pairs) == len(data) and not any(isinstance(v, dict | list) for v in data.values())
    return data if good else None


def periods(row: Row) -> Iterator[str]:
    """Begin before the exclusive end, the charge begins inside the billing period."""
    times = {name: datetime.fromisoformat(row[name]) for name in MOMENTS if MOMENT.fullmatch(row.get(name, ""))}
    if len(times) < len(MOMENTS):
        return
    if any(moment.tzinfo != UTC for moment in times.values()):
        yield "a moment is not in UTC"
    if times["ChargePeriodStart"] >= times["ChargePeriodEnd"]:
        yield "the charge period is empty"
    if not times["BillingPeriodStart"] <= times["ChargePeriodStart"] < times["BillingPeriodEnd"]:
        yield "the charge begins outside its billing period"


def products(row: Row) -> Iterator[str]:
    """Unit price times quantity is the cost: in decimal, and in double precision without tolerance."""
    for unit, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")):
        if not (row.get(unit) and row.get(cost) and row.get("PricingQuantity")):
            continue
        price, quantity, amount = row[unit], row["PricingQuantity"], row[cost]
        if not all(NUMBER.fullmatch(text) for text in (price, quantity, amount)):
            continue
        if EXACT.multiply(Decimal(price), Decimal(quantity)) != Decimal(amount):
            yield f"{cost} is not {unit} times PricingQuantity"
        if float(price) * float(quantity) != float(amount):
            yield f"{cost} is not {unit} times PricingQuantity in double precision"


def details(row: Row) -> Iterator[str]:
    """SkuPriceDetails: the keys of FOCUS with their types, others begin with x_."""
    for key, value in (flat(row.get("SkuPriceDetails", "")) or {}).items():
        if key not in DETAILS and not key.startswith("x_"):
            yield f"SkuPriceDetails {key} is neither of FOCUS nor x_"
        if key in DETAILS and (isinstance(value, bool) or not isinstance(value, DETAILS[key])):
            yield f"SkuPriceDetails {key} is {value!r}"
