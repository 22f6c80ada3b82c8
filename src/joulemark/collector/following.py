"""Following: each configured board is looked at again and again, and one that fails, hangs or lies holds up no other."""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from joulemark.board.follow import Follower
from joulemark.collector.boarding import Boarding
from joulemark.collector.refresh import moment
from joulemark.config import Config
from joulemark.errors import JoulemarkError
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.collector.board")

SOON_S: Final = 1.0
"""Between the start of the collector and its first look at the first board; the others follow at the same distance."""


@asynccontextmanager
async def going_on(config: Config, board: Boarding) -> AsyncIterator[None]:
    """Looks at the boards of `config` inside the block. Raises ConfigError for an address that is none, and for a token file."""
    followers = [Follower.of(config, board.desk, url) for url in dict.fromkeys(one.rstrip("/") for one in config.board.follow)]
    once = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler: Any = AsyncIOScheduler(timezone=datetime.UTC, job_defaults=once)  # type: ignore[no-untyped-call]  # APScheduler 3 has no types
    now_ns = board.desk.clock.utc_ns()
    for place, follower in enumerate(followers, 1):
        first = moment(now_ns + round(SOON_S * place * NS_PER_S))
        every_s = config.board.follow_every_s
        scheduler.add_job(look, "interval", seconds=every_s, args=[follower, board], next_run_time=first, jitter=every_s // 10 or None)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        await asyncio.sleep(0)


async def look(follower: Follower, board: Boarding) -> None:
    """One look; what it brings is judged, and what it took back is shown so."""
    try:
        seen = await follower.look()
    except JoulemarkError as error:
        log.error("%s cannot be followed: %s", follower.board, error)
        return
    if seen.taken:
        board.wake()
    if seen.withdrawn:
        await board.refresh()
