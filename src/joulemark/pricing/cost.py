"""What a window cost: pure arithmetic in Decimal, with its relative uncertainty.

Two families, never added: *market* cost is what renting the machine cost, and already contains its electricity; *energy* cost
is what the joules cost. Formulas: Energy Standard v1, section 5.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from joulemark.pricing.money import CONTEXT, decimal
from joulemark.units import J_PER_KWH

Number = Decimal | int | float

S_PER_HOUR: Final = 3600


class Family(enum.StrEnum):
    """Which of the two costs."""

    MARKET = "market"
    ENERGY = "energy"


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money in `currency`, with its standard uncertainty relative to it (None when a part of it is not known)."""

    family: Family
    amount: Decimal
    currency: str
    u_rel: float | None = 0.0

    def per_1k(self, tokens: Number) -> Decimal:
        """Cost of 1000 tokens. Raises ValueError when there were none: nothing is divided by zero."""
        if tokens <= 0:
            raise ValueError(f"{tokens} tokens: a cost per token needs some")
        with localcontext(CONTEXT):
            return self.amount * 1000 / decimal(tokens)


def market(
    price_per_hour: Decimal,
    duration_s: Number,
    *,
    currency: str,
    minimum_s: Number = 0,
    share: tuple[int, int] = (1, 1),
    price_u_rel: float = 0.0,
    duration_u_s: float = 0.0,
) -> Cost:
    """Rent of the machine for `duration_s`, pro rata.

    `minimum_s`: shortest billed time, 0 for the pro-rata figure. `share`: GPUs used and GPUs rented; the whole instance by
    default. `price_u_rel` is 0 for a price list; `duration_u_s` is the standard uncertainty of the window's length.
    """
    used, rented = share
    if not 0 < used <= rented:
        raise ValueError(f"{used} of {rented} GPUs is no share")
    seconds = max(decimal(duration_s), decimal(minimum_s))
    if seconds <= 0:
        raise ValueError(f"{duration_s} s is no duration")
    with localcontext(CONTEXT):
        amount = price_per_hour * seconds * used / (S_PER_HOUR * rented)
    return Cost(Family.MARKET, amount, currency, math.hypot(price_u_rel, duration_u_s / float(seconds)))


def market_piecewise(segments: Iterable[tuple[Decimal, Number]], *, currency: str) -> Cost:
    """Rent when the price changed during the window: `segments` are (price per hour, seconds) in order."""
    with localcontext(CONTEXT):
        amount = sum((price * decimal(seconds) / S_PER_HOUR for price, seconds in segments), Decimal(0))
    return Cost(Family.MARKET, amount, currency)


def energy(
    energy_j: Number,
    *,
    tariff_per_kwh: Decimal,
    currency: str,
    pue: Decimal = Decimal(1),
    energy_u_rel: float | None = 0.0,
) -> Cost:
    """Electricity for `energy_j` joules drawn by the IT equipment, times `pue` for the building around it."""
    with localcontext(CONTEXT):
        amount = kwh(energy_j) * pue * tariff_per_kwh
    return Cost(Family.ENERGY, amount, currency, energy_u_rel)


def energy_piecewise(segments: Iterable[tuple[Decimal, Number]], *, currency: str, pue: Decimal = Decimal(1)) -> Cost:
    """Electricity when the tariff changed during the window: `segments` are (tariff per kWh, joules) in order."""
    with localcontext(CONTEXT):
        amount = sum((tariff * kwh(joules) * pue for tariff, joules in segments), Decimal(0))
    return Cost(Family.ENERGY, amount, currency)


def kwh(energy_j: Number) -> Decimal:
    """Kilowatt-hours of `energy_j` joules."""
    return CONTEXT.divide(decimal(energy_j), Decimal(J_PER_KWH))


def per_1k_u_rel(cost_u_rel: float | None, tokens: Number, *, disagreement: float = 0.0) -> float | None:
    """Relative standard uncertainty of a cost per 1k tokens; `disagreement` is the largest difference between two token counts.

    None when that of the cost is not known. Energy Standard v1, section 5: u_T = disagreement / sqrt(3), in quadrature.
    """
    if cost_u_rel is None:
        return None
    return math.hypot(cost_u_rel, disagreement / math.sqrt(3.0) / float(tokens))
