"""When the next thing is due: deadlines on a fixed grid, and waits between failures. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


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
