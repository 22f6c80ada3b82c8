"""FOCUS: one row of cost and usage for each phase of a run, as CSV.

FOCUS is the FinOps Open Cost and Usage Specification; versions 1.1 and 1.2 ask for the same of the columns written here. The file is a
*showback*: Joulemark bills nobody, so BilledCost is 0 in every row, and the amounts are list prices times hours.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from joulemark.errors import FormatError
from joulemark.exports.export import Export
from joulemark.exports.usage import Usage
from joulemark.pricing import money
from joulemark.pricing.dates import moment_text
from joulemark.pricing.price import EVERYWHERE, Price, PriceModel
from joulemark.units import NS_PER_S

VERSIONS: Final = ("1.1", "1.2")
LATEST: Final = VERSIONS[-1]

QUANTUM_H: Final = Decimal("1e-9")
"""Quantities are whole multiples of this part of an hour, 3.6 us."""

PRICE_PLACES: Final = Decimal("1e-12")
STEPS: Final = 500
"""So far from the measured length, 1.8 ms, a quantity is looked for; prices of four decimals need 70 steps at most."""

COMMITTED: Final = (PriceModel.RESERVED, PriceModel.SAVINGS_PLAN, PriceModel.COMMITTED_USE)
"""Their prices contain the discount for a commitment, which no list price and no contracted price may contain."""

CATEGORIES: Final = {
    **dict.fromkeys(COMMITTED, "Committed"),
    PriceModel.SPOT: "Dynamic",
    PriceModel.MARKETPLACE: "Dynamic",
    PriceModel.ON_PREM: "Other",
    PriceModel.CUSTOM: "Other",
}
"""PricingCategory by price model; Standard where it is not named."""

SYSTEMS: Final = {"linux": "Linux", "windows": "Windows", "macos": "MacOS"}
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A spreadsheet runs a cell that begins with one of these."""

COLUMNS: Final = (
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "Tags",
)
OWN_COLUMNS: Final = (
    "x_RunId",
    "x_Benchmark",
    "x_Phase",
    "x_PhaseNumber",
    "x_PhaseKind",
    "x_PhaseCounted",
    "x_PhaseAborted",
    "x_PhaseBegin",
    "x_PhaseEnd",
    "x_InputTokens",
    "x_OutputTokens",
    "x_Requests",
    "x_RequestsFailed",
    "x_EnergyJoules",
    "x_EnergyUncertainty95Joules",
    "x_EnergyBoundary",
    "x_EnergyScope",
    "x_Simulated",
    "x_CardCost",
    "x_ElectricityCost",
    "x_ElectricityCurrency",
    "x_PricePointId",
    "x_PriceStatus",
    "x_PriceStale",
    "x_PriceModel",
    "x_PriceFetchedAt",
    "x_PriceSource",
    "x_Reason",
)

Row = dict[str, str]


def export(usages: Iterable[Usage], *, account: str, version: str = LATEST, priced_only: bool = False) -> Export:
    """The rows of `usages` as CSV (RFC 4180, UTF-8). A cell that is empty is null.

    `account`: BillingAccountId of every row. `priced_only`: leave out what has no amounts, which makes a file that conforms. Raises
    FormatError for a version that is none of VERSIONS.
    """
    if version not in VERSIONS:
        raise FormatError(f"FOCUS {version} is not known here", f"use one of {', '.join(VERSIONS)}")
    rows, findings = [], []
    for usage in usages:
        row = row_of(usage, account=account)
        if row["ListCost"]:
            rows.append(row)
            continue
        if not priced_only:
            rows.append(row)
        missing = "left out" if priced_only else "without amounts, which FOCUS wants in every row"
        findings.append(f"{usage.name} is {missing}: {row['x_Reason']}")
    return Export(written(rows), len(rows), tuple(findings))


def written(rows: Sequence[Row]) -> str:
    """Header and rows."""
    out = io.StringIO()
    table = csv.DictWriter(out, (*COLUMNS, *OWN_COLUMNS), lineterminator="\r\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def row_of(usage: Usage, *, account: str) -> Row:
    """One row, null as empty text."""
    begin_s, end_s = usage.begin_ns // NS_PER_S, -(-usage.end_ns // NS_PER_S)
    month_begin, month_end = month(begin_s)
    values: dict[str, Any] = {
        "BilledCost": Decimal(0),
        "BillingAccountId": account,
        "BillingPeriodStart": month_begin,
        "BillingPeriodEnd": month_end,
        "ChargeCategory": "Usage",
        "ChargeDescription": f"Showback, not billed: {usage.phase} of run {usage.run_id or '(no id)'}",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": moment_text(begin_s * NS_PER_S),
        "ChargePeriodEnd": moment_text(end_s * NS_PER_S),
        "ServiceCategory": "Compute",
        "ServiceName": "Instance rental",
        "ServiceSubcategory": "Virtual Machines",
        "Tags": json.dumps(dict(usage.labels), ensure_ascii=False, sort_keys=True) if usage.labels else None,
    }
    values |= provider(usage) | amounts(usage) | own(usage)
    values |= consumed(usage, values["PricingQuantity"])
    if usage.rent.price is not None:
        values |= sku(usage.rent.price)
    return {column: cell(values.get(column)) for column in (*COLUMNS, *OWN_COLUMNS)}


def provider(usage: Usage) -> dict[str, Any]:
    """Who rents the machine out, and where; without a price what the labels of the run say."""
    price, labels = usage.rent.price, usage.labels
    name = labels.get("provider") if price is None else price.provider
    return {
        "ProviderName": name,
        "PublisherName": name,
        "InvoiceIssuerName": name,
        "RegionId": labels.get("region") if price is None or price.region == EVERYWHERE else price.region,
        "AvailabilityZone": None if price is None else price.zone,
    }


def amounts(usage: Usage) -> dict[str, Any]:
    """Hours and money. Every unit price times PricingQuantity is its cost exactly, in decimal and in double precision."""
    rent, hours = usage.rent, rounded(usage.hours)
    found: dict[str, Any] = {"PricingQuantity": hours, "PricingUnit": "Hours"}
    if rent.price is None or rent.per_hour is None:
        return {**found, "x_Reason": rent.reason}
    model = rent.price.price_model
    found |= {"BillingCurrency": rent.price.currency, "PricingCategory": CATEGORIES.get(model, "Standard")}
    if rent.changed:
        return {**found, "EffectiveCost": rent.amount, "x_Reason": "the price changed within the phase, so it has no one list price"}
    unit_price = rent.per_hour.quantize(PRICE_PLACES, ROUND_HALF_EVEN, money.CONTEXT)
    product = exact(unit_price, hours)
    if product is None:
        return {**found, "x_Reason": f"no quantity near {hours} h has an exact cost at {unit_price} in double precision"}
    quantity, cost = product
    found |= {"PricingQuantity": quantity, "EffectiveCost": cost}
    if model in COMMITTED:
        return {**found, "x_Reason": f"the price is {model}; the list price without the commitment is not on the card"}
    return {**found, "ListUnitPrice": unit_price, "ListCost": cost, "ContractedUnitPrice": unit_price, "ContractedCost": cost}


def consumed(usage: Usage, hours: Decimal) -> dict[str, Any]:
    """Tokens where both directions were counted and there were some, else the hours of the machine: FOCUS 1.1 wants more than zero."""
    if tokens := usage.tokens_total:
        return {"ConsumedQuantity": money.decimal(tokens), "ConsumedUnit": "Tokens"}
    return {"ConsumedQuantity": hours, "ConsumedUnit": "Hours"}


def sku(price: Price) -> dict[str, Any]:
    """What was rented, in the provider's names."""
    name = price.sku_id or price.instance_type
    parts = (name, price.region, price.os, str(price.price_model))
    details = {
        "CoreCount": price.vcpu,
        "GpuCount": price.gpu_count,
        "InstanceType": price.instance_type,
        "MemorySize": None if price.memory_gib is None else float(price.memory_gib),
        "OperatingSystem": SYSTEMS.get(price.os, price.os),
        "x_GpuModel": price.gpu_model or None,
    }
    known = {key: value for key, value in details.items() if value is not None}
    return {
        "SkuId": name,
        "SkuMeter": "Instance Usage",
        "SkuPriceId": "/".join(parts),
        "SkuPriceDetails": json.dumps(known, ensure_ascii=False),
    }


def own(usage: Usage) -> dict[str, Any]:
    """The columns that FOCUS does not know. The cost of the electricity is part of the rent, and never added to it."""
    rent, price = usage.rent, usage.rent.price
    cost, currency = usage.electricity or (None, None)
    return {
        "x_RunId": usage.run_id,
        "x_Benchmark": usage.benchmark,
        "x_Phase": usage.phase,
        "x_PhaseNumber": usage.nth,
        "x_PhaseKind": usage.kind,
        "x_PhaseCounted": usage.counted,
        "x_PhaseAborted": usage.aborted,
        "x_PhaseBegin": moment_text(usage.begin_ns),
        "x_PhaseEnd": moment_text(usage.end_ns),
        "x_InputTokens": usage.tokens["input"],
        "x_OutputTokens": usage.tokens["output"],
        "x_Requests": usage.requests,
        "x_RequestsFailed": usage.requests_failed,
        "x_EnergyJoules": usage.energy_j,
        "x_EnergyUncertainty95Joules": usage.u95_j,
        "x_EnergyBoundary": usage.boundary,
        "x_EnergyScope": usage.scope,
        "x_Simulated": usage.simulated,
        "x_CardCost": rent.amount,
        "x_ElectricityCost": cost,
        "x_ElectricityCurrency": currency,
        "x_PricePointId": None if price is None else price.point_id,
        "x_PriceStatus": rent.status,
        "x_PriceStale": rent.stale,
        "x_PriceModel": None if price is None else str(price.price_model),
        "x_PriceFetchedAt": None if price is None else moment_text(price.fetched_at_ns),
        "x_PriceSource": None if price is None else price.source_url,
    }


def exact(unit_price: Decimal, hours: Decimal) -> tuple[Decimal, Decimal] | None:
    """(quantity, cost): the quantity nearest to `hours` whose product with `unit_price` is `cost` in decimal and in double precision alike.

    `hours` is a multiple of the quantum. Importers of FOCUS compare the product in double precision without any tolerance; 0.1 * 3 is
    not 0.3 there. None when none of the nearest quantities will do, which happens to prices such as 1.000000000001.
    """
    for quantity in near(hours):
        cost = money.CONTEXT.multiply(unit_price, quantity)
        if float(unit_price) * float(quantity) == float(cost):
            return quantity, cost
    return None


def near(quantity: Decimal) -> Iterator[Decimal]:
    """`quantity` and its neighbours above zero, the nearest first."""
    yield quantity
    for step in range(1, STEPS + 1):
        yield quantity + step * QUANTUM_H
        if quantity > step * QUANTUM_H:
            yield quantity - step * QUANTUM_H


def rounded(hours: Decimal) -> Decimal:
    """`hours` as a whole multiple of the quantum, at least one: a phase that took place took time."""
    return max(hours.quantize(QUANTUM_H, ROUND_HALF_EVEN, money.CONTEXT), QUANTUM_H)


def month(at_s: int) -> tuple[str, str]:
    """First moment of the month in UTC that holds the second `at_s`, and of the month after it."""
    begin = datetime.fromtimestamp(at_s, tz=UTC).replace(day=1, hour=0, minute=0, second=0)
    end = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return f"{begin:%Y-%m-%dT%H:%M:%SZ}", f"{end:%Y-%m-%dT%H:%M:%SZ}"


def cell(value: Any) -> str:
    """A value as the text of a cell: numbers plain and without exponent, null empty, text so that no spreadsheet runs it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return money.text(money.decimal(value))
    return f"'{value}" if value.startswith(FORMULA) else str(value)
