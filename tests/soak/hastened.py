"""The product's command line under hastened time: `python -m tests.soak.hastened agent run`, with every process it starts.

Both clocks that `joulemark.timebase` reads run `$SOAK_RATE` times faster from `$SOAK_BEGAN` on (two numbers: CLOCK_BOOTTIME and UTC of
that moment), and whatever a module of joulemark waits for comes as much sooner. Libraries keep the true time. Limits that guard
against a hanging peer or device are made as much longer again: what they wait for takes true time.
"""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Final

RATE: Final = int(os.environ["SOAK_RATE"])
BEGAN_MONO_NS, BEGAN_UTC_NS = (int(number) for number in os.environ["SOAK_BEGAN"].split())
TICK_NS: Final = 20_000
"""True time counts in steps of this size, so that the moment between reading two clocks does not become a step of one of them."""
LEAK_S: Final = 0.2
LEAK_BYTES: Final = 200_000

true_clock_ns, true_event_wait, true_condition_wait = time.clock_gettime_ns, threading.Event.wait, threading.Condition.wait
true_sleep = asyncio.sleep


def since_began_ns() -> int:
    """Hastened nanoseconds since the start."""
    return (true_clock_ns(time.CLOCK_BOOTTIME) - BEGAN_MONO_NS) // TICK_NS * TICK_NS * RATE


def hastened_clock_ns(clock: int) -> int:
    return BEGAN_MONO_NS + since_began_ns() if clock == time.CLOCK_BOOTTIME else true_clock_ns(clock)


def hastened_utc_ns() -> int:
    return BEGAN_UTC_NS + since_began_ns()


def shorter(timeout_s: float | None, caller: FrameType) -> float | None:
    """What a module of joulemark waits for comes sooner; everybody else has the time that was asked for."""
    ours = str(caller.f_globals.get("__name__", "")).startswith("joulemark.")
    return timeout_s / RATE if ours and timeout_s is not None else timeout_s


class HastenedQueue(queue.SimpleQueue):  # type: ignore[type-arg]  # the generic one takes no attribute
    """A queue whose patience is hastened."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        return super().get(block, shorter(timeout, sys._getframe(1)))


def event_wait(self: threading.Event, timeout: float | None = None) -> bool:
    return true_event_wait(self, shorter(timeout, sys._getframe(1)))


def condition_wait(self: threading.Condition, timeout: float | None = None) -> bool:
    return true_condition_wait(self, shorter(timeout, sys._getframe(1)))


def hastened_sleep(delay: float, result: Any = None) -> Coroutine[Any, Any, Any]:
    return true_sleep(shorter(delay, sys._getframe(1)) or 0.0, result)


def hasten() -> None:
    """From now on in this process."""
    time.clock_gettime_ns, time.time_ns = hastened_clock_ns, hastened_utc_ns
    threading.Event.wait, threading.Condition.wait = event_wait, condition_wait  # type: ignore[method-assign]  # the library's waits are hastened here
    queue.SimpleQueue, asyncio.sleep = HastenedQueue, hastened_sleep  # type: ignore[misc,assignment]  # the library's waits are hastened here


def fit_agent() -> None:
    """Hasten the bare lock on which the sampler waits, and let limits for hanging peers and devices last as long as in true time."""
    from joulemark.agent import runner, sampler, session

    true_bell_wait = sampler.Bell.wait
    sampler.Bell.wait = lambda bell, timeout_s: true_bell_wait(bell, timeout_s / RATE)  # type: ignore[method-assign]  # it waits on a bare lock
    session.STALL_S *= RATE  # type: ignore[misc]  # a constant of the product that counts real seconds
    runner.HANGING_S *= RATE  # type: ignore[misc]  # a constant of the product that counts real seconds


def leak() -> None:
    """Lose memory and descriptors for ever, to show that the soak notices."""
    lost: list[object] = []
    while True:
        lost += [b"\1" * LEAK_BYTES, socket.socket()]
        time.sleep(LEAK_S)


hasten()  # also where multiprocessing imports this file into a child

if __name__ == "__main__":
    from joulemark.cli import main

    if "agent" in sys.argv:
        fit_agent()
        if os.environ.get("LEAK") == "1":
            threading.Thread(target=leak, daemon=True).start()
    main()
