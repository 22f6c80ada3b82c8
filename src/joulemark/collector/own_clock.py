"""What the collector knows of its own clock, kept while it runs: a bundle has to say of every clock how it was kept (CLK-1, CLK-2)."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import Final

from joulemark import timebase
from joulemark.collector.store.base import ChunkStore
from joulemark.discipline import chrony, kernel_clock
from joulemark.proto.messages import ClockState
from joulemark.timebase import AxisClock, Clock

log = logging.getLogger("joulemark.collector.own_clock")
PERIOD_S: Final = 30.0


def state(axis: AxisClock, host: Clock) -> ClockState:
    """The host's clock against the axis, and what kernel and time daemon say of it. Asks chrony: not for the loop's thread.

    Raises OSError where the host cannot be asked.
    """
    kernel, daemon = kernel_clock(), chrony()
    shift_ns = timebase.utc_minus_mono_ns(host)
    return ClockState(
        offset_ns=axis.minus_mono_ns - shift_ns,
        offset_known=True,
        kernel_synchronized=kernel.synchronized,
        kernel_max_error_ns=kernel.max_error_ns,
        discipline=daemon.name,
        discipline_bound_ns=daemon.bound_ns,
        at_mono_ns=host.mono_ns(),
        utc_minus_mono_ns=shift_ns,
    )


async def keep(store: ChunkStore, axis: AxisClock, host: Clock, period_s: float = PERIOD_S) -> None:
    """Keep a state now and every `period_s` seconds; one that cannot be kept is missing, and the next one is tried."""
    while True:
        try:
            known = await asyncio.to_thread(state, axis, host)
            await asyncio.wrap_future(store.told(axis.utc_ns(), known))
        except (OSError, sqlite3.Error) as error:
            log.warning("the state of the collector's clock is not kept: %s; bundles will lack it (CLK-1)", error)
        await asyncio.sleep(period_s)
