"""Standing: a feed is as old as its last good reading, by the bounds of its source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.collector.feeds import Feed, feed_of
from joulemark.collector.standing import Age, standings
from joulemark.config import FeedTable
from joulemark.pricing.fetch import Outcome
from joulemark.pricing.store import PriceStore
from tests.pricing.records import DAY, fetch, price

S = 1_000_000_000


def ecb(max_age_s: int = 100, hard_limit_s: int = 1000) -> Feed:
    feed = feed_of(FeedTable("ecb"))
    return replace(feed, source=replace(feed.source, max_age_s=max_age_s, hard_limit_s=hard_limit_s))


@pytest.mark.parametrize(("age_s", "age"), [(0, Age.FRESH), (100, Age.FRESH), (101, Age.STALE), (1000, Age.STALE), (1001, Age.EXPIRED)])
def test_an_age_is_judged_by_the_bounds_of_the_source(tmp_path: Path, age_s: int, age: Age) -> None:
    """Up to `max_age_s` fresh, up to `hard_limit_s` stale, then expired."""
    with PriceStore(tmp_path / "prices.db") as store:
        store.take(fetch(feed="ecb"), [price()])
        (standing,) = standings([ecb()], store)
    assert (standing.age_s(DAY + age_s * S), standing.age(DAY + age_s * S)) == (age_s, age)


def test_a_failure_makes_nothing_younger(tmp_path: Path) -> None:
    """After a failed attempt the age goes on from the true time of the last good one; a list found unchanged is a good one."""
    with PriceStore(tmp_path / "prices.db") as store:
        good = fetch(feed="ecb", rows_parsed=1)
        store.take(good, [price()])
        failed = fetch(feed="ecb", requested_at_ns=DAY + 50 * S, fetched_at_ns=DAY + 50 * S, outcome=Outcome.FAILED, error="down")
        store.take(failed)
        (standing,) = standings([ecb()], store)
        assert (standing.last, standing.good, standing.good_ns) == (failed, good, DAY)
        again_ns = DAY + 60 * S
        store.take(replace(good, outcome=Outcome.NOT_MODIFIED, requested_at_ns=again_ns, fetched_at_ns=again_ns, repeats=good.fetch_id))
        (standing,) = standings([ecb()], store)
    assert (standing.good_ns, standing.brought) == (again_ns, good)
    assert standing.counts == {"ok": 1, "not_modified": 1, "held": 0, "failed": 1}


def test_a_feed_that_was_never_read_says_so(tmp_path: Path) -> None:
    """Without a store, and in a store that knows another scope only, a feed has no age."""
    with PriceStore(tmp_path / "prices.db") as store:
        store.take(fetch(feed="ecb", scope="currencies=USD"))
        found = [*standings([ecb()], None), *standings([ecb()], store)]
    assert [(one.last, one.age(DAY), sum(one.counts.values())) for one in found] == [(None, Age.NEVER, 0)] * 2
