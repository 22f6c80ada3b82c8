"""Savings plans of AWS: what a machine costs under a plan, joined to its price on demand by the SKU that the plan discounts.

A plan names SKUs, not machines, so the list of EC2 of the same region is read first and says which machine, system and tenancy a SKU is.
Reference: AWS Billing user guide, "Reading the service price list file for a Savings Plan" (docs.aws.amazon.com/awsaccountbilling).
Experimental: no recorded list of savings plans was at hand.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.aws_list import Row, head, rows, version_ns
from joulemark.pricing.aws_offer import BROKEN
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.page import json_page, listed, taken
from joulemark.pricing.price import Price, PriceModel
from joulemark.pricing.sieve import sifted
from joulemark.pricing.snapshot import Record
from joulemark.pricing.source import Source
from joulemark.pricing.sources import aws_bulk
from joulemark.pricing.sources.aws_bulk import CURRENT, file_of, parse_list
from joulemark.pricing.web import Reply, Web

KIND: Final = "aws_savings"
PLANS: Final = {"ComputeSavingsPlans": "", "EC2InstanceSavingsPlans": "_ec2_instance"}
"""Families of plans, with what tells their ways of paying apart: the second holds for one family of machines only, and is cheaper."""

NEEDED: Final = frozenset(
    (
        *("sku", "ratecode", "unit", "effectivedate", "discountedrate", "currency", "discountedsku"),
        *("productfamily", "purchaseoption", "leasecontractlength"),
    )
)
TERM: Final = re.compile(r"([13]) ?(yr|years?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Config:
    """`[[feed]]` of kind aws_savings: for which machines, in which region. No key is needed."""

    region: str
    """Region, for example us-east-1."""
    instance_types: tuple[str, ...]
    """Machines, for example p5.48xlarge; p5.* stands for all sizes of a family."""
    operating_systems: tuple[str, ...] = ("Linux",)
    """Systems as AWS writes them: Linux, Windows, RHEL, SUSE."""
    tenancies: tuple[str, ...] = ("Shared",)
    """Shared or Dedicated."""
    currency: str = "USD"
    """Currency of the lists: CNY for the regions of China."""
    url: str = "https://pricing.us-east-1.amazonaws.com"
    """Where the lists are; for China https://pricing.cn-northwest-1.amazonaws.com.cn."""

    def __post_init__(self) -> None:
        self.machines()

    def machines(self) -> aws_bulk.Config:
        """How the list of machines is asked for. Raises ConfigError for what cannot be asked."""
        return aws_bulk.Config(
            self.region, self.instance_types, self.operating_systems, self.tenancies, currency=self.currency, url=self.url
        )


async def gather(config: Config, web: Web) -> Harvest:
    """The plans of one region for the machines of its current list. Raises what `web`, `parse_list` and `parse_plans` raise."""
    asked = config.machines()
    reply = await web.stream(f"{asked.folder}/{CURRENT}/{config.region}/index.csv")
    offers = await asyncio.to_thread(parse_list, file_of(reply), reply, asked.selection)
    machines = {r.sku_id: r for r in offers.records if isinstance(r, Price) and r.price_model is PriceModel.ON_DEMAND}
    if not machines:
        return Harvest((), offers.rejected)
    base = config.url.rstrip("/")
    index = await web.get(f"{base}/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json")
    path = version_path(index.body, config.region, where=index.url)
    reply = await web.stream(f"{base}{path}")
    return await asyncio.to_thread(parse_plans, file_of(reply), reply, machines)


def version_path(body: bytes, region: str, *, where: str) -> str:
    """Path of the newest list of `region` as CSV, from the index of regions. Raises FormatError where it names none."""
    for entry in listed(json_page(body, where=where), "regions", dict, where=where):
        if entry.get("regionCode") == region:
            path = taken(entry, "versionUrl", str, where=where)
            if not path.startswith("/savingsPlan/"):
                raise FormatError(f"{where}: versionUrl {path[:80]!r} is no path of a list", "report it; prices that are known stay in use")
            return f"{path.removesuffix('.json').removesuffix('.csv')}.csv"
    raise FormatError(f"{where} has no plans for {region}", "remove the feed, or correct its region")


def parse_plans(path: Path, reply: Reply, machines: Mapping[str, Price]) -> Harvest:
    """The prices under the plans in the list at `path`, of the machines that are known on demand by their SKU.

    A machine without a plan is told. Raises FormatError for what is no list of plans.
    """
    about = head(path, where=reply.url, needed=NEEDED)
    words = [f'"{sku}"' for sku in machines]
    found = [(row.get("ratecode") or place, row) for place, row in rows(path, about.columns, words, where=reply.url)]

    def read(row: Row) -> Iterator[Record]:
        price = machines.get(row.get("discountedsku", ""))
        if not row or price is None:
            raise FormatError("discounts another SKU" if row else BROKEN)
        yield replace(
            discounted(row, price),
            fetched_at_ns=reply.fetched_at_ns,
            published_at_ns=version_ns(about.version),
            list_version=about.version,
            source_url=reply.url,
            payload_sha256=reply.sha256,
            feed=KIND,
        )

    harvest = sifted(found, read)
    having = {record.sku_id for record in harvest.records if isinstance(record, Price)}
    absent = [price for sku, price in machines.items() if sku not in having]
    told = tuple(Rejected(f"{price.instance_type} {price.region}", "no_plan: the list has no plan for it") for price in absent)
    return Harvest(harvest.records, harvest.rejected + told, about.published_at_ns, about.version)


def discounted(row: Row, price: Price) -> Price:
    """The price of a machine under the plan of one row. Raises FormatError where the row is no price of an hour in the same currency."""
    if row["unit"] != "Hrs":
        raise FormatError(f"unit: {row['unit']} is not Hrs")
    if row["currency"] != price.currency:
        raise FormatError(f"currency: listed in {row['currency']}, the machine in {price.currency}")
    if row["productfamily"] not in PLANS:
        raise FormatError(f"plan: {row['productfamily']} is none for machines")
    term = TERM.fullmatch(f"{row['leasecontractlength']} {row.get('leasecontractlengthunit', '')}".strip())
    if not term:
        raise FormatError(f"term: {row['leasecontractlength']} {row.get('leasecontractlengthunit', '')} is not understood")
    return replace(
        price,
        amount=money.amount(row["discountedrate"], "DiscountedRate"),
        price_model=PriceModel.SAVINGS_PLAN,
        term_months=12 * int(term[1]),
        payment_option=f"{row['purchaseoption'].lower().replace(' ', '_')}{PLANS[row['productfamily']]}",
        effective_from_ns=moment_ns(row["effectivedate"], "EffectiveDate"),
    )


SOURCE: Final = Source(KIND, Config, gather, experimental=True)
