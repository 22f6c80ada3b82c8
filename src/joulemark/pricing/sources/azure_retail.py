"""Virtual machines of Azure: the Retail Prices API lists them without a key, nine rows for one machine, most of which are not its price.

One question for each machine in each region, asked in the provider's spelling, because filters of the preview tell upper from lower case.
Reference: Azure Retail Prices REST API, version 2023-01-01-preview (learn.microsoft.com/rest/api/cost-management/retail-prices).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import Any, Final

from joulemark.errors import ConfigError, FormatError
from joulemark.pricing import money
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.machines import machine
from joulemark.pricing.page import STEP, json_page, listed
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.snapshot import Record
from joulemark.pricing.source import Source
from joulemark.pricing.web import Web

KIND: Final = "azure_retail"
SERVICE: Final = "Virtual Machines"
HOUR: Final = "1 Hour"
YEAR_HOURS: Final = 8760
"""Hours of a year of a reservation, also of a leap year."""

TERM: Final = re.compile(r"([1-9]) Years?", re.ASCII)
NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}", re.ASCII)
CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)

KEY: Final = ("skuId", "type", "tierMinimumUnits", "effectiveStartDate", "reservationTerm", "armRegionName")
"""What identifies a row among all pages."""

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """`[[feed]]` of kind azure_retail: which machines, in which regions. No key is needed."""

    regions: tuple[str, ...]
    """Regions as Azure writes them, for example eastus."""
    instance_types: tuple[str, ...]
    """Machines as Azure writes them, upper and lower case included, for example Standard_ND96isr_H100_v5."""
    currency: str = "USD"
    """Currency that is asked for; in any other than USD Azure calls its prices a reference only."""
    url: str = "https://prices.azure.com/api/retail/prices"
    """Address of the Retail Prices API."""
    api_version: str = "2023-01-01-preview"
    """Version of the API; the preview lists savings plans too."""

    def __post_init__(self) -> None:
        for name in ("regions", "instance_types"):
            values = getattr(self, name)
            if not values or not all(NAME.fullmatch(value) for value in values):
                raise ConfigError(f"{KIND}: {name} names nothing, or what is no name", "write what you rent, as Azure writes it")
        if not CURRENCY.fullmatch(self.currency):
            raise ConfigError(f"{KIND}: currency {self.currency!r} is not an ISO 4217 code", "write for example USD")


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its `items`, the address of the next one, empty at the end, and what it was read from."""

    items: tuple[Item, ...]
    next_url: str
    source_url: str
    payload_sha256: str
    fetched_at_ns: int


async def gather(config: Config, web: Web) -> Harvest:
    """All pages for each machine in each region. Raises what `web` and `parse_page` raise."""
    pages: list[Page] = []
    silent: list[Rejected] = []
    for region, instance_type in product(config.regions, config.instance_types):
        found = [page async for page in pages_of(config, web, region, instance_type)]
        if not any(page.items for page in found):
            silent.append(Rejected(f"{instance_type} {region}", "not_listed: check the spelling, which must be that of Azure"))
        pages += found
    harvest = harvested(pages, currency=config.currency)
    return replace(harvest, rejected=(*harvest.rejected, *silent))


async def pages_of(config: Config, web: Web, region: str, instance_type: str) -> AsyncIterator[Page]:
    """The pages about one machine in one region, along the links as they are given."""
    told = f"serviceName eq '{SERVICE}' and armRegionName eq '{region}' and armSkuName eq '{instance_type}'"
    asked = {"api-version": config.api_version, "currencyCode": f"'{config.currency}'", "$filter": told}
    reply = await web.get(config.url, params=asked)
    seen: set[str] = set()
    while True:
        page = parse_page(reply.body, source_url=reply.url, payload_sha256=reply.sha256, fetched_at_ns=reply.fetched_at_ns)
        yield page
        if not page.next_url:
            return
        if page.next_url in seen:
            raise FormatError(f"{reply.url} leads back to a page before it", STEP)
        seen.add(page.next_url)
        reply = await web.get(page.next_url)


def parse_page(body: bytes, *, source_url: str, fetched_at_ns: int, payload_sha256: str = "") -> Page:
    """One reply of the API. Raises FormatError where it is none."""
    data = json_page(body, where=source_url)
    items = tuple(listed(data, "Items", dict, where=source_url))
    link = data.get("NextPageLink")
    if not isinstance(link, str | None):
        raise FormatError(f"{source_url}: NextPageLink is no address", STEP)
    return Page(items, link or "", source_url, payload_sha256, fetched_at_ns)


def parse_reply(body: bytes, *, source_url: str, fetched_at_ns: int, payload_sha256: str = "", currency: str = "USD") -> Harvest:
    """The prices on one page. Raises what `parse_page` does."""
    page = parse_page(body, source_url=source_url, fetched_at_ns=fetched_at_ns, payload_sha256=payload_sha256)
    return harvested([page], currency=currency)


@dataclass(frozen=True, slots=True)
class Row:
    """One item of a page, with what else is listed for the same meter on demand, None where nothing is."""

    item: Item
    page: Page
    currency: str
    on_demand: Decimal | None

    def text(self, key: str) -> str:
        """The text at `key`. Raises FormatError where there is none."""
        value = self.item.get(key)
        if not isinstance(value, str) or not value:
            raise FormatError(f"schema: {key} is missing", STEP)
        return value

    @property
    def amount(self) -> Decimal:
        """Its amount as it stands there."""
        return money.amount(self.item.get("unitPrice"), "unitPrice")

    @property
    def spot(self) -> bool:
        """Whether its machines may be taken back."""
        return self.text("meterName").endswith(" Spot")


def harvested(pages: Iterable[Page], *, currency: str) -> Harvest:
    """The prices on all pages. A row that stands on two of them, as happens when the list changes meanwhile, is taken once."""
    by_key: dict[tuple[object, ...], list[tuple[str, Item, Page]]] = defaultdict(list)
    for page in pages:
        for number, item in enumerate(page.items):
            by_key[key_of(item)].append((f"{page.source_url} Items[{number}]", item, page))
    items = [item for same in by_key.values() for _, item, _ in same]
    meters = {str(item.get("meterId")): amount for item in items if (amount := hourly_on_demand(item)) is not None}
    rows, rejected = [], []
    for same in by_key.values():
        if len({asked(item) for _, item, _ in same}) > 1:
            pointers = ", ".join(pointer for pointer, _, _ in same)
            rejected.append(Rejected(same[0][0], f"ambiguous: one SKU, type and date at different prices: {pointers}"))
            continue
        pointer, item, page = same[0]
        rows.append((pointer, Row(item, page, currency, meters.get(str(item.get("meterId"))))))
    harvest = sifted(rows, prices_of)
    return replace(harvest, rejected=(*rejected, *harvest.rejected))


def key_of(item: Item) -> tuple[object, ...]:
    """What identifies a row: one SKU is listed with several types, and one meter with several SKUs."""
    return tuple(
        str(item.get(name)) for name in ("skuId", "type", "tierMinimumUnits", "effectiveStartDate", "reservationTerm", "armRegionName")
    )


def asked(item: Item) -> object:
    """The amount of a row, to be compared: 0.096 and 0.0960 are one."""
    amount = item.get("unitPrice")
    return amount if isinstance(amount, int | Decimal) else repr(amount)


def hourly_on_demand(item: Item) -> Decimal | None:
    """The amount of a row that is a price on demand; None of every other."""
    amount, name = item.get("unitPrice"), str(item.get("meterName"))
    plain = item.get("type") == "Consumption" and not name.endswith((" Spot", " Low Priority"))
    return Decimal(amount) if plain and isinstance(amount, int | Decimal) else None


def prices_of(row: Row) -> Iterator[Record | str]:
    """The prices that one row states, or the reasons why it states none."""
    if reason := unfit(row):
        yield reason
        return
    if row.text("type") == "Reservation":
        yield reservation(row)
        return
    price = price_of(row)
    yield price
    plans = row.item.get("savingsPlan") or []
    if not isinstance(plans, list) or not all(isinstance(plan, dict) for plan in plans):
        yield "schema: savingsPlan is no list of objects"
        return
    for plan in plans:
        yield savings(price, plan)


def unfit(row: Row) -> str:
    """Why a row is no price of a machine that one rents; empty where it may be one. `isPrimaryMeterRegion` says nothing of it."""
    listed_in = row.text("currencyCode")
    if listed_in != row.currency:
        return f"currency: listed in {listed_in}, asked for in {row.currency}"
    if row.item.get("serviceName") != SERVICE:
        return f"service: {row.item.get('serviceName')} is not {SERVICE}"
    if row.text("type") not in ("Consumption", "Reservation"):
        return f"{row.text('type')}: only for subscriptions for development"
    if row.text("meterName").endswith(" Low Priority"):
        return "low_priority: replaced by Spot, and still listed"
    if row.text("unitOfMeasure") != HOUR:
        return f"unit: {row.text('unitOfMeasure')} is not {HOUR}"
    if row.item.get("tierMinimumUnits", 0) != 0:
        return "tier: a price above a quantity, not the first hour's"
    return ""


def price_of(row: Row) -> Price:
    """The price on demand or of a spot machine. Raises FormatError for what no price can be, a zero among it."""
    type_name = row.text("armSkuName")
    known = machine("azure", type_name)
    return Price(
        provider="azure",
        region=row.text("armRegionName"),
        instance_type=type_name,
        amount=row.amount,
        currency=row.currency,
        unit=Unit.INSTANCE_HOUR,
        effective_from_ns=moment_ns(row.text("effectiveStartDate"), "effectiveStartDate"),
        effective_trust=Trust.MONTH_STAMP if row.spot else Trust.VALID_FROM,
        fetched_at_ns=row.page.fetched_at_ns,
        source_url=row.page.source_url,
        payload_sha256=row.page.payload_sha256,
        price_model=PriceModel.SPOT if row.spot else PriceModel.ON_DEMAND,
        os="windows" if row.text("productName").endswith(" Windows") else "linux",
        sku_id=row.text("skuId"),
        meter_id=row.text("meterId"),
        gpu_model=known.gpu_model if known else "",
        gpu_count=known.gpu_count if known else None,
        gpu_memory_gib=known.gpu_memory_gib if known else None,
        vcpu=known.vcpu if known else None,
        memory_gib=known.memory_gib if known else None,
        feed=KIND,
    )


def reservation(row: Row) -> Price:
    """The price per hour of a reservation, which is listed for its whole term though its unit says an hour.

    Raises FormatError for an unknown term, and where the amount could as well be the one of an hour: it is not above the price on demand,
    and a part of it would be less than a fiftieth of that.
    """
    years = years_of(row.text("reservationTerm"))
    whole = row.amount
    hourly = money.CONTEXT.divide(whole, YEAR_HOURS * years)
    if row.on_demand is not None and whole <= row.on_demand and hourly * 50 < row.on_demand:
        raise FormatError(f"ambiguous: {whole} for {row.text('reservationTerm')} may be a price per hour, on demand it is {row.on_demand}")
    return replace(
        price_of(row),
        amount=Decimal(money.stored(hourly)),
        price_model=PriceModel.RESERVED,
        effective_trust=Trust.VALID_FROM,
        term_months=12 * years,
        note=f"{whole} {row.currency} for {YEAR_HOURS * years} h",
    )


def savings(price: Price, plan: Item) -> Price:
    """The price of a machine under a savings plan, which is listed per hour. Raises FormatError where it has no term or no amount."""
    years = years_of(str(plan.get("term")))
    amount = money.amount(plan.get("unitPrice"), "savingsPlan unitPrice")
    return replace(price, amount=amount, price_model=PriceModel.SAVINGS_PLAN, term_months=12 * years)


def years_of(term: str) -> int:
    """Years of a term. Raises FormatError for what is none."""
    found = TERM.fullmatch(term)
    if not found:
        raise FormatError(f"term: {term} is not understood", STEP)
    return int(found[1])


SOURCE: Final = Source(KIND, Config, gather)
