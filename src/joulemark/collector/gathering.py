"""A gathering: one attempt to read a feed, from the question to the row that says what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from joulemark.collector.feeds import Feed
from joulemark.collector.replies import Keeping, Replies
from joulemark.errors import JoulemarkError
from joulemark.pricing import gates
from joulemark.pricing.fetch import Fetch, Harvest, Outcome
from joulemark.pricing.gates import Taken
from joulemark.pricing.http_web import HttpWeb, Limits
from joulemark.pricing.store import PriceStore
from joulemark.pricing.tally import Tally
from joulemark.pricing.web import NotModified, origins
from joulemark.timebase import Clock

T = TypeVar("T")

log = logging.getLogger("joulemark.collector.prices")

PARSING_S: Final = 120.0
"""So long after the deadline of the web a source may still be busy with what it read."""

IDLE_S: Final = 60.0
"""Longest silence of a server."""

SURPRISES: Final = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What a parser that met another shape than it knows raises by mistake: it fails its own feed, with its name in the log."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What came of an attempt; `due_ns`: when the source wants to be asked next, UTC, where it knows better than its interval."""

    taken: Taken
    due_ns: int | None = None

    @property
    def fetch(self) -> Fetch:
        """The attempt as it was stored."""
        return self.taken.fetch


@dataclass(frozen=True, slots=True)
class Gatherer:
    """Reads feeds into the store. `opened` opens the store; `replies` keeps what was read; SQLite works in `writer`, off the loop."""

    opened: Callable[[], PriceStore]
    replies: Replies
    clock: Clock
    writer: Executor | None = None

    async def gather(self, feed: Feed, *, force: bool = False) -> Gathered:
        """Read `feed` once and store what came of it, failures too. `force`: past the gates.

        Raises what `PriceStore` does when not even that can be stored; then nothing of it is there.
        """
        last = await self._stored(lambda store: store.last_good(feed.kind, feed.scope))
        known = {last.url: (last.etag, last.last_modified)} if last is not None and (last.etag or last.last_modified) else {}
        begun = Fetch(feed=feed.kind, scope=feed.scope, url="", requested_at_ns=self.clock.utc_ns(), outcome=Outcome.FAILED)
        patience_s = feed.keys.deadline_s
        limits = Limits(pages=feed.keys.max_pages, total_bytes=feed.keys.max_bytes, deadline_s=patience_s, idle_s=min(IDLE_S, patience_s))
        web = HttpWeb(origins(feed.config), clock=self.clock, limits=limits, known={} if force else known, folder=self.replies.room())
        try:
            async with asyncio.timeout(patience_s + PARSING_S), web:
                harvest = await feed.source.gather(feed.config, Keeping(web, self.replies))
        except NotModified as same:
            assert last is not None, "only a list that is known is asked for conditionally"
            unchanged = replace(told(begun, web.tally), outcome=Outcome.NOT_MODIFIED, repeats=last.fetch_id, url=same.reply.url)
            return Gathered(Taken(unchanged, await self._stored(lambda store: store.take(unchanged))))
        except JoulemarkError as error:
            return await self._failed(told(begun, web.tally), str(error))
        except TimeoutError:
            return await self._failed(told(begun, web.tally), f"not complete {patience_s + PARSING_S:g} s after its begin.")
        except SURPRISES as error:
            log.exception("the source %s met what it does not know; report it with these lines", feed.kind)
            return await self._failed(told(begun, web.tally), f"{type(error).__name__} in the source {feed.kind}: {error}.")
        read = told(begun, web.tally)
        if read.fetched_at_ns is None:  # a source that asks in its own way, as that of AWS spot does
            read = replace(read, fetched_at_ns=self.clock.utc_ns())
        taken = await self._committed(read, harvest, force=force)
        due_ns = feed.source.due(harvest, begun.requested_at_ns) if feed.source.due else None
        return Gathered(taken, due_ns)

    async def last(self, feed: Feed) -> Fetch | None:
        """The newest attempt at `feed`. Raises what `PriceStore` does."""
        return await self._stored(lambda store: next(iter(store.fetches(feed.kind, scope=feed.scope, limit=1)), None))

    async def _committed(self, fetch: Fetch, harvest: Harvest, *, force: bool) -> Taken:
        """What the gates made of a harvest."""
        taken = await self._stored(lambda store: gates.commit(store, replace(fetch, outcome=Outcome.OK), harvest, force=force))
        if taken.fetch.outcome is Outcome.HELD:
            log.warning("prices of %s are held: %s", name(fetch), taken.fetch.error)
        return taken

    async def _failed(self, fetch: Fetch, why: str) -> Gathered:
        """Store that `fetch` failed. What was known stays as it is, with its own time."""
        log.warning("prices of %s cannot be read: %s", name(fetch), why)
        failed = replace(fetch, outcome=Outcome.FAILED, error=why)
        return Gathered(Taken(failed, await self._stored(lambda store: store.take(failed))))

    async def _stored(self, work: Callable[[PriceStore], T]) -> T:
        """What `work` with the store answers, off the loop."""

        def done() -> T:
            with self.opened() as store:
                return work(store)

        return await asyncio.get_running_loop().run_in_executor(self.writer, done)


def told(begun: Fetch, tally: Tally) -> Fetch:
    """An attempt with what was read of it so far."""
    read: dict[str, Any] = {name: getattr(tally, name) for name in ("url", "http_status", "etag", "last_modified", "pages", "raw_bytes")}
    return replace(begun, **read, fetched_at_ns=tally.fetched_at_ns, raw_sha256=tally.raw_sha256)


def name(fetch: Fetch) -> str:
    """Kind and scope, for a message."""
    return f"{fetch.feed} {fetch.scope}".rstrip()
