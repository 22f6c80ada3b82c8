"""E8: how late the sampler's thread reads at 100 Hz beside asyncio.sleep, and with SCHED_FIFO while every core is wanted twice."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from joulemark.agent.sampler import Lane, in_real_time
from joulemark.agent.schedule import NO_BURSTS
from joulemark.timebase import SystemClock
from tests.bench.engine.goal import Goal, middle

PERIOD_NS = 10_000_000


class Recorder:
    """What a lane polls in place of a meter: it notes when."""

    interval_ns = PERIOD_NS
    source = "recorder"
    bursts = NO_BURSTS

    def __init__(self) -> None:
        self.polled_ns: list[int] = []

    def poll(self, *, pinned: bool = False, extra: bool = False) -> None:
        """Note the time."""
        self.polled_ns.append(time.clock_gettime_ns(time.CLOCK_BOOTTIME))

    def close(self) -> None:
        """Nothing is held."""


class Noted(SystemClock):
    """The clock of a lane, which notes what it was told first: where its grid begins."""

    begin_ns = 0

    def mono_ns(self) -> int:
        """Now."""
        now_ns = super().mono_ns()
        self.begin_ns = self.begin_ns or now_ns
        return now_ns


def late_us(begin_ns: int, polled_ns: list[int]) -> list[float]:
    """How long after each deadline of the grid from `begin_ns` on the next poll came, µs: one that is passed over waits for it.

    The first deadline is left out: the thread had just been made.
    """
    polls, deadlines = np.array(polled_ns), np.arange(begin_ns + PERIOD_NS, polled_ns[-1] + 1, PERIOD_NS)
    late: list[float] = ((polls[np.searchsorted(polls, deadlines)] - deadlines) / 1e3).tolist()
    return late


def ours(seconds: float) -> list[float]:
    """Lateness of a lane."""
    recorder: Any = Recorder()
    clock = Noted()
    lane = Lane("bench", [recorder], clock)
    lane.start()
    time.sleep(seconds)
    lane.ask_to_stop()
    lane.join(5.0)
    return late_us(clock.begin_ns, recorder.polled_ns)


def rival(seconds: float) -> list[float]:
    """Lateness of a coroutine that sleeps until each deadline."""

    async def poll() -> list[int]:
        polled_ns = [time.monotonic_ns()]
        due_ns = polled_ns[0] + PERIOD_NS
        while due_ns < polled_ns[0] + round(seconds * 1e9):
            await asyncio.sleep(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
            polled_ns.append(time.monotonic_ns())
            due_ns += PERIOD_NS
        return polled_ns

    polled_ns = asyncio.run(poll())
    return late_us(polled_ns[0], polled_ns)


def quantile(values: list[float], part: float) -> float:
    """The smallest value that `part` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


@contextmanager
def crowded(factor: int) -> Iterator[None]:
    """`factor` busy processes for each core."""
    command = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in range(factor * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


@contextmanager
def real_time() -> Iterator[bool]:
    """Inside, the sampler's thread asks for SCHED_FIFO, as under the limit that the unit of the service sets; whether it gets it here."""
    with patch.object(resource, "getrlimit", return_value=(1, 1)):
        yield granted()


def granted() -> bool:
    """Whether a thread gets it."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(in_real_time()))
    thread.start()
    thread.join()
    return answers[0]


def goals(scale: str) -> list[Goal]:
    """Both in short turns one after the other, since what else the machine does changes by the second; the median of each turn's p99."""
    turns, seconds = (1, 0.15) if scale == "smoke" else (12, 1.5)
    seen = [(ours(seconds), rival(seconds)) for _ in range(turns)]
    a, b, mid_a, mid_b = (middle([quantile(turn[who], part) for turn in seen]) for part in (0.99, 0.5) for who in (0, 1))
    said = f"{a:.0f} and {b:.0f} µs; medians {mid_a:.0f} and {mid_b:.0f}"
    out = [Goal("E8a", "p99 of lateness at 100 Hz, to asyncio.sleep", 0.2, a / b, "x", False, "1/8", said, a / b)]
    with real_time() as may:
        if may and scale != "smoke":
            with crowded(2):
                late = [ours(seconds) for _ in range(turns)]
            worst, mid = (middle([quantile(turn, part) for turn in late]) for part in (0.99, 0.5))
            what = "p99 of lateness with SCHED_FIFO and two busy processes a core"
            out.append(Goal("E8b", what, 100.0, worst, "µs", False, "50", f"median {mid:.0f} µs"))
    return out
