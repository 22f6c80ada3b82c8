"""One watcher for all who listen: it looks once a second while anybody does, and everybody gets the newest picture."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from joulemark.collector.picture import Picture

log = logging.getLogger("joulemark.collector.live")
EVERY_S: Final = 1.0
HEARTBEAT_S: Final = 15.0
Look = Callable[[], Awaitable[Picture]]


@dataclass(slots=True)
class Round:
    """One life of the watcher: the newest picture, what wakes who waits for the next, and whether there will be none."""

    picture: Picture | None = None
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    def tell(self) -> None:
        """Wake who waits."""
        self.turn.set()
        self.turn = asyncio.Event()


class Live:
    """Used from one event loop. The watcher begins with the first listener and ends with the last."""

    def __init__(self, *, every_s: float = EVERY_S, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._every_s, self._heartbeat_s = every_s, heartbeat_s
        self._listeners, self._closed = 0, False
        self._round = Round(over=True)
        self._watcher: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return self._listeners

    async def now(self, look: Look) -> Picture:
        """The picture of who listens, where somebody does, else one that is taken for the asker. Raises what `look` does."""
        return await look() if self._round.over or self._round.picture is None else self._round.picture

    async def pictures(self, look: Look) -> AsyncGenerator[Picture | None]:
        """The newest picture whenever there is another one, None as a sign of life meanwhile.

        Who is slow misses those between. Ends at `close`, and when the store cannot be read.
        """
        if self._closed:
            return
        self._listeners += 1
        if self._round.over:
            self._round = Round()
            self._watcher = asyncio.create_task(self._watch(look, self._round))
        found, seen = self._round, None
        try:
            while not found.over:
                if found.picture is seen:
                    try:
                        async with asyncio.timeout(self._heartbeat_s):
                            await found.turn.wait()
                    except TimeoutError:
                        yield None
                else:
                    seen = found.picture
                    yield seen
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._end()

    async def _watch(self, look: Look, told: Round) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not told.over:
                begin_s = loop.time()
                told.picture = await look()
                told.tell()
                await asyncio.sleep(max(0.0, begin_s + self._every_s - loop.time()))
        except (sqlite3.Error, OSError) as error:
            log.error("what goes on now cannot be read: %s", error)
        finally:
            told.over = True
            told.tell()

    def _end(self) -> None:
        self._round.over = True
        self._round.tell()
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    def close(self) -> None:
        """End every stream: the collector stops."""
        self._closed = True
        self._end()
