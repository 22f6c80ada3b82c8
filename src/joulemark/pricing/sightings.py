"""When a price was seen, and what a provider said by showing it.

A price list says what is charged when it is read, and seldom since when. A price was seen when its list was published, and again each
time that list was read and found the newest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from joulemark.errors import FormatError
from joulemark.pricing import canonical
from joulemark.pricing.price import Price, Trust
from joulemark.pricing.sources import KINDS

Stream = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """`price` was seen at `t_ns`."""

    t_ns: int
    price: Price


def sightings(prices: Iterable[Price]) -> list[Sighting]:
    """When each of `prices`, all of the same thing, was seen. A file that is imported shows nothing of the day on which it is."""
    prices = tuple(prices)
    published: dict[Stream, list[int]] = defaultdict(list)
    for price in prices:
        if price.published_at_ns is not None:
            published[stream(price)].append(price.published_at_ns)
    for dates in published.values():
        dates.sort()
    found = []
    for price in prices:
        found.append(Sighting(price.known_ns, price))
        if reread(price):
            dates = published[stream(price)]
            if bisect_right(dates, price.known_ns) == bisect_right(dates, price.fetched_at_ns):
                found.append(Sighting(price.fetched_at_ns, price))
    return found


def replaced_by(shown: Iterable[Price], prices: Sequence[Price]) -> list[Price]:
    """Those of `prices` that tell of `shown`, and of each other, that a list was no longer the newest when it was read."""
    found: list[Price] = []
    asked = list(shown)
    while asked:
        price = asked.pop()
        newer = [one for one in prices if reread(price) and stream(one) == stream(price) and between(one, price)]
        if newer and (last := max(newer, key=lambda one: (one.known_ns, text_key(one)))) not in found:
            found.append(last)
            asked.append(last)
    return found


def between(newer: Price, price: Price) -> bool:
    """Whether the list of `newer` was published after that of `price`, and before that was read."""
    return newer.published_at_ns is not None and price.known_ns < newer.published_at_ns <= price.fetched_at_ns


def reread(price: Price) -> bool:
    """Whether the list of `price` was read at the provider after it was published, as the newest one; an archived one was not."""
    return price.published_at_ns is not None and price.feed in KINDS and price.fetched_at_ns > price.published_at_ns


def stream(price: Price) -> Stream:
    """What must be equal for one list to replace another."""
    return (price.feed, *variant(price))


def variant(price: Price) -> Stream:
    """The parts of how something is rented that a question may leave open."""
    return (price.zone.lower(), price.term_months or 0, price.payment_option)


def newest(prices: Iterable[Price]) -> list[Price]:
    """Of what was seen at once, what began last, as far as providers say since when; what they do not date is all of now."""
    prices = list(prices)
    dated = [price for price in prices if price.effective_trust is Trust.VALID_FROM]
    last_ns = max((price.effective_from_ns for price in dated), default=0)
    return [price for price in prices if price not in dated or price.effective_from_ns == last_ns]


def begun(price: Price, t_ns: int) -> bool:
    """Whether a price is not only announced at `t_ns`."""
    return price.effective_trust is not Trust.VALID_FROM or price.effective_from_ns <= t_ns


def backdated(price: Price, t_ns: int) -> bool:
    """Whether the provider says that a price was charged at `t_ns` already."""
    return price.effective_trust is Trust.VALID_FROM and price.effective_from_ns <= t_ns


def agree(prices: Sequence[Price]) -> bool:
    """Whether all ask the same."""
    return len({charge(price) for price in prices}) <= 1


def charge(price: Price) -> tuple[object, ...]:
    """What a price asks: money per hour of the instance, else, where its GPUs are not known, per GPU."""
    try:
        return (price.per_instance_hour(), price.currency)
    except FormatError:
        return (price.amount, price.currency, price.unit)


def text_key(price: Price) -> str:
    """The whole record as text, to choose always the same of equal prices."""
    return canonical.encode(price.to_json()).decode()
