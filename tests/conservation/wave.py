"""The truth: a square wave on the monotonic clock, in whole watts, nanoseconds and millijoules; nothing of the product's arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

NS_PER_S = 10**9
NJ_PER_MJ = 10**6

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Wave:
    """Low for half a period, then high; `phase_ns` ahead of a period that began when the clock was 0."""

    mean_w: int
    amplitude_w: int
    period_ns: int
    phase_ns: int
    step_ns: int

    @staticmethod
    def of(table: dict[str, Any]) -> Wave:
        period, phase, step = (round(table[key] * NS_PER_S) for key in ("period_s", "phase_s", "counter_step_s"))
        return Wave(table["mean_w"], table["amplitude_w"], period, phase, step)

    def power_mw(self, t_ns: Int64) -> Int64:
        """int64[n]: milliwatts at `t_ns`."""
        high = 2 * ((t_ns + self.phase_ns) % self.period_ns) >= self.period_ns
        return np.where(high, 1000 * (self.mean_w + self.amplitude_w), 1000 * (self.mean_w - self.amplitude_w))

    def counter_mj(self, t_ns: Int64) -> Int64:
        """int64[n]: millijoules since the clock was 0. Raises ValueError unless every `t_ns` is a step of the counter."""
        if (t_ns % self.step_ns).any():
            raise ValueError("a counter was read between its steps")
        return self._since_period_began_mj(t_ns + self.phase_ns) - self._since_period_began_mj(np.array([self.phase_ns]))

    def _since_period_began_mj(self, t_ns: Int64) -> Int64:
        """Whole periods have the mean; of the running one the low half comes first. No product here leaves 64 bits."""
        whole, rest = np.divmod(t_ns, self.period_ns)
        part_nj = (self.mean_w - self.amplitude_w) * rest + 2 * self.amplitude_w * np.maximum(0, rest - self.period_ns // 2)
        if (part_nj % NJ_PER_MJ).any() or self.mean_w * self.period_ns % NJ_PER_MJ:
            raise ValueError("the wave has no whole millijoules at the steps of its counter")
        result: Int64 = whole * (self.mean_w * self.period_ns // NJ_PER_MJ) + part_nj // NJ_PER_MJ
        return result
