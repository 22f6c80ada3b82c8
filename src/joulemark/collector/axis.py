"""The collector's time axis while it runs: anchored at the start, then watched for steps of the host's UTC beside it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from joulemark import timebase
from joulemark.collector.store.base import ChunkStore, ReadingStore
from joulemark.collector.unusable import is_no_room, unusable
from joulemark.timebase import STEP_NS, AxisClock, Clock
from joulemark.units import NS_PER_S

log = logging.getLogger("joulemark.collector.axis")
WATCH_S: Final = 1.0


def anchored(store: ChunkStore, host: Clock, catalog: Path) -> AxisClock:
    """The axis of this start: the one of before while a run of `catalog` is open, else UTC as it is now."""
    shift_ns = timebase.utc_minus_mono_ns(host)
    keep = has_open_run(catalog)
    minus_mono_ns = store.anchored(timebase.boot_id(), mono_ns=host.mono_ns(), utc_minus_mono_ns=shift_ns, keep=keep)
    if abs(minus_mono_ns - shift_ns) > STEP_NS:
        log.warning("the time axis is %+.3f s from UTC and stays so for the open run", (minus_mono_ns - shift_ns) / NS_PER_S)
    return AxisClock(host, minus_mono_ns)


def current(store: ReadingStore, host: Clock) -> AxisClock:
    """The axis that the ingest process anchored, for a reader of its store."""
    return AxisClock(host, store.axes()[-1].minus_mono_ns)


def has_open_run(catalog: Path) -> bool:
    """Whether a run was started and not stopped; False where there is no catalogue yet. Raises EnvironmentFailed on a full disk."""
    if not catalog.exists():
        return False
    with closing(sqlite3.connect(f"file:{quote(str(catalog))}?mode=ro", uri=True)) as db:
        try:
            return db.execute("SELECT 1 FROM run WHERE stopped_ns IS NULL LIMIT 1").fetchone() is not None
        except sqlite3.DatabaseError as error:
            if is_no_room(error):
                raise unusable(catalog, error, "") from error
            return False  # not made yet, or no catalogue: its owner will say so


async def watch(store: ChunkStore, host: Clock, period_s: float = WATCH_S) -> None:
    """Keep every step of the host's UTC as an event; the axis itself does not move."""
    before_ns = timebase.utc_minus_mono_ns(host)
    while True:
        await asyncio.sleep(period_s)
        shift_ns = timebase.utc_minus_mono_ns(host)
        if abs(shift_ns - before_ns) <= STEP_NS:
            continue
        try:
            await asyncio.wrap_future(store.stepped(mono_ns=host.mono_ns(), utc_minus_mono_ns=shift_ns))
        except sqlite3.Error as error:
            log.error("a step of the clock cannot be kept: %s; free space in collector.data_dir", error)
            continue
        log.warning("the clock was stepped by %+.3f s; the time axis goes on without it", (shift_ns - before_ns) / NS_PER_S)
        before_ns = shift_ns
