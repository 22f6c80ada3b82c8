"""SKUs of Compute Engine: which part of a machine each is, how it is rented, and what an hour of it costs.

Reference: Cloud Billing API v1, resource `Sku`. A description says more than a category: spot and calendar SKUs were seen in the category
OnDemand.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from joulemark import document
from joulemark.errors import AccessDenied, FormatError
from joulemark.pricing import money
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.fetch import Rejected
from joulemark.pricing.machines import machines
from joulemark.pricing.page import json_page, listed, taken
from joulemark.pricing.price import PriceModel

NANO: Final = Decimal("1e-9")
"""Finest amount of a SKU in its own currency."""

HEAD: Final = r"(?:(?:Spot Preemptible|Preemptible|DWS [\w ]+?|Reserved|Commitment v1:) )?"
TAIL: Final = r"(?: attached to .+? VMs)?(?: (?:running )?in .+)?"
CORE: Final = re.compile(HEAD + r"(?P<series>[A-Z]\d[A-Z]*) (?:Instance )?(?P<part>Core|Cpu|Ram)" + TAIL, re.IGNORECASE)
GPU: Final = re.compile(HEAD + r"(?:Nvidia )?(?P<gpu>[A-Z][\w ]*?) GPU" + TAIL, re.IGNORECASE)
DISK: Final = re.compile(HEAD + r"(?:SSD backed Local Storage|Local SSD)" + TAIL, re.IGNORECASE)
OTHER: Final = re.compile(r"sole tenancy|custom|premium|workstation|suspended|capacity optimized", re.IGNORECASE)
"""Words of SKUs that are no part of a machine as it is listed."""

UNITS: Final[Mapping[str, bool]] = {"h": False, "GiBy.h": False, "GiBy.mo": True}
"""Units of use, and whether they are of a month."""


@dataclass(frozen=True, slots=True, order=True)
class Mode:
    """How a part is rented. `term_months`: of a commitment, else 0."""

    model: PriceModel
    term_months: int = 0
    payment_option: str = ""


USAGE: Final[Mapping[str, Mode]] = {
    "OnDemand": Mode(PriceModel.ON_DEMAND),
    "Preemptible": Mode(PriceModel.SPOT),
    "Commit1Yr": Mode(PriceModel.COMMITTED_USE, 12),
    "Commit3Yr": Mode(PriceModel.COMMITTED_USE, 36),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One SKU: `name` of the part (`A2 core`, `A2 ram`, `Tesla A100`, `ssd`), and `amount` per core, GiB or GPU, and hour or month."""

    name: str
    regions: tuple[str, ...]
    mode: Mode
    sku_id: str
    amount: Decimal
    currency: str
    per_month: bool = False
    effective_ns: int | None = None
    note: str = ""
    page_sha256: str = ""


@dataclass(frozen=True, slots=True)
class CatalogPage:
    """What is of interest on one page of the catalog, and the token of the next page, empty on the last."""

    parts: tuple[Part, ...]
    rejected: tuple[Rejected, ...] = ()
    next_token: str = ""


def parse_page(body: bytes, *, where: str, sha256: str = "") -> CatalogPage:
    """The parts of GPU machines on one page, whose hash is `sha256`.

    Raises AccessDenied for a wrong key, FormatError for what is no page of the catalog.
    """
    data = json_page(body, where=where)
    if "error" in data:
        message = data["error"].get("message") if isinstance(data["error"], Mapping) else data["error"]
        raise refused(f"{where} answers {document.shown(message)}")
    parts: list[Part] = []
    rejected: list[Rejected] = []
    for number, sku in enumerate(listed(data, "skus", dict, where=where)):
        try:
            if name := part_name(str(sku.get("description", ""))):
                parts.append(replace(part_of(sku, name), page_sha256=sha256))
        except FormatError as error:
            rejected.append(Rejected(f"skus[{number}] {document.shown(sku.get('skuId'))}", error.what))
    token = data.get("nextPageToken", "")
    if not isinstance(token, str):
        raise FormatError(f"{where}: nextPageToken is {document.shown(token)}, not text", "report it with the address")
    return CatalogPage(tuple(parts), tuple(rejected), token)


def refused(what: str) -> AccessDenied:
    """The error for a key that Google does not take."""
    return AccessDenied(f"Google does not take the key: {what}", "put a valid key of a project with the Cloud Billing API into key_file")


@functools.cache
def names() -> Mapping[str, str]:
    """What Google calls the parts of the machines that are known: in lower case to as it is written."""
    return {name.lower(): name for machine in machines().values() for name in (machine.core_sku, *machine.gpu_sku) if name}


def part_name(description: str) -> str:
    """The part of a machine that a SKU is, by its description; empty where it is of none that is known."""
    known = names()
    if OTHER.search(description) or (re.match("reserved", description, re.IGNORECASE) and "calendar" not in description.lower()):
        return ""
    if DISK.fullmatch(description):
        return "ssd"
    if core := CORE.fullmatch(description):
        series = known.get(core["series"].lower(), "")
        return f"{series} {'ram' if core['part'].lower() == 'ram' else 'core'}" if series else ""
    gpu = GPU.fullmatch(description)
    return known.get(gpu["gpu"].lower(), "") if gpu else ""


def part_of(sku: Mapping[str, Any], name: str) -> Part:
    """The part that `sku` is. Raises FormatError where it says no price, contradicts itself or has an unknown unit."""
    where = "the SKU"
    usage = taken(taken(sku, "category", dict, where=where), "usageType", str, where="category")
    infos = listed(sku, "pricingInfo", dict, where=where)
    if not infos:
        raise FormatError("pricingInfo is empty: the SKU has no price")
    newest = infos[-1]
    expression = taken(newest, "pricingExpression", dict, where="pricingInfo")
    unit = taken(expression, "usageUnit", str, where="pricingExpression")
    if unit not in UNITS:
        raise FormatError(f"usageUnit {document.shown(unit)} is none of {', '.join(UNITS)}")
    amount, currency = tier(listed(expression, "tieredRates", dict, where="pricingExpression"))
    amount, currency, note = undone(amount, currency, newest.get("currencyConversionRate"))
    effective = newest.get("effectiveTime")
    return Part(
        name=name,
        regions=tuple(listed(sku, "serviceRegions", str, where=where)),
        mode=mode_of(taken(sku, "description", str, where=where), usage),
        sku_id=taken(sku, "skuId", str, where=where),
        amount=amount,
        currency=currency,
        per_month=UNITS[unit],
        effective_ns=None if effective is None else moment_ns(effective, "effectiveTime"),
        note=note,
    )


def mode_of(description: str, usage: str) -> Mode:
    """How a SKU is rented, by its description and its usageType. Raises FormatError where the two contradict each other."""
    if usage not in USAGE:
        raise FormatError(f"usageType {document.shown(usage)} is none of {', '.join(USAGE)}")
    category, said, words = USAGE[usage], None, description.lower()
    if "commitment" in words:
        years = re.search(r" for (\d) years?$", words)
        said = Mode(PriceModel.COMMITTED_USE, 12 * int(years[1]) if years else category.term_months)
    elif "calendar" in words:
        said = Mode(PriceModel.DWS, payment_option="calendar")
    elif "dws" in words:
        said = Mode(PriceModel.DWS, payment_option="defined_duration")
    elif "preemptible" in words or "spot" in words.split():
        said = Mode(PriceModel.SPOT)
    if said is None:
        return category
    committed = PriceModel.COMMITTED_USE in (said.model, category.model)
    if said.model is PriceModel.COMMITTED_USE and not said.term_months:
        raise FormatError(f"the commitment {document.shown(description)} does not say for how long")
    if committed and said != category and category.model is not PriceModel.ON_DEMAND:
        raise FormatError(f"the description {document.shown(description)} contradicts usageType {usage}")
    return said


def tier(rates: list[dict[str, Any]]) -> tuple[Decimal, str]:
    """Amount and currency of the first use that is paid for: the first tier may be a free allotment.

    Raises FormatError where no tier has a price.
    """
    for rate in sorted(rates, key=start):
        price = taken(rate, "unitPrice", dict, where="tieredRates")
        units = money.amount(price.get("units", "0"), "unitPrice units")
        nanos = money.amount(price.get("nanos", 0), "unitPrice nanos")
        if amount := units + nanos * NANO:
            return amount, taken(price, "currencyCode", str, where="unitPrice")
    raise FormatError("every tier is zero: the SKU has no list price")


def start(rate: Mapping[str, Any]) -> Decimal:
    """From what use on a tier holds. Raises FormatError where it does not say."""
    return money.amount(rate.get("startUsageAmount", 0), "startUsageAmount")


def undone(amount: Decimal, currency: str, rate: object) -> tuple[Decimal, str, str]:
    """Amount, currency and a note: an amount that Google converted from USD is converted back at its own rate.

    The list in USD has nine decimals, and back they come: the rounding in the other currency is far below.
    """
    if currency == "USD" or rate is None:
        return amount, currency, ""
    per_usd = money.amount(rate, "currencyConversionRate")
    if not per_usd:
        raise FormatError("currencyConversionRate is zero")
    usd = money.CONTEXT.divide(amount, per_usd).quantize(NANO)
    return usd, "USD", f"{money.text(amount)} {currency} at the rate of the list, {money.text(per_usd)} {currency} for 1 USD"
