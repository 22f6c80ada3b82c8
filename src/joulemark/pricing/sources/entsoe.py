"""Day-ahead prices of electricity in Europe, from the transparency platform of ENTSO-E (documents of type A44).

A market states its price per MWh for each position of a period, of 15, 30 or 60 minutes; below zero it pays for taking power. In a curve
of type A03 a position is left out where it repeats the one before. What a consumer pays on top (grid, taxes, levies) is not in it.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from joulemark import config
from joulemark.errors import ConfigError, FormatError, InsufficientData, JoulemarkError
from joulemark.pricing import money
from joulemark.pricing.dates import believable, moment_ns
from joulemark.pricing.fetch import Harvest, Rejected
from joulemark.pricing.markup import children, local, text_at, tree
from joulemark.pricing.source import DAY_S, Source
from joulemark.pricing.tariffs import Basis, Tariff
from joulemark.pricing.web import Web
from joulemark.timebase import zone
from joulemark.units import NS_PER_S

KIND: Final = "entsoe"
DAY_AHEAD: Final = "A44"
DAILY_AUCTION: Final = "A01"
MINUTES: Final = re.compile(r"PT(15|30|60)M", re.ASCII)
VARIABLE: Final = "A03"
LONGEST_DAYS: Final = 365
"""Of one question: the platform answers for a year at most."""

AHEAD_DAYS: Final = 2
"""From the midnight of today (UTC) until the end of tomorrow's market day, which ends before midnight UTC."""

MARKET_TIME: Final = "Europe/Brussels"
PUBLISHED_H: Final = 13
RETRY_S: Final = 3600
NOTE: Final = "day-ahead market price, without grid fees, taxes and levies"
MINUTE_NS: Final = 60 * NS_PER_S
SECRET: Final = "securityToken"


@dataclass(frozen=True)
class Config:
    """Keys of a `[[feed]]` of kind `entsoe`."""

    domain: str
    """EIC code of the bidding zone, for example 10YNL----------L."""
    key_file: Path
    """File with the security token of the account; nobody else may read it."""
    zone: str = ""
    """What the tariffs are filed under, as runs name it in the label tariff_zone; the EIC code when empty."""
    days: int = 1
    """Days before today that are asked for each time, which fills what was missed; more after a longer pause, 363 at most."""
    sequence: str = "1"
    """Which of several auctions of one day counts, by its position in the sequence."""
    pue: str = "1"
    """Energy of the building over energy of the IT equipment, as text."""
    pue_basis: Basis = Basis.ASSUMED
    """Whether pue was measured or is assumed."""
    url: str = "https://web-api.tp.entsoe.eu/api"
    """Address of the service."""

    def __post_init__(self) -> None:
        if not 0 <= self.days <= LONGEST_DAYS - AHEAD_DAYS:
            raise ConfigError(f"entsoe days = {self.days} is not from 0 to {LONGEST_DAYS - AHEAD_DAYS}", "ask for one year at most")
        if not re.fullmatch(r"[A-Z0-9-]{16}", self.domain, re.ASCII):
            raise ConfigError(f"entsoe domain = {self.domain!r} is no EIC code", "write 16 characters, for example 10YNL----------L")
        money.amount(self.pue, "entsoe pue")


@dataclass(frozen=True, slots=True)
class Market:
    """What all tariffs of one reply have in common."""

    zone: str
    fetched_at_ns: int
    source_url: str
    pue: Decimal = Decimal(1)
    pue_basis: Basis = Basis.ASSUMED


def parse_document(body: bytes, *, domain: str, market: Market, sequence: str = "1") -> Harvest:
    """A tariff for each position of the day-ahead auctions of `domain`, the omitted ones of an A03 curve filled from before.

    Where auctions of two resolutions cover one period the finer counts. Raises InsufficientData where the platform has no data, with its
    words, FormatError for a document of another kind.
    """
    root = tree(body, "the reply of ENTSO-E")
    if local(root).startswith("Acknowledgement"):
        said = "; ".join(text for reason in children(root, "Reason") if (text := text_at(reason, "text"))) or "no reason is given"
        raise InsufficientData(f"ENTSO-E has no prices of {domain}: {said[:300]}", "it is asked again within the hour")
    if not local(root).startswith("Publication") or text_at(root, "type") != DAY_AHEAD:
        raise FormatError(f"the reply of ENTSO-E is a {local(root)} of type {text_at(root, 'type')!r}", "report it: the format has changed")
    tariffs: list[Tariff] = []
    rejected: list[Rejected] = []
    for number, series in enumerate(children(root, "TimeSeries"), 1):
        pointer = f"TimeSeries {number}"
        try:
            currency = currency_of(series, domain=domain, sequence=sequence)
            for place, period in enumerate(children(series, "Period"), 1):
                tariffs += tariffs_of(period, f"{pointer} Period {place}", text_at(series, "curveType"), currency, market, rejected)
        except JoulemarkError as error:
            rejected.append(Rejected(pointer, str(error)))
    if not tariffs:
        why = rejected[0].reason if rejected else "it holds no TimeSeries"
        raise InsufficientData(f"ENTSO-E has no usable price of {domain}: {why}", "compare domain and sequence with the platform")
    finest = only_finest(tariffs)
    coarse = [Rejected(f"{t.effective_from_ns}", "a finer auction covers the same period") for t in tariffs if t not in finest]
    return Harvest(tuple(t for t in tariffs if t in finest), (*rejected, *coarse))


def currency_of(series: Element, *, domain: str, sequence: str) -> str:
    """The currency of a time series that is the wanted day-ahead auction, per MWh. Raises FormatError, saying why, where it is not."""
    domains = {text_at(series, "in_Domain.mRID"), text_at(series, "out_Domain.mRID")}
    if domains != {domain}:
        raise FormatError(f"it is of {' and '.join(sorted(domains))}, not of {domain}", "ask with one domain for both")
    auction = text_at(series, "contract_MarketAgreement.type") or DAILY_AUCTION
    if auction != DAILY_AUCTION:
        raise FormatError(f"contract type {auction} is no day-ahead auction", "nothing is to be done")
    place = text_at(series, "classificationSequence_AttributeInstanceComponent.position") or sequence
    if place != sequence:
        raise FormatError(f"it is auction {place} of the day, not {sequence}", "set sequence to take this one")
    unit = text_at(series, "price_Measure_Unit.name")
    if unit.upper() != "MWH":
        raise FormatError(f"its unit is {unit!r}, not MWH", "report it: the format has changed")
    return text_at(series, "currency_Unit.name")


def tariffs_of(period: Element, pointer: str, curve: str, currency: str, market: Market, rejected: list[Rejected]) -> Iterator[Tariff]:
    """The tariffs of one period. Positions that are missing or wrong leave a hole, and are told in `rejected`."""
    step = MINUTES.fullmatch(text_at(period, "resolution"))
    if step is None:
        raise FormatError(
            f"resolution {text_at(period, 'resolution')!r} is none of 15, 30 and 60 minutes", "report it: the format has changed"
        )
    step_ns = int(step[1]) * MINUTE_NS
    begin_ns, end_ns = (moment_ns(text_at(period, "timeInterval", edge), f"{pointer} {edge}") for edge in ("start", "end"))
    count, rest = divmod(end_ns - begin_ns, step_ns)
    if rest or not 0 < count <= LONGEST_DAYS * DAY_S * NS_PER_S // step_ns:
        raise FormatError(f"{pointer} is {(end_ns - begin_ns) / MINUTE_NS:g} min, not a row of {step[1]} min within a year", "report it")
    stated = positions(period, pointer, count, rejected)
    last: Decimal | None = None
    for position in range(1, count + 1):
        if position in stated or curve != VARIABLE:
            last = stated.get(position)
        if last is None:
            if position not in stated:
                rejected.append(Rejected(f"{pointer} Point {position}", "no price is given, and none before it that could repeat"))
            continue
        yield Tariff(
            zone=market.zone,
            amount=last.scaleb(-3, money.CONTEXT),
            currency=currency,
            amount_basis=Basis.ASSUMED,
            effective_from_ns=begin_ns + (position - 1) * step_ns,
            effective_to_ns=believable(begin_ns + position * step_ns, pointer),
            fetched_at_ns=market.fetched_at_ns,
            source_url=market.source_url,
            feed=KIND,
            pue=market.pue,
            pue_basis=market.pue_basis,
            note=NOTE,
        )


def positions(period: Element, pointer: str, count: int, rejected: list[Rejected]) -> dict[int, Decimal | None]:
    """Position -> price per MWh; None for one that is stated wrongly or twice, so that nothing repeats it or the one before."""
    found: dict[int, Decimal | None] = {}
    for point in children(period, "Point"):
        place = text_at(point, "position")
        if not (place.isascii() and place.isdigit() and len(place) < len(f"{count}") + 1 and 1 <= int(place) <= count):
            rejected.append(Rejected(pointer, f"position {place[:20]!r} is not from 1 to {count}"))
            continue
        position = int(place)
        try:
            price = money.amount(text_at(point, "price.amount"), "price.amount", signed=True)
        except FormatError as error:
            rejected.append(Rejected(f"{pointer} Point {position}", error.what))
            found[position] = None
            continue
        if position in found and found[position] != price:
            rejected.append(Rejected(f"{pointer} Point {position}", "the position stands twice, with two prices"))
            found[position] = None
        else:
            found[position] = price
    return found


def only_finest(tariffs: list[Tariff]) -> set[Tariff]:
    """Those of `tariffs` that no shorter one overlaps."""
    kept: set[Tariff] = set()
    taken: set[int] = set()
    for _, group in groupby(sorted(tariffs, key=length_ns), key=length_ns):
        free = [tariff for tariff in group if taken.isdisjoint(quarters(tariff))]
        kept.update(free)
        taken.update(quarter for tariff in free for quarter in quarters(tariff))
    return kept


def quarters(tariff: Tariff) -> range:
    """The quarters of an hour in which a tariff of a market holds, by their beginnings."""
    return range(tariff.effective_from_ns, tariff.effective_from_ns + length_ns(tariff), 15 * MINUTE_NS)


def length_ns(tariff: Tariff) -> int:
    """How long a tariff of a market holds."""
    return 0 if tariff.effective_to_ns is None else tariff.effective_to_ns - tariff.effective_from_ns


async def gather(settings: Config, web: Web) -> Harvest:
    """The prices of the last days, of today, and of tomorrow where they are published. Raises what `Web.get` and `parse_document` do."""
    today = datetime.datetime.fromtimestamp(web.clock.utc_ns() // NS_PER_S, datetime.UTC).replace(hour=0, minute=0, second=0)
    begin, end = today - datetime.timedelta(days=settings.days), today + datetime.timedelta(days=AHEAD_DAYS)
    params = {
        "documentType": DAY_AHEAD,
        "in_Domain": settings.domain,
        "out_Domain": settings.domain,
        "periodStart": f"{begin:%Y%m%d%H%M}",
        "periodEnd": f"{end:%Y%m%d%H%M}",
        SECRET: config.read_secret(settings.key_file, "entsoe key_file"),
    }
    reply = await web.get(settings.url, params=params, secret_keys=(SECRET,))
    market = Market(
        zone=settings.zone or settings.domain,
        fetched_at_ns=reply.fetched_at_ns,
        source_url=reply.url,
        pue=money.amount(settings.pue, "entsoe pue"),
        pue_basis=settings.pue_basis,
    )
    return parse_document(reply.body, domain=settings.domain, market=market, sequence=settings.sequence)


def due(harvest: Harvest, asked_ns: int) -> int:
    """When to ask next, UTC nanoseconds: at 13 h in Brussels, when tomorrow's prices come out; from then each hour until they are there."""
    now = datetime.datetime.fromtimestamp(asked_ns // NS_PER_S, zone(MARKET_TIME))
    published = now.replace(hour=PUBLISHED_H, minute=0, second=0)
    tomorrow = (published + datetime.timedelta(days=1)).timestamp() * NS_PER_S
    if any(isinstance(t, Tariff) and t.effective_to_ns is not None and t.effective_to_ns > tomorrow for t in harvest.records):
        return round(tomorrow)
    return round(published.timestamp()) * NS_PER_S if now < published else asked_ns + RETRY_S * NS_PER_S


SOURCE: Final = Source(KIND, Config, gather, interval_s=RETRY_S, due=due)
