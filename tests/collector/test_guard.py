"""One task looks after all streams, and ends those that ought to end."""

from __future__ import annotations

import asyncio
import sqlite3

import grpc

from joulemark.collector.guard import Guard
from joulemark.collector.refusal import Refused
from joulemark.config import LimitsConfig

LIMITS = LimitsConfig(idle_timeout_s=0.1)
BAD = Refused(grpc.StatusCode.DEADLINE_EXCEEDED, "idle_timeout_s", "silent")


class Stream:
    """A stream that is looked at, with an error of each kind of look."""

    def __init__(self, error: Refused | None = None, stored: sqlite3.Error | None = None) -> None:
        self.looks, self.ended = 0, list[BaseException]()
        self._error, self._stored = error, stored

    def look(self) -> None:
        self.looks += 1
        if self._error is not None:
            raise self._error

    async def look_at_stored(self) -> None:
        if self._stored is not None:
            raise self._stored

    def end(self, error: BaseException) -> None:
        self.ended.append(error)


def test_each_stream_is_looked_at_and_a_bad_one_ends_alone() -> None:
    """Of three, one is silent and the store fails another one: both end with their own error, the third is looked at again and again."""
    full = sqlite3.OperationalError("disk is full")
    silent, unread, good = Stream(BAD), Stream(stored=full), Stream()

    async def serve() -> None:
        guard = Guard(LIMITS)
        with guard.watching(silent), guard.watching(unread), guard.watching(good):
            while good.looks < 3:
                await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(serve(), 10))
    assert (set(silent.ended), set(unread.ended), good.ended) == ({BAD}, {full}, [])


def test_who_left_is_not_looked_at_and_the_task_ends_with_the_last() -> None:
    """A stream that ended is looked at no more; without streams no task is left, and the next stream begins one anew."""
    first, second = Stream(), Stream()

    async def serve() -> None:
        guard, before = Guard(LIMITS), asyncio.all_tasks()
        for stream in (first, second):
            with guard.watching(stream):
                while not stream.looks:
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == before

    asyncio.run(asyncio.wait_for(serve(), 10))
    seen = first.looks
    assert (seen, second.looks >= 1) == (first.looks, True)
