"""Gates: what a feed brings is compared with what it brought last, so that a list that lies does not become a cost.

Price lists were seen with a unit mistaken, a currency changed and half their rows gone. The row that cannot be true is refused; a list
that has shrunk is held whole, and the last good one stays. Somebody who knows better says `force`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from typing import Final

from joulemark.pricing.carbon import Carbon
from joulemark.pricing.fetch import Fetch, Harvest, Outcome, Rejected
from joulemark.pricing.price import Price
from joulemark.pricing.rates import Rate
from joulemark.pricing.snapshot import Record
from joulemark.pricing.store import Added, PriceStore
from joulemark.pricing.tariffs import Tariff

LOWEST, HIGHEST = Decimal("0.2"), Decimal(5)
"""Least and largest believable ratio of an amount to the last good one of the same thing."""

LEAST_SHARE: Final = Decimal("0.8")
"""Of the rows of the last good list that a list must have."""

NOTHING: Final = "no row of the list became a price"

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a harvest: the `fetch` as it was stored, what was `added`, and the rows that were `rejected`."""

    fetch: Fetch
    added: Added
    rejected: tuple[Rejected, ...] = ()


def commit(store: PriceStore, fetch: Fetch, harvest: Harvest, *, force: bool = False) -> Taken:
    """Store `fetch` with what of `harvest` passes, or hold the whole list; either way the attempt is told with its counts.

    A list with the very bytes of the last good one is that one, found unchanged. `force`: nothing is compared; a list of which no row
    became a price is held all the same. Raises what `PriceStore` does.
    """
    last = store.last_good(fetch.feed, fetch.scope)
    if last is not None and fetch.raw_sha256 and fetch.raw_sha256 == last.raw_sha256 and not force:
        same = replace(fetch, outcome=Outcome.NOT_MODIFIED, repeats=last.fetch_id)
        return Taken(same, store.take(same))
    records, implausible = (harvest.records, ()) if force else plausible(harvest.records, store.newest(fetch.feed))
    rejected = harvest.rejected + implausible
    counted = replace(
        fetch,
        published_at_ns=fetch.published_at_ns if harvest.published_at_ns is None else harvest.published_at_ns,
        list_version=harvest.list_version or fetch.list_version,
        rows_parsed=len(records),
        rows_rejected=len(rejected),
    )
    if reason := NOTHING if rejected and not records else "" if force or by_the_hour(records) else shrunk(len(records), last):
        held = replace(counted, outcome=Outcome.HELD, error=reason)
        return Taken(held, store.take(held, (), rejected), rejected)
    good = replace(counted, outcome=Outcome.OK)
    return Taken(good, store.take(good, records, rejected), rejected)


def by_the_hour(records: Sequence[Record]) -> bool:
    """Whether all are of stretches of time: such a list is as long as the days it covers, half as long before tomorrow's is published."""
    return bool(records) and all(isinstance(record, Tariff | Carbon) for record in records)


def shrunk(rows: int, last: Fetch | None) -> str:
    """Why a list of `rows` rows is held; empty where it is not. The first list of a scope is held only when nothing is in it."""
    if last is None or not last.rows_parsed:
        return "" if rows else NOTHING
    if rows >= LEAST_SHARE * last.rows_parsed:
        return ""
    return f"{rows} rows are less than {LEAST_SHARE:.0%} of the {last.rows_parsed} of the last good list; that one stays in use"


def plausible(records: Iterable[Record], before: Iterable[Record]) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
    """Those of `records` that can be true after `before`, and the others with the reason.

    A price or an exchange rate is compared with the one of the same thing known last, of a history with the one of the list before.
    Tariffs and carbon intensities swing by the hour, below zero too, and are not compared.
    """
    last: dict[Key, list[Price | Rate]] = {}
    for _, group in groupby(sorted(before, key=known_ns), key=known_ns):
        remember(last, group)
    passed: list[Record] = []
    rejected: list[Rejected] = []
    for _, group in groupby(sorted(records, key=list_ns), key=list_ns):
        good = []
        for record in group:
            if reason := doubt(record, last.get(key(record), [])):
                rejected.append(Rejected(name(record), reason))
            else:
                good.append(record)
        remember(last, good)
        passed += good
    return tuple(passed), tuple(rejected)


def remember(last: dict[Key, list[Price | Rate]], group: Iterable[Record]) -> None:
    """Let the records of `group`, all of one time, be the last ones of their keys."""
    fresh: dict[Key, list[Price | Rate]] = {}
    for record in group:
        if isinstance(record, Price | Rate):
            fresh.setdefault(key(record), []).append(record)
    last |= fresh


def doubt(record: Record, last: list[Price | Rate]) -> str:
    """Why `record` cannot be true after each of `last`; empty where it can."""
    if not isinstance(record, Price | Rate) or not last:
        return ""
    money, unit = measured_in(record)
    if all(measured_in(one) != (money, unit) for one in last):
        was = " per ".join(measured_in(last[0]))
        return f"implausible: it is in {money} per {unit}, the last one was in {was}"
    amounts = [amount(one) for one in last if measured_in(one) == (money, unit)]
    if any(LOWEST * one <= amount(record) <= HIGHEST * one for one in amounts):
        return ""
    return f"implausible: {amount(record)} is not within {LOWEST} to {HIGHEST} times {amounts[0]}, the last good one"


def measured_in(record: Price | Rate) -> tuple[str, str]:
    """Currency and unit of an amount."""
    return (record.currency, str(record.unit)) if isinstance(record, Price) else (record.quote, record.base)


def amount(record: Price | Rate) -> Decimal:
    """The figure that is compared."""
    return record.amount if isinstance(record, Price) else record.rate


def key(record: Record) -> Key:
    """What must be equal for two amounts to be of the same thing. A SKU need not: vendors give new ones to old prices."""
    if isinstance(record, Rate):
        return (record.base, record.quote)
    if not isinstance(record, Price):
        return ()
    place = (record.provider, record.region, record.zone, record.instance_type)
    return (*place, record.os, record.tenancy, record.price_model, record.term_months, record.payment_option)


def name(record: Record) -> str:
    """How a message calls a record."""
    if isinstance(record, Price):
        return " ".join(part for part in (record.provider, record.instance_type, record.region, record.zone, record.price_model) if part)
    return f"{record.base}/{record.quote}" if isinstance(record, Rate) else record.zone


def known_ns(record: Record) -> int:
    """When a record was known."""
    return record.known_ns


def list_ns(record: Record) -> int:
    """When the list of a record was published; 0 where nobody says. Records of one list are not compared with each other."""
    return (record.published_at_ns or 0) if isinstance(record, Price) else 0
