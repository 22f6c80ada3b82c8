"""One watcher for all who listen."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine
from contextlib import aclosing
from typing import TypeVar

from joulemark.collector.live import Live
from joulemark.collector.picture import Picture

T = TypeVar("T")


class Looks:
    """Pictures by number, and how many were taken."""

    def __init__(self, fail_at: int = 0) -> None:
        self.count, self.fail_at = 0, fail_at

    async def __call__(self) -> Picture:
        self.count += 1
        if self.count == self.fail_at:
            raise sqlite3.OperationalError("unable to open database file")
        return Picture(self.count, True, 0)


def run(coroutine: Coroutine[object, object, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 10))


async def heard(live: Live, looks: Looks, count: int) -> list[int | None]:
    """The times of the next pictures, None for a sign of life."""
    found: list[int | None] = []
    async with aclosing(live.pictures(looks)) as pictures:
        async for seen in pictures:
            found.append(None if seen is None else seen.t_ns)
            if len(found) == count:
                break
    return found


def test_one_look_serves_all_who_listen() -> None:
    """Two listeners see the same pictures, taken once for both; with the last of them the watcher ends, and begins again with the next."""

    async def listen() -> None:
        live, looks = Live(every_s=0.01), Looks()
        both = await asyncio.gather(heard(live, looks, 3), heard(live, looks, 3))
        assert both == [[1, 2, 3], [1, 2, 3]]
        assert live.listeners == 0
        await asyncio.sleep(0.05)
        assert looks.count == 3
        assert await heard(live, looks, 1) == [4]

    run(listen())


def test_who_is_slow_gets_the_newest() -> None:
    """Pictures do not pile up for a listener who does not come for them."""

    async def listen() -> int:
        live, looks = Live(every_s=0.01), Looks()
        async with aclosing(live.pictures(looks)) as pictures:
            await anext(pictures)
            await asyncio.sleep(0.1)
            seen = await anext(pictures)
        assert seen is not None
        return seen.t_ns

    assert run(listen()) > 3


def test_a_sign_of_life_while_nothing_is_new() -> None:
    """Between two pictures that are far apart a listener hears that the stream stands."""
    assert run(heard(Live(every_s=60, heartbeat_s=0.01), Looks(), 3)) == [1, None, None]


def test_a_close_ends_every_stream() -> None:
    """Who waits for the next picture is let go at once, and who comes later gets none."""

    async def listen() -> None:
        live, looks = Live(every_s=60), Looks()
        waiting = asyncio.create_task(heard(live, looks, 9))
        await asyncio.sleep(0.05)
        live.close()
        assert await waiting == [1]
        assert await heard(live, looks, 9) == []
        assert looks.count == 1

    run(listen())


def test_a_store_that_cannot_be_read_ends_the_stream() -> None:
    """The listener's stream ends, so that he asks again; the next one looks anew."""

    async def listen() -> None:
        live, looks = Live(every_s=0.01), Looks(fail_at=2)
        assert await heard(live, looks, 9) == [1]
        assert await heard(live, looks, 1) == [3]

    run(listen())


def test_a_page_uses_the_picture_of_those_who_listen() -> None:
    """While somebody listens nobody looks for a page; else it takes a look of its own."""

    async def ask() -> None:
        live, looks = Live(every_s=60), Looks()
        assert (await live.now(looks)).t_ns == 1
        async with aclosing(live.pictures(looks)) as pictures:
            await anext(pictures)
            assert [(await live.now(looks)).t_ns for _ in range(2)] == [2, 2]
        assert (await live.now(looks)).t_ns == 3

    run(ask())
