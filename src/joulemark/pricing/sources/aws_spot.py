"""Spot machines of AWS: the history of prices that EC2 keeps for 90 days, zone by zone, each from the second of its change.

Needs boto3 and an account that may ask `ec2:DescribeSpotPriceHistory`; boto3 finds its keys where it always does. A price belongs to its
zone: the lowest of all zones is nobody's price. Reference: Amazon EC2 API, DescribeSpotPriceHistory.
Experimental: no recorded reply was at hand.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from joulemark.config import at_least
from joulemark.errors import ConfigError, EnvironmentFailed, FormatError, RemoteUnreachable
from joulemark.pricing import money
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.fetch import Harvest
from joulemark.pricing.machines import machine
from joulemark.pricing.page import STEP, listed, taken
from joulemark.pricing.price import Price, PriceModel, Trust, Unit
from joulemark.pricing.sieve import sifted
from joulemark.pricing.snapshot import Record
from joulemark.pricing.source import DAY_S, Source
from joulemark.pricing.sources.aws_bulk import REGION, TYPE
from joulemark.pricing.web import Web
from joulemark.units import NS_PER_S

KIND: Final = "aws_spot"
LONGEST_DAYS: Final = 90
"""As far back as EC2 answers."""

MOST_PAGES: Final = 100
SYSTEMS: Final = {"Linux/UNIX": "linux", "Windows": "windows", "Red Hat Enterprise Linux": "rhel", "SUSE Linux": "suse"}
"""Products as EC2 calls them; the same with ` (Amazon VPC)` behind."""


@dataclass(frozen=True, slots=True)
class Config:
    """`[[feed]]` of kind aws_spot: which machines, in which region. Needs the extra pricing-aws and keys where boto3 looks for them."""

    region: str
    """Region, for example us-east-1."""
    instance_types: tuple[str, ...]
    """Machines, for example p5.48xlarge."""
    product: str = "Linux/UNIX"
    """System as EC2 calls it: Linux/UNIX, Windows, Red Hat Enterprise Linux or SUSE Linux."""
    days: int = 1
    """How many days back the history is asked for; EC2 keeps 90."""
    profile: str = ""
    """Profile of the credentials that boto3 takes; its default unless named."""

    def __post_init__(self) -> None:
        at_least(f"{KIND}.days", self.days, 1)
        if self.days > LONGEST_DAYS:
            raise ConfigError(f"{KIND}.days = {self.days} is beyond what EC2 keeps", f"set at most {LONGEST_DAYS}")
        if self.product not in SYSTEMS:
            raise ConfigError(f"{KIND}: no product {self.product!r}", f"use one of {', '.join(SYSTEMS)}")
        if not REGION.fullmatch(self.region) or not self.instance_types or not all(TYPE.fullmatch(name) for name in self.instance_types):
            raise ConfigError(f"{KIND}: region or instance_types names nothing", 'write for example us-east-1 and ["p5.48xlarge"]')


async def gather(config: Config, web: Web) -> Harvest:
    """The history of the last `days`. Raises EnvironmentFailed without boto3, RemoteUnreachable, and what `parse_history` raises."""
    asked_ns = web.clock.utc_ns()
    pages = await asyncio.to_thread(history, config, asked_ns)
    url = f"https://ec2.{config.region}.amazonaws.com/?Action=DescribeSpotPriceHistory"
    return parse_history(pages, region=config.region, fetched_at_ns=web.clock.utc_ns(), source_url=url)


def history(config: Config, asked_ns: int) -> list[Mapping[str, Any]]:
    """All pages of the answer of EC2, by boto3. Raises EnvironmentFailed without it, RemoteUnreachable for what it raises."""
    try:
        boto3, failures = importlib.import_module("boto3"), importlib.import_module("botocore.exceptions")
    except ImportError as error:
        raise EnvironmentFailed("spot prices of AWS need boto3", "run pip install 'joulemark[pricing-aws]'") from error
    begin_ns = asked_ns - config.days * DAY_S * NS_PER_S
    asked = {
        "InstanceTypes": list(config.instance_types),
        "ProductDescriptions": [config.product],
        "StartTime": datetime.datetime.fromisoformat(moment_text(begin_ns)),
        "EndTime": datetime.datetime.fromisoformat(moment_text(asked_ns)),
    }
    try:
        session = boto3.session.Session(region_name=config.region, profile_name=config.profile or None)
        pages = session.client("ec2").get_paginator("describe_spot_price_history").paginate(**asked)
        found: list[Mapping[str, Any]] = []
        for page in pages:
            found.append(page)
            if len(found) > MOST_PAGES:
                raise FormatError(f"the spot prices of {config.region} have more than {MOST_PAGES} pages", "ask for fewer days or machines")
    except (failures.BotoCoreError, failures.ClientError) as error:
        what = f"the spot prices of {config.region} cannot be read: {error}"
        raise RemoteUnreachable(what, "check the keys of boto3 and the right to ec2:DescribeSpotPriceHistory") from error
    return found


def parse_history(pages: Iterable[Mapping[str, Any]], *, region: str, fetched_at_ns: int, source_url: str) -> Harvest:
    """A price for each change in `pages`, from its second on, in its zone. The last change before the time asked for is among them.

    Raises FormatError for what is no page of the history.
    """
    items = [item for page in pages for item in listed(page, "SpotPriceHistory", dict, where=source_url)]

    def read(item: Mapping[str, Any]) -> Iterator[Record]:
        yield price_of(item, region=region, fetched_at_ns=fetched_at_ns, source_url=source_url)

    return sifted([(f"SpotPriceHistory[{number}]", item) for number, item in enumerate(items)], read)


def price_of(item: Mapping[str, Any], *, region: str, fetched_at_ns: int, source_url: str) -> Price:
    """The price of one change. Raises FormatError for an unknown system, a zone elsewhere, a zero, and a time that is none."""
    product = taken(item, "ProductDescription", str, where=KIND).removesuffix(" (Amazon VPC)")
    zone, name = taken(item, "AvailabilityZone", str, where=KIND), taken(item, "InstanceType", str, where=KIND)
    if product not in SYSTEMS:
        raise FormatError(f"product: {product} is not understood", STEP)
    if not zone.startswith(region):
        raise FormatError(f"zone: {zone} is not in {region}", STEP)
    known = machine("aws", name)
    return Price(
        provider="aws",
        region=region,
        zone=zone,
        instance_type=name,
        amount=money.amount(taken(item, "SpotPrice", str, where=KIND), "SpotPrice"),
        currency="CNY" if region.startswith("cn-") else "USD",
        unit=Unit.INSTANCE_HOUR,
        price_model=PriceModel.SPOT,
        os=SYSTEMS[product],
        gpu_model=known.gpu_model if known else "",
        gpu_count=known.gpu_count if known else None,
        gpu_memory_gib=known.gpu_memory_gib if known else None,
        effective_from_ns=moment_ns(item.get("Timestamp"), "Timestamp"),
        effective_trust=Trust.VALID_FROM,
        fetched_at_ns=fetched_at_ns,
        source_url=source_url,
        feed=KIND,
    )


SOURCE: Final = Source(KIND, Config, gather, interval_s=DAY_S, active_s=1800, max_age_s=7200, hard_limit_s=DAY_S, experimental=True)
