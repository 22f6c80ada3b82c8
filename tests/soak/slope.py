"""The line through a series, and how well it is known. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Slope:
    """`per_x` by least squares, and its standard uncertainty."""

    per_x: float
    u: float

    @property
    def surely_above(self) -> float:
        """The slope is above this with 95 % confidence, or more."""
        return self.per_x - 2.0 * self.u


def slope(x: Sequence[float], y: Sequence[float]) -> Slope:
    """The slope of `y` over `x`, both of length n >= 8.

    Memory moves in steps that last, so neighbouring residuals are alike: their correlation r at lag one leaves n (1 - r) / (1 + r)
    independent values.
    """
    if len(x) < 8:
        raise ValueError(f"{len(x)} points are too few for a slope")
    t, v = np.asarray(x, float) - np.mean(x), np.asarray(y, float)
    per_x = float(t @ v / (t @ t))
    rest = v - v.mean() - per_x * t
    spread = float(rest @ rest)
    if spread == 0.0:
        return Slope(per_x, 0.0)
    alike = min(0.98, max(0.0, float(rest[1:] @ rest[:-1]) / spread))
    independent = max(3.0, len(v) * (1.0 - alike) / (1.0 + alike))
    return Slope(per_x, float(np.sqrt(spread / (independent - 2.0) / (t @ t))) if independent > 2.0 else float("inf"))
