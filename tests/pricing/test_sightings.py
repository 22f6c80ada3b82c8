"""When a price was seen, and what a provider said by showing it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from joulemark.pricing.price import Price, Trust, Unit
from joulemark.pricing.sightings import agree, backdated, begun, charge, newest, replaced_by, sightings
from tests.pricing.records import DAY, price

DAY_NS = 86_400 * 10**9


def bulk(published_ns: int, fetched_ns: int, feed: str = "aws_bulk", **changes: Any) -> Price:
    """A price of a list published and read so long after the first day."""
    return replace(price(), feed=feed, published_at_ns=DAY + published_ns, fetched_at_ns=DAY + fetched_ns, **changes)


def seen(*prices: Price) -> list[tuple[int, int]]:
    """Place among `prices` and time of each sighting."""
    return sorted((prices.index(one.price), one.t_ns - DAY) for one in sightings(prices))


@pytest.mark.parametrize(("fetched_ns", "times"), [(-1, [0]), (0, [0]), (1, [0, 1]), (200 * DAY_NS, [0, 200 * DAY_NS])])
def test_a_list_is_seen_when_published_and_when_read_as_the_newest(fetched_ns: int, times: list[int]) -> None:
    """A list that a feed reads is the newest one there is, however long ago it was published."""
    assert seen(bulk(0, fetched_ns)) == [(0, t) for t in times]


def test_an_imported_file_shows_nothing_of_its_day() -> None:
    """Of a file that is imported only the date of its list counts, and without one the day it was read."""
    assert seen(bulk(0, 5, feed="aws_history")) == [(0, 0)]
    assert seen(replace(bulk(0, 5, feed="gpuhunt"), published_at_ns=None)) == [(0, 5)]


def test_a_newer_list_ends_an_older_one() -> None:
    """A list read after the next one was published was not seen again, one read a nanosecond before it was; other feeds do not end it."""
    assert seen(bulk(0, 9), bulk(10, 10)) == [(0, 0), (0, 9), (1, 10)]
    assert seen(bulk(0, 10), bulk(10, 10)) == [(0, 0), (1, 10)]
    assert seen(bulk(0, 10), bulk(10, 10, feed="aws_savings")) == [(0, 0), (0, 10), (1, 10)]
    assert seen(bulk(0, 10), bulk(10, 10, zone="a")) == [(0, 0), (0, 10), (1, 10)]


def test_what_shows_that_a_list_was_old() -> None:
    """The newest list there was when another was read stands for all between; it may itself have been an old one."""
    old, next_, last = bulk(0, 20), bulk(10, 40), bulk(30, 30)
    assert replaced_by([old], [old, next_, last]) == [next_, last]
    assert replaced_by([last], [old, next_, last]) == []
    assert replaced_by([replace(old, feed="aws_history")], [old, next_, last]) == []


def test_what_began_last_counts_where_the_provider_says_so() -> None:
    """Of dated prices seen at once the last to begin counts; undated ones are all of now."""
    first, second = price(effective_from="2025-01-01"), price(effective_from="2025-02-01", amount="2")
    assert newest([first, second]) == [second]
    undated = [replace(one, effective_trust=Trust.MONTH_STAMP) for one in (first, second)]
    assert newest(undated) == undated
    assert newest([first, second, undated[0]]) == [second, undated[0]]


def test_announced_and_backdated() -> None:
    """Only a provider who says since when can announce a price, or say that it was charged before it was seen."""
    dated = price()
    since_ns = dated.effective_from_ns
    assert [begun(dated, since_ns + off) for off in (-1, 0)] == [False, True]
    assert [backdated(dated, since_ns + off) for off in (-1, 0)] == [False, True]
    for trust in set(Trust) - {Trust.VALID_FROM}:
        vague = replace(dated, effective_trust=trust)
        assert [begun(vague, since_ns - 1), backdated(vague, since_ns + 1)] == [True, False]


def test_what_a_price_asks() -> None:
    """An hour of 8 GPUs at 3 is an hour of the instance at 24; of an unknown number of GPUs it is only itself."""
    per_gpu = replace(price(), amount=Decimal(3), unit=Unit.GPU_HOUR, gpu_count=8)
    assert agree([per_gpu, replace(price(), amount=Decimal("24.00"))])
    assert not agree([replace(per_gpu, gpu_count=None), replace(price(), amount=Decimal(3))])
    assert charge(replace(per_gpu, gpu_count=None)) == (Decimal(3), "USD", Unit.GPU_HOUR)
    assert agree([])
