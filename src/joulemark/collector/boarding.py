"""Boarding: the collector's board at work. What is handed in is judged in the background, by processes that cannot hold up an answer, and
what the board shows is made anew when it has changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Final

from joulemark.board.desk import Desk
from joulemark.board.entry import Entry
from joulemark.board.site import Site
from joulemark.board.snapshot import Snapshot, end_ns
from joulemark.board.store import Frozen
from joulemark.board.submission import Submission
from joulemark.collector.api.archives import Arrived
from joulemark.collector.shelf import Shelf
from joulemark.config import Config
from joulemark.errors import FormatError, JoulemarkError
from joulemark.timebase import Clock

log = logging.getLogger("joulemark.collector.board")

LOOK_S: Final = 2.0
"""Between two looks whether another process has changed the board, or handed something in."""

PAUSE_S: Final = 5.0
"""After a failure of this machine, such as a full disk, before the queue is gone on with."""


class Boarding:
    """The board of one collector: `desk` behind it, `shelf` before it."""

    def __init__(self, desk: Desk, site: Site) -> None:
        self.desk, self.site, self.shelf = desk, site, Shelf.of((), site)
        self._wake = asyncio.Event()
        self._entries: dict[str, Entry] = {}
        self._mark = 0
        self._making = asyncio.Lock()

    async def submit(self, arrived: Arrived, submitter: str, level: str) -> Submission:
        """Take an archive. Raises Crowded and EnvironmentFailed."""
        now_ns = self.desk.clock.utc_ns()
        one = Submission(arrived.sha256, submitter, now_ns, arrived.size, level=level, changed_ns=now_ns)
        taken = await self.desk.receive(one, arrived.path)
        self.wake()
        return taken

    def wake(self) -> None:
        """Something waits to be judged."""
        self._wake.set()

    async def withdraw(self, entry_id: str, reason: str) -> Entry:
        """Take an entry back. Raises Unknown, and FormatError for a reason that cannot be shown."""
        entry = await asyncio.to_thread(self.desk.store.withdraw, entry_id, reason, now_ns=self.desk.clock.utc_ns())
        await self.refresh()
        return entry

    async def freeze(self, date: str) -> dict[str, str]:
        """Make the snapshot of a day that is over, or find it; name of each file -> SHA-256. Raises FormatError for a day that is not."""
        return await asyncio.to_thread(self._freeze, date)

    def _freeze(self, date: str) -> dict[str, str]:
        now_ns, store = self.desk.clock.utc_ns(), self.desk.store
        if end_ns(date) > now_ns:
            raise FormatError(f"{date} is not over yet (UTC)", "name yesterday, or a day before it")
        if date not in store.snapshots(date):
            files = Snapshot.of(store.entries(), date, self.site).files
            store.freeze([Frozen(date, name, now_ns, sha256(data).hexdigest(), data) for name, data in files.items()])
        return store.snapshots(date)[date]

    async def refresh(self) -> None:
        """Make the shelf anew where the board has changed."""
        async with self._making:
            self._mark, changed = await asyncio.to_thread(self.desk.store.changes, self._mark)
            if changed or not self.shelf.pages:
                self._entries |= {entry.entry_id: entry for entry in changed}
                self.shelf = await asyncio.to_thread(Shelf.of, list(self._entries.values()), self.site, self.shelf)

    async def run(self) -> None:
        """Judge what waits, until cancelled. The queue of a desk that another process has is left to it."""
        while True:
            try:
                with self.desk.alone() as alone:
                    if alone:
                        await asyncio.to_thread(self.desk.sweep)
                    await self._work(alone=alone)
            except JoulemarkError as error:
                log.error("the board stands still: %s", error)
                await asyncio.sleep(PAUSE_S)

    async def _work(self, *, alone: bool) -> None:
        """Judge and refresh, again and again; returns after a while where another process judges."""
        while True:
            waiting = await asyncio.to_thread(self.desk.store.next) if alone else None
            if waiting is not None:
                settled = await self.desk.settle(waiting)
                log.info("submission %s of %s: %s", settled.submission_id, settled.submitter, settled.state)
            await self.refresh()
            if waiting is not None:
                continue
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()
            if not alone:
                return


def told_of(task: asyncio.Task[None]) -> None:
    """Say why a board judges no more, when nobody ended it: that is a bug, and what waits is judged after a restart."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the board judges no more; restart the collector, and report this", exc_info=error)


@asynccontextmanager
async def at_work(config: Config, clock: Clock, *, url: str) -> AsyncIterator[Boarding]:
    """The board of `config`, judging inside the block; `url`: the collector's own address. Raises EnvironmentFailed, ConfigError."""
    desk = await asyncio.to_thread(Desk.of, config, clock)
    try:
        boarding = Boarding(desk, Site(config.board.url or url, config.board.title, config.board.license_url))
        await boarding.refresh()
        task = asyncio.create_task(boarding.run(), name="board")
        task.add_done_callback(told_of)
        try:
            yield boarding
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    finally:
        desk.close()
