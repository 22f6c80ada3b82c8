"""When the next thing is due: deadlines on a fixed grid, and waits between failures. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from joulemark.units import NS_PER_S


@dataclass(slots=True)
class Grid:
    """Absolute deadlines `start_ns + k * period_ns` on a monotonic clock: late work never moves the later ones."""

    start_ns: int
    period_ns: int
    due_ns: int = field(init=False)

    def __post_init__(self) -> None:
        self.due_ns = self.start_ns

    def advance(self, now_ns: int) -> int:
        """Move to the first deadline after `now_ns`; returns how many were passed over without being served."""
        steps = max(1, (now_ns - self.due_ns) // self.period_ns + 1)
        self.due_ns += steps * self.period_ns
        return steps - 1


@dataclass(frozen=True, slots=True)
class Bursts:
    """How densely a meter is read around a phase mark: `hz` for `lasting_s`; 0 of either turns them off."""

    hz: float = 0.0
    lasting_s: float = 0.0

    def ticks(self, period_ns: int) -> int:
        """Into how many steps a burst divides the period: bursts stand on the grid, finer. Below FEWEST_TICKS there is none."""
        return round(self.hz * period_ns / NS_PER_S) if self.lasting_s > 0.0 else 0


NO_BURSTS: Final = Bursts()
FEWEST_TICKS: Final = 2
"""One step would be the grid itself."""


class Pace:
    """When a meter is read: on its grid, and after a phase mark for a while on a finer one that holds every point of it."""

    def __init__(self, start_ns: int, period_ns: int, bursts: Bursts = NO_BURSTS) -> None:
        self._grid = Grid(start_ns, period_ns)
        self._burst: Grid | None = None
        self._ticks, self._lasting_ns = bursts.ticks(period_ns), round(bursts.lasting_s * NS_PER_S)
        self._until_ns = 0

    @property
    def due_ns(self) -> int:
        """The next deadline."""
        return self._grid.due_ns if self._burst is None else self._burst.due_ns

    @property
    def is_extra(self) -> bool:
        """Whether the next deadline is of a burst alone, and not of the grid."""
        return self._burst is not None and self._grid.due_ns - self._burst.due_ns > self._burst.period_ns // 2

    def mark(self, now_ns: int) -> None:
        """A phase mark was set and read: a burst begins, or goes on for longer."""
        if self._ticks < FEWEST_TICKS:
            return
        self._until_ns = now_ns + self._lasting_ns
        if self._burst is None:
            period_ns = -(-self._grid.period_ns // self._ticks)  # rounded up: the step that is the grid's comes no earlier
            self._burst = Grid(self._grid.due_ns - self._grid.period_ns, period_ns)
            self._burst.advance(now_ns)

    def advance(self, now_ns: int) -> int:
        """Move to the first deadline after `now_ns`; returns how many were passed over without being served."""
        if self._burst is None:
            return self._grid.advance(now_ns)
        late_count = self._burst.advance(now_ns)
        if now_ns >= self._grid.due_ns:
            self._grid.advance(now_ns)
        if now_ns >= self._until_ns:
            self._burst = None
        return late_count


@dataclass(slots=True)
class Backoff:
    """Waits that double from `first_s` to `longest_s`; `jittered` draws from zero to the wait, so that a fleet spreads out."""

    first_s: float
    longest_s: float
    failures: int = 0

    def next_s(self) -> float:
        """The wait after one more failure."""
        wait_s = min(self.longest_s, self.first_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return wait_s

    def jittered_s(self) -> float:
        """The wait after one more failure, full jitter."""
        return random.uniform(0.0, self.next_s())  # spreading load, not a secret

    def reset(self) -> None:
        """Success: the next failure waits `first_s`."""
        self.failures = 0
