"""Rows of one meter while its file is read, and the series they become: exact decimals in, scaled integers out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import numpy as np

from joulemark.energy.series import Series
from joulemark.readings import MeterInfo, Quality
from joulemark.units import NS_PER_S, scaled

LIMIT_SI: Final = Decimal(10**9)
"""No recorded power reaches a gigawatt: above it is an overflow code, as the 9.91E+37 of SCPI analysers."""

COUNTER_LIMIT_J: Final = Decimal(10**15)
"""In millijoules it fits 64 bits; one GPU takes 45,000 years to reach it."""

EXPONENTS: Final = (-3, -6, -9)
NOT_AVAILABLE: Final = frozenset({"", "n/a", "[n/a]", "[not supported]", "[unknown error]", "none", "null"})
NUMBER: Final = re.compile(r"[+-]?(\d{1,60}\.?\d{0,60}|\.\d{1,60})([eE][+-]?\d{1,3})?", re.ASCII)
"""As recorders print it; Python also takes 1_0 and digits of other scripts, which no recorder means."""


NO_MEASUREMENT: Final = frozenset({"not a number", "overflow", "not available (-1)", "not positive"})
"""Reasons of gaps where something was printed, but no power (SMP-11); the others are reads that brought nothing."""


def watts(text: str) -> tuple[Decimal | None, str]:
    """(power in watts, "") as printed, exactly, or (None, why it is a gap).

    Zero is a gap: it is how failed reads are logged, and nothing that runs draws nothing.
    """
    bare = text.strip().removesuffix("W").strip()
    if bare.lower() in NOT_AVAILABLE:
        return None, "not available"
    if not NUMBER.fullmatch(bare):
        return None, "not a number"
    value = Decimal(bare)
    if value >= LIMIT_SI:
        return None, "overflow"
    if value == -1:
        return None, "not available (-1)"
    if value < Decimal("1e-9"):
        return None, "not positive"
    return value, ""


def joules(text: str, *, unit_j: Decimal = Decimal(1)) -> tuple[Decimal | None, str]:
    """(counter in joules, "") exactly, from a figure printed in units of `unit_j`, or (None, why it is a gap). It may be zero."""
    bare = text.strip()
    if bare.lower() in NOT_AVAILABLE:
        return None, "not available"
    value = Decimal(bare) if NUMBER.fullmatch(bare) else Decimal("nan")
    if not value.is_finite() or not 0 <= value * unit_j < COUNTER_LIMIT_J:
        return None, "not a counter value"
    return value * unit_j, ""


@dataclass(slots=True)
class Rows:
    """Rows in the order of the file. `value` is SI, None for a gap; `reasons` says why, by row number."""

    t_ns: list[int] = field(default_factory=list)
    value: list[Decimal | None] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, t_ns: int, value: Decimal | None, reason: str = "") -> None:
        """One row. A time before the row above it cannot be placed: it becomes a gap at that row's time."""
        if self.t_ns and t_ns < self.t_ns[-1]:
            t_ns, value, reason = self.t_ns[-1], None, "time goes backwards"
        if value is None:
            self.reasons[len(self.t_ns)] = reason
        self.t_ns.append(t_ns)
        self.value.append(value)

    def series(self, meter: MeterInfo, *, t_unc_ns: int = 0, exponents: tuple[int, ...] = EXPONENTS) -> Series:
        """The rows as a series of `meter`, at the coarsest of `exponents` that loses nothing, with the update period as seen."""
        exponent = coarsest_exponent([v for v in self.value if v is not None], exponents)
        t_ns = np.array(self.t_ns, dtype=np.int64)
        steps = np.diff(t_ns)
        period_s = float(np.median(steps)) / NS_PER_S if len(steps) else None
        return Series(
            replace(meter, exponent=exponent, update_period_measured_s=meter.update_period_measured_s or period_s),
            t_ns,
            np.array([0 if v is None else scaled(v, exponent) for v in self.value], dtype=np.int64),
            np.array([Quality.GAP if v is None else Quality.OK for v in self.value], dtype=np.uint8),
            np.full(len(t_ns), t_unc_ns, dtype=np.int64),
            dict(self.reasons),
        )


def coarsest_exponent(values: list[Decimal], exponents: tuple[int, ...]) -> int:
    """The first of `exponents` (coarse to fine) at which every value is an integer inside int64; the finest that fits otherwise."""
    decimals = max((-_last_digit(v) for v in values), default=0)
    largest = max((abs(v) for v in values), default=Decimal(0))
    fitting = [e for e in exponents if largest.scaleb(-e) < 2**63] or [exponents[0]]
    return next((e for e in fitting if decimals <= -e), fitting[-1])


def _last_digit(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
