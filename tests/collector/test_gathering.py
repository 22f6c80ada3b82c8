"""Gathering: each attempt leaves a row that says what came of it, and what was known stays with its own time."""

from __future__ import annotations

import asyncio
import gzip
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.feeds import Feed, feed_of
from joulemark.collector.gathering import Gathered, Gatherer
from joulemark.collector.replies import Replies
from joulemark.config import FeedTable
from joulemark.errors import EnvironmentFailed
from joulemark.pricing.fetch import Harvest, Outcome
from joulemark.pricing.sources.ecb import parse_rates
from joulemark.pricing.store import PriceStore
from joulemark.pricing.web import Web
from tests.conftest import ManualClock
from tests.standins.price_server import Answer, PriceServer

S = 1_000_000_000
DAYS = ("2026-06-05", "2026-06-04", "2026-06-03", "2026-06-02", "2026-06-01")


def rates(usd: str = "1.25", days: tuple[str, ...] = DAYS) -> bytes:
    """A list of the ECB with one rate for each day."""
    cubes = "".join(f'<Cube time="{day}"><Cube currency="USD" rate="{usd}"/></Cube>' for day in days)
    sender = "<Sender><name>European Central Bank</name></Sender>"
    return f'<Envelope xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">{sender}<Cube>{cubes}</Cube></Envelope>'.encode()


@dataclass
class Bench:
    """A price server, a store in a folder, and what gathers from one into the other."""

    server: PriceServer
    folder: Path
    clock: ManualClock

    @property
    def gatherer(self) -> Gatherer:
        return Gatherer(lambda: PriceStore(self.folder / "prices.db"), Replies(self.folder / "prices"), self.clock)

    def feed(self, **more: Any) -> Feed:
        return feed_of(FeedTable("ecb", {"url": self.server.url("/rates"), "deadline_s": 5.0, **more}))

    def gather(self, feed: Feed | None = None, *, force: bool = False) -> Gathered:
        return asyncio.run(self.gatherer.gather(feed or self.feed(), force=force))

    def store(self) -> PriceStore:
        return PriceStore(self.folder / "prices.db")


@pytest.fixture
def bench(tmp_path: Path, manual_clock: ManualClock) -> Iterator[Bench]:
    with PriceServer() as server:
        server.serve("/rates", Answer(rates(), etag='"1"'))
        yield Bench(server, tmp_path, manual_clock)


def test_a_good_attempt_is_stored_with_its_prices_and_its_bytes(bench: Bench) -> None:
    """The fetch says when, from where, what and how much; its records are there; the reply lies under the hash of the fetch."""
    fetch = bench.gather().fetch
    assert (fetch.outcome, fetch.feed, fetch.url, fetch.http_status) == (Outcome.OK, "ecb", bench.server.url("/rates"), 200)
    assert (fetch.rows_parsed, fetch.pages, fetch.raw_bytes, fetch.etag) == (5, 1, len(rates()), '"1"')
    assert fetch.fetched_at_ns == bench.clock.utc_ns()
    with bench.store() as store:
        assert store.fetches() == [fetch]
        assert len(store.snapshot().rates) == 5
    assert gzip.decompress(Replies(bench.folder / "prices").path(fetch.raw_sha256).read_bytes()) == rates()
    assert list((bench.folder / "prices" / "reading").iterdir()) == []


def test_an_unchanged_list_is_seen_again(bench: Bench) -> None:
    """A 304 adds a row that repeats the good one, and the prices are known to be as they were at the new time."""
    first = bench.gather().fetch
    bench.clock.advance(3600)
    again = bench.gather().fetch
    assert (again.outcome, again.repeats, again.http_status, again.pages) == (Outcome.NOT_MODIFIED, first.fetch_id, 304, 0)
    assert bench.server.asked[1].headers["If-None-Match"] == '"1"'
    with bench.store() as store:
        assert {rate.fetched_at_ns for rate in store.snapshot().rates} == {first.fetched_at_ns, bench.clock.utc_ns()}


def test_forced_reading_asks_without_validators(bench: Bench) -> None:
    """`force` reads the list anew and takes what the gates would refuse."""
    bench.gather()
    bench.server.serve("/rates", Answer(rates("12.5"), etag='"1"'))
    bench.clock.advance(10)
    assert bench.gather().fetch.outcome is Outcome.NOT_MODIFIED
    bench.clock.advance(10)
    forced = bench.gather(force=True).fetch
    assert (forced.outcome, forced.rows_parsed, forced.rows_rejected) == (Outcome.OK, 5, 0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(b"not here", status=404), "answered 404"),
        (Answer(b"{}"), "list of the ECB"),
        (Answer(rates(), delay_s=30), "was not read within the 1 s"),
    ],
)
def test_a_failed_attempt_changes_nothing_and_says_why(bench: Bench, answer: Answer, said: str) -> None:
    """Another shape, another status, no answer in time: a row `failed` with the error; what was known keeps its true time."""
    good = bench.gather().fetch
    bench.server.serve("/rates", answer)
    bench.clock.advance(3600)
    failed = bench.gather(bench.feed(deadline_s=1.0)).fetch
    assert failed.outcome is Outcome.FAILED
    assert said in failed.error
    with bench.store() as store:
        assert store.fetches()[0] == failed
        assert {rate.fetched_at_ns for rate in store.snapshot().rates} == {good.fetched_at_ns}
        assert store.last_good("ecb", "") == good


def test_a_list_that_lies_is_held_or_refused_row_by_row(bench: Bench) -> None:
    """Half the rows gone: held whole; all rates ten times as high: each refused and the list held; the last good one stays."""
    good = bench.gather().fetch
    for body in (rates(days=DAYS[:2]), rates("12.5")):
        bench.server.serve("/rates", Answer(body))
        bench.clock.advance(60)
        held = bench.gather().fetch
        assert (held.outcome, held.error != "") == (Outcome.HELD, True)
    with bench.store() as store:
        assert store.last_good("ecb", "") == good
        assert {str(rate.rate) for rate in store.snapshot().rates} == {"1.25"}


def test_a_bug_of_a_source_fails_its_feed_and_nothing_else(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """What a source raises by mistake is a failed attempt with its name, and the traceback in the log."""

    async def surprised(_config: object, web: Web) -> Harvest:
        await web.get(bench.server.url("/rates"))
        raise KeyError("price")

    feed = bench.feed()
    with caplog.at_level(logging.ERROR):
        fetch = bench.gather(replace(feed, source=replace(feed.source, gather=surprised))).fetch
    assert (fetch.outcome, fetch.error) == (Outcome.FAILED, "KeyError in the source ecb: 'price'.")
    assert "Traceback" in caplog.text


def test_a_source_may_say_when_to_ask_next(bench: Bench) -> None:
    """`due` is asked with what was read and when that began; a source without it says nothing."""
    feed = bench.feed()
    assert bench.gather(feed).due_ns is None
    told = replace(feed, source=replace(feed.source, due=lambda harvest, asked_ns: asked_ns + len(harvest.records)))
    assert bench.gather(told, force=True).due_ns == bench.clock.utc_ns() + 5


def test_a_source_with_its_own_way_of_asking_is_dated_too(bench: Bench) -> None:
    """Where nothing went through the web, the reading ended when the source was done."""

    async def own_way(_config: object, web: Web) -> Harvest:
        return parse_rates(rates(), fetched_at_ns=web.clock.utc_ns(), source_url="ec2")

    feed = bench.feed()
    fetch = bench.gather(replace(feed, source=replace(feed.source, gather=own_way))).fetch
    assert (fetch.outcome, fetch.fetched_at_ns, fetch.pages) == (Outcome.OK, bench.clock.utc_ns(), 0)


def test_a_store_that_cannot_be_written_is_an_error(bench: Bench) -> None:
    """Where nothing can be stored the attempt is told to nobody: the error says which file."""
    bench.store().close()
    with sqlite3.connect(bench.folder / "prices.db") as db:
        db.execute("DROP TABLE price_fetch")
    with pytest.raises(EnvironmentFailed, match=r"prices\.db"):
        bench.gather()


def test_the_last_attempt_is_known_of_each_scope(bench: Bench) -> None:
    """The newest attempt of one scope is not that of another."""
    feed = bench.feed()
    assert asyncio.run(bench.gatherer.last(feed)) is None
    fetch = bench.gather(feed).fetch
    assert asyncio.run(bench.gatherer.last(feed)) == fetch
    assert asyncio.run(bench.gatherer.last(bench.feed(currencies=["USD"]))) is None
    assert fetch.requested_at_ns // S == bench.clock.utc_ns() // S
