"""Compute Engine of Google: its catalog lists cores, memory, GPUs and disks, of which the price of a machine is put together.

A machine of which one part is not listed has no price at all: its host without its GPUs costs a fifth. Reference: Cloud Billing API v1,
`services.skus.list`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Final

from joulemark.errors import FormatError, RemoteUnreachable
from joulemark.pricing import money
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.gcp_skus import CatalogPage, Mode, Part, parse_page, refused
from joulemark.pricing.key import key_of
from joulemark.pricing.machines import Machine, machines
from joulemark.pricing.price import Component, Price, PriceModel, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.snapshot import Record
from joulemark.pricing.source import DAY_S, Source
from joulemark.pricing.web import Web

KIND: Final = "gcp_catalog"
COMPUTE_ENGINE: Final = "6F81-5844-456A"
MONTH_HOURS: Final = 730
"""Hours of a month at Google: a GiB of local disk at 0.08 a month is 0.08/730 an hour."""

PAGE_SIZE: Final = 5000
MOST_PAGES: Final = 100


@dataclass(frozen=True, slots=True)
class Config:
    """`[[feed]]` of kind gcp_catalog: a key of a project with the Cloud Billing API."""

    key_file: Path
    """File with the API key, one line, readable by this user only."""
    regions: tuple[str, ...] = ()
    """Regions whose prices are kept, for example us-central1; all unless named."""
    url: str = "https://cloudbilling.googleapis.com"
    """Address of the Cloud Billing API."""


async def gather(config: Config, web: Web) -> Harvest:
    """All pages of the catalog, asked for in USD. Raises AccessDenied for a wrong key, and what `web` and `parse_page` raise."""
    key = key_of(config.key_file, kind=KIND)
    address = f"{config.url}/v1/services/{COMPUTE_ENGINE}/skus"
    pages: list[CatalogPage] = []
    tokens = {""}
    token = ""
    while True:
        asked = {"currencyCode": "USD", "pageSize": str(PAGE_SIZE), **({"pageToken": token} if token else {})}
        try:
            reply = await web.get(address, params=asked, secret={"X-Goog-Api-Key": key})
        except RemoteUnreachable as error:
            if "API key" in error.what:
                raise refused(error.what) from error
            raise
        pages.append(parse_page(reply.body, where=address, sha256=reply.sha256))
        token = pages[-1].next_token
        if not token:
            return composed(pages, fetched_at_ns=reply.fetched_at_ns, source_url=address, regions=config.regions)
        if token in tokens or len(pages) >= MOST_PAGES:
            raise FormatError(f"{address} gives page after page without end", "report it; prices that are known stay in use")
        tokens.add(token)


def parse_catalog(bodies: Iterable[bytes], *, fetched_at_ns: int, source_url: str, regions: Iterable[str] = ()) -> Harvest:
    """A price for each machine, region and mode of which all parts are listed in the pages `bodies`.

    Raises AccessDenied where a page says that the key is wrong, FormatError where one is no page of a catalog.
    """
    pages = [parse_page(body, where=source_url, sha256=hashlib.sha256(body).hexdigest()) for body in bodies]
    return composed(pages, fetched_at_ns=fetched_at_ns, source_url=source_url, regions=regions)


@dataclass(frozen=True, slots=True)
class Offer:
    """A machine in one region and mode, with the parts listed there, by their names."""

    machine: Machine
    region: str
    mode: Mode
    parts: dict[str, list[Part]]

    def needed(self) -> Iterator[tuple[str, Decimal, list[Part]]]:
        """What the machine consists of: name of the part, how many, and the SKUs it is listed under."""
        of = self.machine
        yield "cores", Decimal(of.vcpu), self.parts.get(f"{of.core_sku} core", [])
        yield "memory", of.memory_gib, self.parts.get(f"{of.core_sku} ram", [])
        yield "GPUs", Decimal(of.gpu_count), [part for name in of.gpu_sku for part in self.parts.get(name, [])]
        if of.local_ssd_gib:
            yield "local disk", Decimal(of.local_ssd_gib), self.parts.get("ssd", [])

    @property
    def begun(self) -> bool:
        """Whether its cores or its GPUs are listed there at all. Memory and disks come with every machine."""
        found = {name: parts for name, _, parts in self.needed()}
        return bool(found["cores"] or found["GPUs"])


def composed(pages: Iterable[CatalogPage], *, fetched_at_ns: int, source_url: str, regions: Iterable[str]) -> Harvest:
    """The prices of all machines of which every part stands on some page; the others are rejected with what is missing."""
    by_place: dict[tuple[str, Mode], dict[str, list[Part]]] = {}
    rejected: list[Rejected] = []
    wanted = set(regions)
    for page in pages:
        rejected += page.rejected
        for part in page.parts:
            for region in part.regions:
                if not wanted or region in wanted:
                    by_place.setdefault((region, part.mode), {}).setdefault(part.name, []).append(part)
    known = [machine for machine in machines().values() if machine.core_sku]
    offers = [Offer(machine, region, mode, parts) for ((region, mode), parts), machine in product(sorted(by_place.items()), known)]

    def read(offer: Offer) -> Iterator[Record]:
        yield price_of(offer, fetched_at_ns=fetched_at_ns, source_url=source_url)

    found = sifted([(f"{o.machine.instance_type} {o.region} {o.mode.model}", o) for o in offers if o.begun], read)
    return Harvest(found.records, (*rejected, *found.rejected))


def chosen(offer: Offer) -> dict[str, tuple[Decimal, Part]]:
    """How many of which SKU make the machine. Raises FormatError where a part is missing, or listed at two prices."""
    if missing := [name for name, _, parts in offer.needed() if not parts]:
        raise FormatError(f"part_missing: {', '.join(missing)} not listed there; the other parts alone are no price")
    found = {}
    for name, quantity, parts in offer.needed():
        if len({(part.amount, part.currency, part.per_month) for part in parts}) > 1:
            raise FormatError(f"ambiguous: {name} listed as {', '.join(part.sku_id for part in parts)} at different prices")
        part = min(parts, key=lambda one: one.sku_id)
        found[name] = (Decimal(money.stored(money.CONTEXT.divide(quantity, MONTH_HOURS))) if part.per_month else quantity, part)
    return found


def price_of(offer: Offer, *, fetched_at_ns: int, source_url: str) -> Price:
    """The price of a machine from its parts, read from the page that lists its GPUs. Raises what `chosen` does, and for two currencies."""
    parts = chosen(offer)
    used = [part for _, part in parts.values()]
    if len(currencies := sorted({part.currency for part in used})) > 1:
        raise FormatError(f"its parts are in different currencies: {', '.join(currencies)}")
    total = functools.reduce(money.CONTEXT.add, (money.CONTEXT.multiply(quantity, part.amount) for quantity, part in parts.values()))
    stamps = [part.effective_ns for part in used if part.effective_ns is not None]
    of, mode = offer.machine, offer.mode
    return Price(
        provider="gcp",
        region=offer.region,
        instance_type=of.instance_type,
        sku_id="+".join(part.sku_id for part in used),
        amount=Decimal(money.stored(total)),
        currency=currencies[0],
        unit=Unit.INSTANCE_HOUR,
        effective_from_ns=max(stamps, default=fetched_at_ns),
        effective_trust=Trust.QUERY_TIME if stamps else Trust.NONE,
        fetched_at_ns=fetched_at_ns,
        source_url=source_url,
        price_model=mode.model,
        payment_option=mode.payment_option,
        term_months=mode.term_months or None,
        gpu_model=of.gpu_model,
        gpu_count=of.gpu_count,
        gpu_memory_gib=of.gpu_memory_gib,
        vcpu=of.vcpu,
        memory_gib=of.memory_gib,
        components=tuple(Component(part.sku_id, quantity, part.amount) for quantity, part in parts.values()),
        billing_step_s=1 if mode.model is PriceModel.ON_DEMAND else None,
        billing_minimum_s=60 if mode.model is PriceModel.ON_DEMAND else None,
        feed=KIND,
        payload_sha256=parts["GPUs"][1].page_sha256,
        note="; ".join(dict.fromkeys(part.note for part in used if part.note)),
    )


SOURCE: Final = Source(KIND, Config, gather, interval_s=DAY_S // 2)
