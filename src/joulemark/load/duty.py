"""A share of time: work for a part of each period, rest for what is left of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from joulemark.timebase import Clock
from joulemark.units import NS_PER_S

PERIOD_S: Final = (0.03, 0.07)
"""A period is drawn from here each time: a fixed one would beat with a meter that looks at fixed times."""


def cycle(level: float, step: Callable[[], object], *, clock: Clock, sleep: Callable[[float], object], periods: int | None = None) -> None:
    """Repeat `step` for the share `level` (above 0) of the time, for ever or for so many `periods`.

    A rest is as long as what was really worked asks for, so that the share holds for steps of any length.
    """
    while periods is None or periods > 0:
        work_s = level * random.uniform(*PERIOD_S)
        begin_ns = clock.mono_ns()
        worked_s = 0.0
        while worked_s < work_s:
            step()
            worked_s = (clock.mono_ns() - begin_ns) / NS_PER_S
        if level < 1.0:
            sleep(worked_s * (1.0 - level) / level)
        periods = None if periods is None else periods - 1
