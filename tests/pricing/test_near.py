"""Near a run: a narrowed reading answers every look-up as a reading of everything does."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from joulemark.pricing.dates import moment_text
from joulemark.pricing.near import near
from joulemark.pricing.rates import Rate
from joulemark.pricing.store import PriceStore
from tests.pricing.records import DAY, fetch, price, tariff


def test_a_look_up_reads_what_it_may_need_and_no_years_of_hours(tmp_path: Path) -> None:
    """Narrowed to any window the store answers it as a whole reading does: hours, entries without an end, long ones and rates."""
    hour_ns, day_ns = 3600 * 10**9, 86_400 * 10**9
    edges = [DAY + number * hour_ns for number in range(24 * 30 + 1)]
    hours = [
        tariff(zone="nl", feed="entsoe", amount=f"0.{number % 7 + 1}", effective_from=moment_text(begin), effective_to=moment_text(end))
        for number, (begin, end) in enumerate(pairwise(edges))
    ]
    year = {"feed": "openei", "effective_from": "2026-01-01", "effective_to": "2027-01-01", "amount": "0.5"}
    flat = [
        tariff(effective_from="2020-01-01", amount="0.2"),
        tariff(effective_from="2026-08-10", effective_to="2026-08-11"),
        tariff(zone="us", **year),
    ]
    ecb = {"base": "EUR", "feed": "ecb", "fetched_at": "2026-08-02", "source_url": "u"}
    days = ("2026-07-01", "2026-08-03", "2026-08-14")
    rates = [
        Rate.from_json({**ecb, "quote": code, "rate": f"1.{i}", "effective_from": day})
        for i, day in enumerate(days)
        for code in ("USD", "CNY")
    ]
    store = PriceStore(tmp_path / "prices.db")
    store.take(fetch(feed="entsoe"), [*hours, *flat, *rates])
    whole = store.snapshot()
    for first, last in ((0, 1), (12, 13), (200, 260), (719, 730), (-400, -390), (230, 231), (2000, 2010), (-735, -734)):
        begin, end = DAY + first * hour_ns + 1, DAY + last * hour_ns
        near = store.snapshot(during=(begin, end))
        for zone in ("nl", "site", "us"):
            assert near.tariffs_over(begin, end, zone=zone).spans == whole.tariffs_over(begin, end, zone=zone).spans
        for pair in (("EUR", "USD"), ("USD", "CNY")):
            assert near.rate_at(begin, between=pair) == whole.rate_at(begin, between=pair)
        assert len(near.tariffs) <= 4 + (last - first) + 3 * 24
    assert len(store.snapshot(during=(DAY + 15 * day_ns, DAY + 15 * day_ns + 1)).tariffs) < len(whole.tariffs) / 5
    store.close()


def test_prices_are_all_kept(tmp_path: Path) -> None:
    """The history of a price is read whole: a look-up compares what was seen before and after."""
    assert near("price", DAY, DAY + 1) == ("", ())
    with PriceStore(tmp_path / "prices.db") as store:
        store.take(fetch(), [price()])
        assert store.snapshot(during=(0, 1)).prices == store.snapshot().prices
