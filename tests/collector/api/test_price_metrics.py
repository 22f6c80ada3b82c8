"""Metrics of prices as Prometheus reads them."""

from __future__ import annotations

from joulemark.collector.api import price_metrics
from joulemark.collector.feeds import feed_of
from joulemark.collector.standing import Standing, counted
from joulemark.config import FeedTable
from tests.pricing.records import DAY, fetch


def test_a_feed_read_well_has_an_age_and_its_attempts() -> None:
    """Age and time of the last success in seconds, and a counter for each outcome, also those that never were."""
    good = fetch(fetched_at_ns=DAY)
    standing = Standing(feed_of(FeedTable("ecb")), good, good, good, counted({"ok": 2, "failed": 1}))
    lines = price_metrics.lines([standing], DAY + 90_500_000_000)
    assert 'joulemark_price_age_seconds{feed="ecb",scope=""} 90.5' in lines
    assert f'joulemark_price_last_success_timestamp_seconds{{feed="ecb",scope=""}} {DAY / 1e9}' in lines
    counters = [line for line in lines if line.startswith("joulemark_price_fetches_total{")]
    assert [(line.split('outcome="')[1].split('"')[0], line.split()[-1]) for line in counters] == [
        ("ok", "2"),
        ("not_modified", "0"),
        ("held", "0"),
        ("failed", "1"),
    ]


def test_a_feed_never_read_has_no_age() -> None:
    """An age that is not known is left out; without a feed there is no metric at all."""
    never = Standing(feed_of(FeedTable("ecb")), None, None, None, counted({}))
    assert not any("age_seconds" in line or "timestamp" in line for line in price_metrics.lines([never], DAY))
    assert price_metrics.lines([], DAY) == []


def test_labels_are_escaped() -> None:
    """Quotes, backslashes and line ends of a scope cannot end a label."""
    assert price_metrics.labelled({"scope": 'a"b\\c\nd'}) == r'scope="a\"b\\c\nd"'
