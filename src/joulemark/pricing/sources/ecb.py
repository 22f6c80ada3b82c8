"""Exchange rates of the euro, from the reference rates that the European Central Bank publishes on each of its working days.

Written from the public description of the format. The rates are for information: no bill was paid at them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from joulemark.errors import FormatError
from joulemark.pricing import money
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.markup import children, local, text_at, tree
from joulemark.pricing.rates import Rate
from joulemark.pricing.source import DAY_S, Source
from joulemark.pricing.web import Web

KIND: Final = "ecb"
BASE: Final = "EUR"
DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


@dataclass(frozen=True)
class Config:
    """Keys of a `[[feed]]` of kind `ecb`."""

    currencies: tuple[str, ...] = ()
    """ISO 4217 codes that are wanted beside the euro; all when empty."""
    url: str = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"
    """Address of the list; eurofxref-hist-90d.xml beside it holds the last 90 days, eurofxref-hist.xml all since 1999."""


def parse_rates(body: bytes, *, fetched_at_ns: int, source_url: str, currencies: tuple[str, ...] = ()) -> Harvest:
    """A rate for each day and currency of the list; one that is missing or no number is rejected with its day.

    Raises FormatError for a document of another kind.
    """
    root = tree(body, "the list of the ECB")
    days = [day for outer in children(root, "Cube") for day in children(outer, "Cube")]
    sender = text_at(root, "Sender", "name")
    if local(root) != "Envelope" or not days:
        raise FormatError(f"the list of the ECB is a {local(root)} of {sender[:80] or 'nobody'} without days", "check the address")
    rates: list[Rate] = []
    rejected: list[Rejected] = []
    wanted = {code.upper() for code in currencies}
    for day in days:
        for entry in children(day, "Cube"):
            if wanted and entry.get("currency") not in wanted:
                continue
            try:
                rates.append(rate_of(entry, day.get("time") or "", fetched_at_ns=fetched_at_ns, source_url=source_url))
            except FormatError as error:
                rejected.append(Rejected(f"{day.get('time')} {entry.get('currency')}", error.what))
    return Harvest(tuple(rates), tuple(rejected), list_version=max((day.get("time") or "" for day in days), default=""))


def rate_of(entry: Element, day: str, *, fetched_at_ns: int, source_url: str) -> Rate:
    """The rate of one currency on one day. Raises FormatError for what is no rate, or not dated."""
    if not DAY.fullmatch(day):
        raise FormatError(f"time {day[:40]!r} is no day", "check the address")
    return Rate(
        base=BASE,
        quote=entry.get("currency") or "",
        rate=money.amount(entry.get("rate"), "rate"),
        effective_from_ns=moment_ns(day, "time"),
        fetched_at_ns=fetched_at_ns,
        source_url=source_url,
        feed=KIND,
    )


async def gather(settings: Config, web: Web) -> Harvest:
    """The reference rates of the list. Raises what `Web.get` and `parse_rates` do."""
    reply = await web.get(settings.url)
    return parse_rates(reply.body, fetched_at_ns=reply.fetched_at_ns, source_url=reply.url, currencies=settings.currencies)


SOURCE: Final = Source(KIND, Config, gather, interval_s=DAY_S, max_age_s=5 * DAY_S, experimental=True)
