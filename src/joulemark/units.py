"""Units: SI inside, conversion only at the edges.

A value on the wire and in the store is an integer times `10**exponent` of the SI unit of its quantity (W or J).
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
J_PER_KWH: Final = 3_600_000
J_PER_WH: Final = 3_600

SI_PREFIX: Final[dict[int, str]] = {
    3: "kilo",
    2: "hecto",
    1: "deca",
    0: "",
    -1: "deci",
    -2: "centi",
    -3: "milli",
    -6: "micro",
    -9: "nano",
}
"""Power of ten to prefix word, as spelled in column headers (`power_milliwatt`): words, because mJ and MJ get confused."""


def scaled(value_si: float | Decimal, exponent: int) -> int:
    """The integer that stands for `value_si` at `10**exponent`, rounded half to even.

    Raises ValueError for NaN and infinity: a missing value is a gap, never a number.
    """
    if isinstance(value_si, Decimal):
        if not value_si.is_finite():
            raise ValueError(f"{value_si} is not a finite value")
        return int(value_si.scaleb(-exponent).to_integral_value())
    if not math.isfinite(value_si):
        raise ValueError(f"{value_si} is not a finite value")
    return round(value_si * 10.0**-exponent) if exponent <= 0 else round(value_si / 10.0**exponent)


def si(value: int, exponent: int) -> float:
    """The SI value (W or J) that the integer `value` stands for at `10**exponent`."""
    return value * 10.0**exponent if exponent >= 0 else value / 10.0**-exponent
