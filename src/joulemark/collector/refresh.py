"""Refresh: the collector reads each feed of prices at its own pace, and one that fails, hangs or lies touches no other.

What an attempt brings goes through the gates into the store; an attempt that brings nothing leaves what is known as it is, with the
time at which it was really read. Marketplaces are asked often while runs are going on, and seldom otherwise.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from joulemark.collector import feeds as tables
from joulemark.collector.feeds import Feed
from joulemark.collector.gathering import Gathered, Gatherer
from joulemark.collector.replies import Replies
from joulemark.config import Config
from joulemark.errors import JoulemarkError
from joulemark.pricing import kept
from joulemark.pricing.fetch import Outcome
from joulemark.timebase import Clock
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.collector.prices")

SOON_S: Final = 2.0
"""Within so long after the start of the collector a feed that is due is read."""

GOOD: Final = (Outcome.OK, Outcome.NOT_MODIFIED)


@dataclass(slots=True)
class Course:
    """Where one feed is: when it is due and when its last reading began, whether it is being read, was asked for by somebody, and runs
    were going on at the last look.
    """

    feed: Feed
    due_ns: int = 0
    begun_ns: int = 0
    running: bool = False
    wanted: bool = False
    was_active: bool = False
    error: str = ""


class Refresh:
    """Reads `feeds` until it is stopped. `active`: whether a run is going on; `clock` dates what is read."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        gatherer: Gatherer,
        *,
        active: Callable[[], bool],
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self._courses = {feed.name: Course(feed) for feed in feeds}
        self.clock = clock
        self._gatherer, self._active, self._rng = gatherer, active, rng or random.Random()
        once = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler: Any = AsyncIOScheduler(timezone=datetime.UTC, job_defaults=once)  # type: ignore[no-untyped-call]  # APScheduler 3 has no types
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """The feeds, as configured."""
        return tuple(course.feed for course in self._courses.values())

    def course(self, name: str) -> Course:
        """Where the feed of that name is. Raises KeyError."""
        return self._courses[name]

    def next_ns(self, name: str) -> int | None:
        """When the feed is read next, UTC, as things stand now; None once it is stopped. Raises KeyError."""
        course, job = self._courses[name], self._scheduler.get_job(name)
        if job is None or job.next_run_time is None:
            return None
        look_ns: int = round(job.next_run_time.timestamp() * NS_PER_S)
        return look_ns if course.wanted or course.was_active or self._active() else max(look_ns, course.due_ns)

    async def start(self) -> None:
        """Begin: what is due is read soon, what was read within its interval when that has passed."""
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a feed that takes longer than its pace is told by its attempts
        now_ns = self.clock.utc_ns()
        for name, course in self._courses.items():
            feed = course.feed
            course.due_ns = await self._due_ns(feed)
            soon_ns = now_ns + round(self._rng.uniform(0, min(SOON_S, feed.keys.jitter_s)) * NS_PER_S)
            first_ns = soon_ns if oftener(feed) else max(soon_ns, course.due_ns)
            self._scheduler.add_job(
                self._tick,
                "interval",
                seconds=feed.tick_s,
                jitter=feed.keys.jitter_s or None,
                args=[course],
                id=name,
                name=name,
                next_run_time=moment(first_ns),
            )
        self._scheduler.start()

    async def stop(self) -> None:
        """End, in the middle of a reading too: of that nothing is kept."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)  # in the next turn of the loop, and then it cancels what is going on
            await asyncio.sleep(0)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def ask(self, name: str) -> bool:
        """Read a feed now, whatever its interval; whether it begins, False while it is being read already. Raises KeyError."""
        course = self._courses[name]
        if course.running:
            return False
        course.wanted = True
        self._scheduler.modify_job(name, next_run_time=moment(self.clock.utc_ns()))
        return True

    def hurry(self) -> None:
        """A run begins: ask those feeds whose prices change by the hour, unless they were asked a moment ago."""
        now_ns = self.clock.utc_ns()
        for name, course in self._courses.items():
            if oftener(course.feed) and now_ns - course.begun_ns >= course.feed.tick_s * NS_PER_S:
                self.ask(name)

    async def _due_ns(self, feed: Feed) -> int:
        """When `feed` is due, from what the store says of its last attempt; 0 where that failed or there was none."""
        try:
            last = await self._gatherer.last(feed)
        except JoulemarkError as error:
            log.error("the prices cannot be read: %s", error)
            return 0
        return last.requested_at_ns + feed.every_s * NS_PER_S if last is not None and last.outcome in GOOD else 0

    async def _tick(self, course: Course) -> None:
        """Read a feed when it is time, and settle when it will be looked at again."""
        active = self._active()
        now_ns = self.clock.utc_ns()
        late_enough = now_ns + course.feed.tick_s * NS_PER_S // 2 >= course.due_ns
        if not (course.wanted or active or course.was_active or late_enough or not oftener(course.feed)):
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        course.wanted, course.was_active, course.running, course.begun_ns = False, active, True, now_ns
        try:
            self._settle(course, await self._gatherer.gather(course.feed), now_ns)
        except JoulemarkError as error:
            log.error("what came of %s cannot be stored: %s", course.feed.name, error)
            course.error = str(error)
        finally:
            course.running = False
            self._tasks.discard(task)

    def _settle(self, course: Course, gathered: Gathered, begun_ns: int) -> None:
        """When the feed is due after an attempt; sooner than its interval after one that failed."""
        feed, course.error = course.feed, ""
        if gathered.fetch.outcome is Outcome.FAILED:
            self._again(course, begun_ns + feed.retry_s * NS_PER_S)
        elif gathered.due_ns is not None and not feed.keys.every_s:
            self._again(course, gathered.due_ns)
        else:
            course.due_ns = begun_ns + feed.every_s * NS_PER_S

    def _again(self, course: Course, due_ns: int) -> None:
        """Let the next look be at `due_ns`, a little late by chance, unless one is due before."""
        course.due_ns = due_ns
        if not oftener(course.feed) and self._scheduler.running:
            late_s = self._rng.uniform(0, min(course.feed.keys.jitter_s, course.feed.retry_s / 10))
            self._scheduler.modify_job(course.feed.name, next_run_time=moment(due_ns + round(late_s * NS_PER_S)))


def oftener(feed: Feed) -> bool:
    """Whether it is looked at oftener than it is read while no run is going on."""
    return feed.tick_s < feed.every_s


def moment(t_ns: int) -> datetime.datetime:
    """A time as the scheduler takes it."""
    return datetime.datetime.fromtimestamp(t_ns / NS_PER_S, datetime.UTC)


def gatherer(config: Config, clock: Clock) -> Gatherer:
    """What reads into the store of `config`."""
    return Gatherer(lambda: kept.opened(config, clock), Replies(tables.folder(config)), clock)


@asynccontextmanager
async def going_on(config: Config, *, active: Callable[[], bool], clock: Clock) -> AsyncIterator[Refresh]:
    """Reads the feeds of `config` inside the block. Raises ConfigError for a feed that cannot be."""
    feeds = tables.feeds_of(config)
    with ThreadPoolExecutor(1, thread_name_prefix="prices") as writer:
        refresh = Refresh(feeds, replace(gatherer(config, clock), writer=writer), active=active, clock=clock)
        await refresh.start()
        try:
            yield refresh
        finally:
            await refresh.stop()
