"""Looks now and then after every stream that is open: one task for all of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from joulemark.collector.refusal import Refused
from joulemark.config import LimitsConfig

PERIOD_S: Final = 5.0


class Watched(Protocol):
    """A stream as the guard sees it."""

    def look(self) -> None:
        """Raise Refused when the stream has to end."""
        ...

    async def look_at_stored(self) -> None:
        """Ask the disk, where it is time to."""
        ...

    def end(self, error: BaseException) -> None:
        """End the stream with an error."""
        ...


class Guard:
    """One for each ingest process; used from its event loop only. Its task lives while there are streams."""

    def __init__(self, limits: LimitsConfig) -> None:
        self._period_s = min(PERIOD_S, limits.idle_timeout_s / 4)
        self._watched: set[Watched] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, stream: Watched) -> Iterator[None]:
        """Look after `stream` meanwhile."""
        self._watched.add(stream)
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._watched.discard(stream)
            if not self._watched and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _look(self) -> None:
        while True:
            for stream in tuple(self._watched):
                try:
                    stream.look()
                    await stream.look_at_stored()
                except (Refused, sqlite3.Error) as error:
                    stream.end(error)
            await asyncio.sleep(self._period_s)
