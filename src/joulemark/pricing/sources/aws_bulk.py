"""EC2 of AWS: its bulk price lists, one file for each region and version, without a key, and every version since 2015 is kept.

The list of a large region has 300 MB and is streamed. Old versions are asked for by date, so that a run of last year finds the price of
last year. Reference: AWS Billing user guide, "Getting price list files manually" (docs.aws.amazon.com/awsaccountbilling).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from joulemark.errors import ConfigError, FormatError
from joulemark.pricing.aws_list import head, rows, version_ns
from joulemark.pricing.aws_offer import NEEDED, Seen, Selection, offer_rows, offered
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.page import json_page, taken
from joulemark.pricing.source import Source
from joulemark.pricing.web import Reply, Web

KIND: Final = "aws_bulk"
ARCHIVE: Final = "aws_history"
"""The feed of a list that was not the newest one when it was read."""

NO_PRICE: Final = "no_price: no row of the list is its price; write the one you pay into a price file"
CURRENT: Final = "current"
CHINA: Final = "cn-"
REGION: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d", re.ASCII)
TYPE: Final = re.compile(r"[a-z0-9-]+\.([a-z0-9-]+|\*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Config:
    """`[[feed]]` of kind aws_bulk: which machines, in which region. No key is needed."""

    region: str
    """Region, for example us-east-1."""
    instance_types: tuple[str, ...]
    """Machines, for example p5.48xlarge; p5.* stands for all sizes of a family."""
    operating_systems: tuple[str, ...] = ("Linux",)
    """Systems as AWS writes them: Linux, Windows, RHEL, SUSE."""
    tenancies: tuple[str, ...] = ("Shared",)
    """Shared, Dedicated or Host."""
    as_of: tuple[str, ...] = ()
    """Dates, for example 2025-06-15: for each of them the list that was the newest then is read, in place of the current one."""
    currency: str = "USD"
    """Currency of the list: CNY for the regions of China."""
    url: str = "https://pricing.us-east-1.amazonaws.com"
    """Where the lists are; for China https://pricing.cn-northwest-1.amazonaws.com.cn."""

    def __post_init__(self) -> None:
        if not REGION.fullmatch(self.region):
            raise ConfigError(f"{KIND}: {self.region!r} is no region", "write for example us-east-1")
        if not self.instance_types or not all(TYPE.fullmatch(name) for name in self.instance_types):
            raise ConfigError(f"{KIND}: instance_types names nothing, or what is no machine", 'write for example ["p5.48xlarge", "g6.*"]')
        if self.region.startswith(CHINA) != (self.currency == "CNY"):
            raise ConfigError(
                f"{KIND}: the list of {self.region} is not in {self.currency}", "the lists of China are in CNY, all others in USD"
            )
        for date in self.as_of:
            moment_ns(date, f"{KIND} as_of")

    @property
    def folder(self) -> str:
        """Address of all lists of EC2."""
        return f"{self.url.rstrip('/')}/offers/v1.0/{'cn' if self.region.startswith(CHINA) else 'aws'}/AmazonEC2"

    @property
    def selection(self) -> Selection:
        """What is wanted of a list."""
        return Selection(self.region, self.instance_types, self.operating_systems, self.tenancies, self.currency)


async def gather(config: Config, web: Web) -> Harvest:
    """The current list, or those of the dates in `as_of`. Raises what `web` and `parse_list` raise."""
    versions = [CURRENT]
    if config.as_of:
        index = await web.get(f"{config.folder}/index.json")
        known = parse_versions(index.body, where=index.url)
        versions = list(dict.fromkeys(newest_at(known, moment_ns(date, "as_of")) for date in config.as_of))
    found = []
    feed = ARCHIVE if config.as_of else KIND
    for version in versions:
        reply = await web.stream(f"{config.folder}/{version}/{config.region}/index.csv")
        found.append(await asyncio.to_thread(parse_list, file_of(reply), reply, config.selection, feed=feed))
    return joined(found)


def file_of(reply: Reply) -> Path:
    """Where a streamed list lies."""
    assert reply.path is not None, "a stream ends in a file"
    return reply.path


def parse_list(path: Path, reply: Reply, selection: Selection, *, feed: str = KIND) -> Harvest:
    """The prices in the list at `path`, which is read in blocks; `reply` says where it comes from, `feed` whether it is an old one.

    A machine that is wanted and does not stand there is told. Raises FormatError for what is no price list.
    """
    about = head(path, where=reply.url, needed=NEEDED)
    seen = seen_of(reply, about.version, feed)
    harvest = offered(rows(path, about.columns, selection.words, where=reply.url), selection, seen)
    return told_absent(harvest, selection)


def parse_offer(body: bytes, reply: Reply, selection: Selection) -> Harvest:
    """The prices in a list as JSON, which is for short ones. Raises FormatError for what is no price list."""
    version, found = offer_rows(body, where=reply.url)
    return told_absent(offered(found, selection, seen_of(reply, version, KIND)), selection)


def seen_of(reply: Reply, version: str, feed: str) -> Seen:
    """Where the rows of a list come from. A version is the second of its publication."""
    return Seen(reply.url, reply.sha256, reply.fetched_at_ns, version, version_ns(version), feed)


def told_absent(harvest: Harvest, selection: Selection) -> Harvest:
    """`harvest` with those machines of which no row is a price; p5e is rented in capacity blocks only, and stands in no list."""
    priced = {getattr(record, "instance_type", "") for record in harvest.records}
    absent = [name for name in selection.instance_types if not any(Selection("", (name,)).names(one) for one in priced)]
    told = tuple(Rejected(f"{name} {selection.region}", NO_PRICE) for name in absent)
    return Harvest(harvest.records, harvest.rejected + told, harvest.published_at_ns, harvest.list_version)


def parse_versions(body: bytes, *, where: str) -> tuple[str, ...]:
    """All versions that are kept, oldest first. Raises FormatError where the index is none."""
    versions = taken(json_page(body, where=where), "versions", dict, where=where)
    return tuple(sorted(versions, key=version_ns))


def newest_at(versions: Iterable[str], t_ns: int) -> str:
    """The version that was published last at or before `t_ns`. Raises FormatError where none was."""
    before = [version for version in versions if version_ns(version) <= t_ns]
    if not before:
        raise FormatError(f"no list of AWS is as old as {moment_text(t_ns)}", "give a later date in as_of; the first is of 2015")
    return max(before, key=version_ns)


def joined(harvests: list[Harvest]) -> Harvest:
    """All lists of one gathering together, told by the newest."""
    newest = max(harvests, key=lambda one: one.published_at_ns or 0)
    records = tuple(record for one in harvests for record in one.records)
    rejected = tuple(row for one in harvests for row in one.rejected)
    return Harvest(records, rejected, newest.published_at_ns, newest.list_version)


SOURCE: Final = Source(KIND, Config, gather)
