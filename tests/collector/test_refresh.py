"""Refresh: each feed at its own pace, and none that fails, hangs or lies delays another."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.collector.feeds import Feed, feed_of
from joulemark.collector.gathering import Gatherer
from joulemark.collector.refresh import Refresh, going_on
from joulemark.collector.replies import Replies
from joulemark.config import CollectorConfig, Config, FeedTable
from joulemark.errors import ConfigError
from joulemark.pricing.fetch import Fetch, Outcome
from joulemark.pricing.store import PriceStore
from joulemark.timebase import SystemClock
from tests.collector.test_gathering import rates
from tests.standins.price_server import Answer, PriceServer

S = 1_000_000_000
UNIT_S = 0.05


@dataclass
class Bench:
    """A price server and a store; feeds of the ECB, each with its own path."""

    server: PriceServer
    folder: Path
    active: bool = False
    clock: SystemClock = field(default_factory=SystemClock)

    def feed(self, name: str, *, active_s: int | None = None, **more: Any) -> Feed:
        """A feed whose scope is the currency `name` and whose list lies at /NAME."""
        keys = {"currencies": [name], "url": self.server.url(f"/{name}"), "jitter_s": 0, "deadline_s": 2.0, **more}
        feed = feed_of(FeedTable("ecb", keys))
        return replace(feed, source=replace(feed.source, active_s=active_s))

    def store(self) -> PriceStore:
        return PriceStore(self.folder / "prices.db")

    def refresh(self, *feeds: Feed) -> Refresh:
        gatherer = Gatherer(self.store, Replies(self.folder / "prices"), self.clock)
        return Refresh(feeds, gatherer, active=lambda: self.active, clock=self.clock, rng=random.Random(1))

    def run(self, refresh: Refresh, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` while `refresh` is going on."""

        async def done() -> None:
            await refresh.start()
            try:
                await asyncio.wait_for(work(), 15)
            finally:
                await refresh.stop()

        asyncio.run(done())

    async def until(self, path: str, times: int) -> None:
        """Wait until `path` was asked for so often."""
        while self.server.times(path) < times:
            await asyncio.sleep(UNIT_S)

    async def kept(self, scope: str, times: int) -> None:
        """Wait until so many attempts are written down."""
        while len(self.fetches(scope)) < times:
            await asyncio.sleep(UNIT_S)

    def fetches(self, scope: str) -> list[Fetch]:
        with self.store() as store:
            return store.fetches("ecb", scope=f"currencies={scope}")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with PriceServer() as server:
        server.serve_all({f"/{name}": Answer(rates(), etag='"1"') for name in ("USD", "CNY")})
        yield Bench(server, tmp_path)


def test_a_feed_is_read_soon_and_then_at_its_pace(bench: Bench) -> None:
    """The first reading comes at once, the next ones an interval apart; a list that did not change is repeated."""
    bench.run(bench.refresh(bench.feed("USD", every_s=1)), lambda: bench.until("/USD", 3))
    outcomes = [fetch.outcome for fetch in bench.fetches("USD")]
    assert outcomes[-1] is Outcome.OK
    assert set(outcomes[:-1]) == {Outcome.NOT_MODIFIED}
    newest, before = bench.fetches("USD")[:2]
    assert newest.requested_at_ns - before.requested_at_ns == pytest.approx(S, abs=0.5 * S)


def test_no_feed_delays_another(bench: Bench) -> None:
    """A provider that is down and one that hangs: the good one is read at its pace all the while."""
    bench.server.serve("/SLOW", Answer(rates(), delay_s=60))
    down = bench.feed("DOWN", every_s=1, origin="http://127.0.0.1:9")
    slow = bench.feed("SLOW", every_s=1, deadline_s=4.0)
    bench.run(bench.refresh(down, slow, bench.feed("USD", every_s=1)), lambda: bench.until("/USD", 4))
    assert len(bench.fetches("USD")) >= 3
    assert bench.fetches("SLOW") == []


def test_what_was_read_lately_is_not_read_at_a_start(bench: Bench) -> None:
    """After a restart within the interval the next reading is an interval after the last good one."""
    feed = bench.feed("USD", every_s=600)
    bench.run(bench.refresh(feed), lambda: bench.kept("USD", 1))
    again = bench.refresh(feed, bench.feed("CNY"))

    async def look() -> None:
        await bench.until("/CNY", 1)
        due_ns = bench.fetches("USD")[0].requested_at_ns + 600 * S
        assert again.next_ns(feed.name) == pytest.approx(due_ns, abs=S)

    bench.run(again, look)
    assert bench.server.times("/USD") == 1


def test_what_failed_is_read_at_a_start(bench: Bench) -> None:
    """After a restart a feed whose last attempt failed is read at once, whenever that was."""
    bench.server.serve("/USD", Answer(status=404), Answer(rates()))
    feed = bench.feed("USD", every_s=600)

    async def tried(outcome: Outcome) -> None:
        while not (found := bench.fetches("USD")) or found[0].outcome is not outcome:
            await asyncio.sleep(UNIT_S)

    for outcome in (Outcome.FAILED, Outcome.OK):
        bench.run(bench.refresh(feed), lambda outcome=outcome: tried(outcome))


def test_a_failed_reading_is_tried_again_sooner(bench: Bench) -> None:
    """After an attempt that brought nothing the next one is `retry_s` away, not a whole day."""
    bench.server.serve("/USD", Answer(status=404))
    refresh = bench.refresh(feed := bench.feed("USD"))

    async def look() -> None:
        await bench.until("/USD", 1)
        while refresh.course(feed.name).due_ns == 0:
            await asyncio.sleep(UNIT_S)
        assert refresh.next_ns(feed.name) == pytest.approx(time.time_ns() + feed.retry_s * S, abs=60 * S)

    bench.run(refresh, look)
    assert bench.fetches("USD")[0].outcome is Outcome.FAILED


def test_a_source_may_choose_its_time(bench: Bench) -> None:
    """What `due` says counts before the interval, unless the operator said how often."""
    at_ns = time.time_ns() + 7777 * S
    for every_s, wanted_ns in ((0, at_ns), (1000, time.time_ns() + 1000 * S)):
        feed = bench.feed("USD" if every_s else "CNY", every_s=every_s)
        feed = replace(feed, source=replace(feed.source, due=lambda _harvest, _asked_ns: at_ns))
        refresh = bench.refresh(feed)

        async def look(refresh: Refresh = refresh, feed: Feed = feed, wanted_ns: int = wanted_ns) -> None:
            while refresh.course(feed.name).due_ns == 0:
                await asyncio.sleep(UNIT_S)
            assert refresh.next_ns(feed.name) == pytest.approx(wanted_ns, abs=10 * S)

        bench.run(refresh, look)


def test_a_market_is_read_often_while_runs_go_on(bench: Bench) -> None:
    """Without a run it is read once per interval; with one at each look, and once more after the last run ended."""
    feed = bench.feed("USD", active_s=1)
    refresh = bench.refresh(feed)

    async def look() -> None:
        await bench.until("/USD", 1)
        await asyncio.sleep(1.5)
        assert bench.server.times("/USD") == 1
        bench.active = True
        await bench.until("/USD", 3)
        bench.active = False
        await bench.until("/USD", 4)
        await asyncio.sleep(0.2)
        seen = bench.server.times("/USD")
        await asyncio.sleep(1.5)
        assert bench.server.times("/USD") == seen

    bench.run(refresh, look)


def test_a_run_that_begins_hurries_the_markets(bench: Bench) -> None:
    """`hurry` reads at once what changes by the hour and was not read a moment ago, and leaves daily lists alone."""
    market = bench.feed("USD", active_s=3000)
    refresh = bench.refresh(market, bench.feed("CNY"))

    async def look() -> None:
        await bench.until("/USD", 1)
        await bench.until("/CNY", 1)
        while refresh.course(market.name).running or not refresh.course(market.name).due_ns:
            await asyncio.sleep(UNIT_S)
        refresh.hurry()
        await asyncio.sleep(0.3)
        assert bench.server.times("/USD") == 1
        refresh.course(market.name).begun_ns -= 4000 * S
        refresh.hurry()
        await bench.until("/USD", 2)
        assert bench.server.times("/CNY") == 1

    bench.run(refresh, look)


def test_a_feed_can_be_asked_for(bench: Bench) -> None:
    """`ask` begins a reading whatever the interval, and not a second one beside the first."""
    bench.server.serve("/USD", Answer(rates()), Answer(rates(), delay_s=0.5))
    refresh = bench.refresh(feed := bench.feed("USD"))

    async def look() -> None:
        await bench.until("/USD", 1)
        while refresh.course(feed.name).due_ns == 0:
            await asyncio.sleep(UNIT_S)
        assert refresh.ask(feed.name)
        await bench.until("/USD", 2)
        assert refresh.course(feed.name).running
        assert not refresh.ask(feed.name)

    bench.run(refresh, look)
    assert bench.server.times("/USD") == 2
    with pytest.raises(KeyError):
        refresh.ask("nobody")


def test_it_stops_in_the_middle_of_a_reading(bench: Bench) -> None:
    """A stop waits for no provider, stores nothing of what was being read, and leaves no task behind."""
    bench.server.serve("/USD", Answer(rates(), delay_s=60))
    refresh = bench.refresh(feed := bench.feed("USD", deadline_s=60.0))
    begun = time.monotonic()
    bench.run(refresh, lambda: bench.until("/USD", 1))
    assert time.monotonic() - begun < 5
    assert bench.fetches("USD") == []
    assert refresh.next_ns(feed.name) is None


def test_a_store_that_cannot_be_used_is_told(bench: Bench) -> None:
    """Where the attempt itself cannot be stored the error is known, and the next attempt comes at its time."""
    (bench.folder / "prices.db").write_text("no database")
    refresh = bench.refresh(feed := bench.feed("USD", every_s=1))

    async def look() -> None:
        while not refresh.course(feed.name).error:
            await asyncio.sleep(UNIT_S)
        (bench.folder / "prices.db").unlink()
        while refresh.course(feed.name).error:
            await asyncio.sleep(UNIT_S)

    bench.run(refresh, look)
    assert bench.fetches("USD")[0].outcome is Outcome.OK


def test_the_feeds_of_a_configuration_are_read(bench: Bench) -> None:
    """`going_on` reads what is configured into the store of the data folder, and refuses what cannot be."""
    table = FeedTable("ecb", {"url": bench.server.url("/USD")})
    settings = Config(collector=CollectorConfig(data_dir=bench.folder), feeds=(table,))

    async def run() -> None:
        async with going_on(settings, active=lambda: False, clock=bench.clock) as refresh:
            assert [feed.name for feed in refresh.feeds] == ["ecb"]
            while not refresh.course("ecb").due_ns:
                await asyncio.sleep(UNIT_S)

    asyncio.run(asyncio.wait_for(run(), 15))
    with bench.store() as store:
        assert len(store.snapshot().rates) == 5

    async def wrong() -> None:
        async with going_on(Config(feeds=(FeedTable("nothing"),)), active=lambda: False, clock=bench.clock):
            pass

    with pytest.raises(ConfigError):
        asyncio.run(wrong())
