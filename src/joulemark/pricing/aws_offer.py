"""Offers of AWS: rows of a price list, in CSV or JSON, and which of them are the price of a machine.

One machine stands in a list a hundred times: with other systems, licences, software, tenancies, as reserved capacity that is used or not,
as a capacity block at zero. What was not asked for is passed over; what was asked for and has no price is told with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.aws_list import Row, plain
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.machines import machine
from joulemark.pricing.page import STEP, json_page, taken
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.snapshot import Record
from joulemark.pricing.terms import reserved_per_hour

FAMILIES: Final = ("Compute Instance", "Compute Instance (bare metal)")
NEEDED: Final = frozenset(
    (
        *("sku", "offertermcode", "ratecode", "termtype", "effectivedate", "unit", "priceperunit", "currency"),
        *("productfamily", "instancetype", "operatingsystem", "tenancy", "preinstalledsw", "licensemodel"),
    )
)
"""Columns without which a row cannot be told from another."""

USUAL: Final = {"capacitystatus": "Used", "locationtype": "AWS Region", "startingrange": "0"}
"""Columns that not all lists have, with the one value that is a price of a machine in use."""

UPFRONT: Final = "Quantity"
HOURLY: Final = "Hrs"
BROKEN: Final = "broken: the row is no CSV, or has not as many values as the header"
NO_HOURS: Final = ("All Upfront",)
"""Ways of paying with nothing per hour."""

BYOL: Final = "Bring your own license"

YEARS: Final = {"1yr": 1, "3yr": 3, "1 yr": 1, "3 yr": 3}


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted of a list: `instance_types`, with `p5.*` for all of a family; systems and tenancies as AWS writes them."""

    region: str
    instance_types: tuple[str, ...]
    operating_systems: tuple[str, ...] = ("Linux",)
    tenancies: tuple[str, ...] = ("Shared",)
    currency: str = "USD"

    @property
    def words(self) -> tuple[str, ...]:
        """What stands in the lines of the machines, quotes included."""
        return tuple(f'"{name[:-1]}' if name.endswith("*") else f'"{name}"' for name in self.instance_types)

    def names(self, instance_type: str) -> bool:
        """Whether a machine is wanted."""
        return any(instance_type.startswith(name[:-1]) if name.endswith("*") else instance_type == name for name in self.instance_types)

    def asks(self, row: Row) -> bool:
        """Whether a row is about what is wanted. Capacity blocks are, because somebody who rents one looks for its price here."""
        return (
            self.names(row["instancetype"])
            and row["productfamily"] in FAMILIES
            and row["operatingsystem"] in self.operating_systems
            and row["tenancy"] in self.tenancies
            and row["preinstalledsw"] in ("", "NA")
            and row["termtype"] in ("OnDemand", "Reserved")
            and all((row.get(column) or value) == value for column, value in USUAL.items())
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """Where rows come from, and when that was published and read."""

    source_url: str
    payload_sha256: str
    fetched_at_ns: int
    version: str
    published_at_ns: int
    feed: str


def offered(rows: Iterable[tuple[str, Row]], selection: Selection, seen: Seen) -> Harvest:
    """The prices that `selection` finds in `rows`, each given with its place. The rows of one reservation become one price."""
    plain_rows: list[tuple[str, Row]] = []
    reserved: dict[tuple[str, str], list[tuple[str, Row]]] = defaultdict(list)
    broken: list[Rejected] = []
    for place, row in rows:
        if not row:
            broken.append(Rejected(place, BROKEN))
        elif selection.asks(row) and for_a_term(row):
            reserved[row["sku"], row["offertermcode"]].append((place, row))
        elif selection.asks(row):
            plain_rows.append((place, row))
    priced = [(row["ratecode"] or place, row) for place, row in plain_rows]
    one = sifted(priced, lambda row: on_demand(row, selection, seen))
    groups = [(".".join(key), [row for _, row in group]) for key, group in reserved.items()]
    many = sifted(groups, lambda group: reservation(group, selection, seen))
    rejected = (*broken, *one.rejected, *many.rejected)
    return Harvest(one.records + many.records, rejected, seen.published_at_ns, seen.version)


def for_a_term(row: Row) -> bool:
    """Whether a row is part of a reservation: it has a length, wherever in the list it stands."""
    return row["termtype"] == "Reserved" or bool(row.get("leasecontractlength"))


def on_demand(row: Row, selection: Selection, seen: Seen) -> Iterator[Record]:
    """The price of a row that is charged by the hour. Raises FormatError with the reason where it is none."""
    market = row.get("marketoption") or "OnDemand"
    if row["unit"] != HOURLY:
        raise FormatError(f"unit: {row['unit']} is not {HOURLY}")
    amount = amount_of(row, selection)
    if market == "CapacityBlock" and not amount:
        raise FormatError("capacity_block_unpriced: AWS lists capacity blocks at zero; write the price you were offered into a price file")
    if market not in ("OnDemand", "CapacityBlock"):
        raise FormatError(f"market: {market} is neither on demand nor a capacity block")
    model = PriceModel.ON_DEMAND if market == "OnDemand" else PriceModel.CAPACITY_BLOCK
    by_second = model is PriceModel.ON_DEMAND and row["operatingsystem"] == "Linux"
    yield replace(
        price_of(row, amount, selection, seen),
        price_model=model,
        billing_step_s=1 if by_second else None,
        billing_minimum_s=60 if by_second else None,
    )


def reservation(rows: list[Row], selection: Selection, seen: Seen) -> Iterator[Record]:
    """The price of an hour under a reservation: what is paid by the hour, and what is paid at the beginning over all hours of the term.

    Raises FormatError with the reason where a part of it is missing or stands twice.
    """
    parts: dict[str, Decimal] = {}
    for row in rows:
        if row["unit"] not in (HOURLY, UPFRONT) or row["unit"] in parts:
            raise FormatError(f"reserved_parts: {row['unit']} stands twice, or is neither {HOURLY} nor {UPFRONT}")
        parts[row["unit"]] = amount_of(row, selection)
    row = rows[0]
    option, years = row.get("purchaseoption", ""), YEARS.get(row.get("leasecontractlength", ""))
    if years is None:
        raise FormatError(f"term: {row.get('leasecontractlength')!r} is not understood")
    if (HOURLY not in parts and option not in NO_HOURS) or (UPFRONT not in parts and option != "No Upfront"):
        raise FormatError(f"reserved_parts: {option} has only {', '.join(parts)}")
    hourly, upfront = parts.get(HOURLY, Decimal(0)), parts.get(UPFRONT, Decimal(0))
    offering = row.get("offeringclass") or "standard"
    yield replace(
        price_of(row, Decimal(money.stored(reserved_per_hour(hourly, upfront=upfront, years=years))), selection, seen),
        price_model=PriceModel.RESERVED,
        term_months=12 * years,
        payment_option=f"{option.lower().replace(' ', '_')}{'' if offering == 'standard' else f'_{offering}'}",
        note=f"{upfront} {selection.currency} at the beginning, {hourly} an hour, {years} x 8760 h",
    )


def amount_of(row: Row, selection: Selection) -> Decimal:
    """The amount of a row. Raises FormatError for another currency, a licence of one's own, and for what is no amount."""
    if row["currency"] != selection.currency:
        raise FormatError(f"currency: listed in {row['currency']}, asked for in {selection.currency}")
    if row["licensemodel"] == BYOL:
        raise FormatError("byol: the price is without the licence, which the renter brings")
    return money.amount(row["priceperunit"], "PricePerUnit")


def price_of(row: Row, amount: Decimal, selection: Selection, seen: Seen) -> Price:
    """The price of a row with `amount`. The count of GPUs is that of our table, else that of the list."""
    known = machine("aws", row["instancetype"])
    tenancy = row["tenancy"]
    return Price(
        provider="aws",
        region=row.get("regioncode") or selection.region,
        instance_type=row["instancetype"],
        amount=amount,
        currency=row["currency"],
        unit=Unit.INSTANCE_HOUR,
        os=row["operatingsystem"].lower(),
        tenancy="" if tenancy == "Shared" else tenancy.lower(),
        sku_id=row["sku"],
        gpu_model=known.gpu_model if known else "",
        gpu_count=known.gpu_count if known else whole(row.get("gpu", "")),
        gpu_memory_gib=known.gpu_memory_gib if known else None,
        vcpu=whole(row.get("vcpu", "")),
        memory_gib=gib(row.get("memory", "")),
        effective_from_ns=moment_ns(row["effectivedate"], "EffectiveDate"),
        effective_trust=Trust.MONTH_STAMP,
        fetched_at_ns=seen.fetched_at_ns,
        published_at_ns=seen.published_at_ns,
        list_version=seen.version,
        source_url=seen.source_url,
        payload_sha256=seen.payload_sha256,
        feed=seen.feed,
    )


def whole(text: str) -> int | None:
    """A count; None for `NA` and for none."""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 10**6 else None


def gib(text: str) -> Decimal | None:
    """Memory of `1,152 GiB`; None for what is no such text."""
    number, _, unit = text.replace(",", "").partition(" ")
    return Decimal(number) if unit == "GiB" and number.replace(".", "", 1).isdigit() and number.isascii() else None


def offer_rows(body: bytes, *, where: str) -> tuple[str, list[tuple[str, Row]]]:
    """Version and rows of an offer in JSON, in the spelling of the columns of a list. Raises FormatError where it is none."""
    data = json_page(body, where=where)
    products, terms = taken(data, "products", dict, where=where), taken(data, "terms", dict, where=where)
    rows: list[tuple[str, Row]] = []
    for kind in terms:
        for sku, offers in taken(terms, kind, dict, where=f"{where} terms").items():
            product = taken(products, sku, dict, where=f"{where} products")
            attributes = spelled(taken(product, "attributes", dict, where=f"{where} {sku}"))
            about = {**attributes, "productfamily": str(product.get("productFamily", "")), "sku": sku, "termtype": kind}
            for offer in offers.values() if isinstance(offers, dict) else ():
                rows += dimensions(offer, about, where=f"{where} {sku}")
    return taken(data, "version", str, where=where), rows


def dimensions(offer: object, about: Row, *, where: str) -> Iterator[tuple[str, Row]]:
    """The rows of one term of an offer: one for each of its price dimensions and currencies."""
    term = spelled(offer.get("termAttributes", {})) if isinstance(offer, dict) else {}
    given = {name.lower(): taken(offer, name, str, where=where) for name in ("offerTermCode", "effectiveDate")}
    for code, dimension in taken(offer, "priceDimensions", dict, where=where).items():
        for currency, amount in taken(dimension, "pricePerUnit", dict, where=f"{where} {code}").items():
            unit = taken(dimension, "unit", str, where=f"{where} {code}")
            start = {"startingrange": str(dimension.get("beginRange", "0"))}
            price = {"ratecode": code, "unit": unit, "currency": currency, "priceperunit": str(amount)}
            yield code, {**blank(), **about, **term, **given, **start, **price}


def blank() -> Row:
    """A row in which nothing stands: storage has no system and no tenancy."""
    return dict.fromkeys(NEEDED, "")


def spelled(attributes: object) -> Row:
    """Attributes under the names of columns. Raises FormatError for what is no object."""
    if not isinstance(attributes, dict):
        raise FormatError("the attributes of an offer are no object", STEP)
    return {plain(name): str(value) for name, value in attributes.items()}
