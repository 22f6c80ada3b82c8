"""E8: how late the sampler's thread reads at 100 Hz beside asyncio.sleep, and with SCHED_FIFO while every core is wanted twice."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from joulemark.agent.sampler import Lane
from joulemark.timebase import SystemClock
from tests.bench.engine.goal import Goal, middle

PERIOD_NS = 10_000_000


class Recorder:
    """What a lane polls in place of a meter: it notes when."""

    interval_ns = PERIOD_NS
    source = "recorder"

    def __init__(self, *, fifo: bool = False) -> None:
        self.polled_ns: list[int] = []
        self._fifo = fifo

    def poll(self, *, pinned: bool = False) -> None:
        """Note the time. The first call sets the scheduling of the thread that polls, as the unit of the service would."""
        self.polled_ns.append(time.monotonic_ns())
        if self._fifo:
            self._fifo = False
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_FIFO, os.sched_param(1))

    def close(self) -> None:
        """Nothing is held."""


def late_us(polled_ns: list[int]) -> list[float]:
    """How late each poll but the first came after its deadline on the grid that the first one began, µs."""
    first = polled_ns[0]
    return [((t_ns - first) % PERIOD_NS) / 1e3 for t_ns in polled_ns[1:]]


def ours(seconds: float, *, fifo: bool = False) -> list[float]:
    """Lateness of a lane."""
    recorder: Any = Recorder(fifo=fifo)
    lane = Lane("bench", [recorder], SystemClock())
    lane.start()
    time.sleep(seconds)
    lane.ask_to_stop()
    lane.join(5.0)
    return late_us(recorder.polled_ns)


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

    return late_us(asyncio.run(poll()))


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


def fifo_allowed() -> bool:
    """Whether a thread of this process may be scheduled before all others."""
    answers: list[bool] = []

    def ask() -> None:
        with suppress(PermissionError):
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_FIFO, os.sched_param(1))
            answers.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return bool(answers)


def goals(scale: str) -> list[Goal]:
    """Both in turn, the median of each turn's p99."""
    turns, seconds = (1, 0.15) if scale == "smoke" else (5, 4.0)
    seen = [(quantile(ours(seconds), 0.99), quantile(rival(seconds), 0.99)) for _ in range(turns)]
    a, b = middle([x for x, _ in seen]), middle([x for _, x in seen])
    said = f"{a:.0f} and {b:.0f} µs"
    out = [Goal("E8a", "p99 of lateness at 100 Hz, to asyncio.sleep", 0.2, a / b, "x", False, "1/8", said, a / b)]
    if fifo_allowed() and scale != "smoke":
        with crowded(2):
            late = middle([quantile(ours(seconds, fifo=True), 0.99) for _ in range(turns)])
        out.append(Goal("E8b", "p99 of lateness with SCHED_FIFO and two busy processes a core", 100.0, late, "µs", False, "50"))
    return out
