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
K95: Final = 2.0


class Family(enum.StrEnum):
    """Which of the costs: rent, electricity, or what a machine of one's own loses in value and takes in upkeep."""

    MARKET = "market"
    ENERGY = "energy"
    OWNED = "owned"


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

    def per_1m(self, tokens: Number) -> Decimal:
        """Cost of a million tokens. Raises as `per_1k`."""
        return self.per_1k(tokens) * 1000

    @property
    def interval(self) -> tuple[Decimal, Decimal] | None:
        """Where the amount lies with 95 % confidence (k = 2); None when its uncertainty is not known."""
        if self.u_rel is None:
            return None
        with localcontext(CONTEXT):
            half = abs(self.amount) * decimal(K95 * self.u_rel)
            return self.amount - half, self.amount + half


@dataclass(frozen=True, slots=True)
class Goodput:
    """What failed requests do to a cost, which they stay part of: per 1k delivered tokens, per 1k of all, and what they wasted."""

    per_1k_good: Decimal
    per_1k_all: Decimal
    wasted: Decimal


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


def goodput(spent: Cost, *, good: Number, everything: Number) -> Goodput:
    """`good`: tokens of the requests that succeeded; `everything`: with those that failed requests produced before they failed.

    Raises ValueError when there were no good ones, or more good ones than there were.
    """
    if good > everything:
        raise ValueError(f"{good} good tokens of {everything} are too many")
    with localcontext(CONTEXT):
        wasted = spent.amount * (1 - decimal(good) / decimal(everything))
    return Goodput(spent.per_1k(good), spent.per_1k(everything), wasted)


def utilisation_tax(*, uptime_s: Number, active_s: Number) -> Decimal:
    """How many times dearer a token is when the whole time that the machine was held is charged, not only the measured window."""
    if not 0 < active_s <= uptime_s:
        raise ValueError(f"{active_s} s active in {uptime_s} s is not possible")
    return CONTEXT.divide(decimal(uptime_s), decimal(active_s))


def per_1m_at_rate(price_per_gpu_hour: Decimal, tokens_per_s_per_gpu: Number) -> Decimal:
    """Cost of a million tokens from rates: a GPU's price per hour over the million tokens that it makes in one."""
    if tokens_per_s_per_gpu <= 0:
        raise ValueError(f"{tokens_per_s_per_gpu} tokens per second: a cost per token needs some")
    with localcontext(CONTEXT):
        return price_per_gpu_hour * 1_000_000 / (decimal(tokens_per_s_per_gpu) * S_PER_HOUR)


def j_per_token_at_rate(kw_per_gpu: Decimal, tokens_per_s_per_gpu: Number) -> Decimal:
    """Joules of a token from rates: a stated power over a stated throughput. What was measured is not this figure."""
    if tokens_per_s_per_gpu <= 0:
        raise ValueError(f"{tokens_per_s_per_gpu} tokens per second: an energy per token needs some")
    return CONTEXT.divide(kw_per_gpu * 1000, decimal(tokens_per_s_per_gpu))


def kwh(energy_j: Number) -> Decimal:
    """Kilowatt-hours of `energy_j` joules."""
    return CONTEXT.divide(decimal(energy_j), Decimal(J_PER_KWH))


def per_1k_u_rel(cost_u_rel: float | None, tokens: Number, *, disagreement: float = 0.0) -> float | None:
    """Relative standard uncertainty of a cost per 1k tokens; `disagreement` is the largest difference between two token counts.

    None when that of the cost is not known, or the difference has no bound. Energy Standard v1, section 5: u_T = disagreement / sqrt(3),
    in quadrature.
    """
    if cost_u_rel is None or not math.isfinite(disagreement):
        return None
    return math.hypot(cost_u_rel, disagreement / math.sqrt(3.0) / float(tokens))
