"""`python -m joulemark.load.burn_cpu LEVEL`: every core at work for the share LEVEL of the time, until killed."""

from __future__ import annotations

import os
import sys
import time

from joulemark.load.duty import cycle
from joulemark.timebase import SystemClock

NUMBERS = tuple(float(n) for n in range(1, 400))


def step() -> float:
    """Some tens of microseconds of multiplications and divisions."""
    return sum(a * a / (a + 1.0) for a in NUMBERS)


def main(level: float) -> None:
    """One process for each core that this one may use."""
    for _ in range(len(os.sched_getaffinity(0)) - 1):
        if os.fork() == 0:
            break
    cycle(level, step, clock=SystemClock(), sleep=time.sleep)


if __name__ == "__main__":
    main(float(sys.argv[1]))
