"""Terms of a rent: what an hour costs when the bill counts months, years, or money at the beginning.

A month has no length of its own. Providers count 720 hours (30 days) or 730 (a twelfth of a year), so a month is always named by its hours;
what is already per hour is never divided.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Final

from joulemark.pricing.cost import Number
from joulemark.pricing.money import CONTEXT, decimal
from joulemark.pricing.price import Price, Unit

HOURS_PER_YEAR: Final = 8760


class Period(enum.StrEnum):
    """What an amount is for. The name of a month says how many hours it has."""

    HOUR = "hour"
    MONTH_720 = "month_720"
    MONTH_730 = "month_730"
    YEAR_8760 = "year_8760"

    @property
    def hours(self) -> int:
        """Its length."""
        return 1 if self is Period.HOUR else int(self.rpartition("_")[2])


def per_hour(amount: Decimal, period: Period) -> Decimal:
    """What an hour costs of an amount per `period`; an amount per hour is that hour's."""
    return CONTEXT.divide(amount, Decimal(period.hours))


def reserved_per_hour(hourly: Decimal, *, upfront: Decimal, years: Number) -> Decimal:
    """What an hour of a reservation costs: its hourly part, and what was paid at the beginning over every hour of the term.

    All-upfront: `hourly` is 0. Raises ValueError for a term of no length.
    """
    if years <= 0:
        raise ValueError(f"{years} years is no term")
    with localcontext(CONTEXT):
        return hourly + upfront / (decimal(years) * HOURS_PER_YEAR)


def is_linear(prices: Iterable[Price]) -> bool | None:
    """Whether instances of one kind of GPU cost in proportion to their GPUs; None when fewer than two sizes tell.

    Only where it is so does a share of the GPUs cost that share of the price. A price per GPU is linear by itself.
    """
    known = [price for price in prices if price.gpu_count is not None]
    if known and all(price.unit is Unit.GPU_HOUR for price in known):
        return True
    each = {(price.gpu_count, CONTEXT.divide(price.per_instance_hour(), Decimal(price.gpu_count or 1))) for price in known}
    if len({count for count, _ in each}) < 2:
        return None
    return len({per_gpu for _, per_gpu in each}) == 1


SAME: Final = ("gpu_model", "provider", "region", "os", "price_model", "currency", "term_months", "fetched_at_ns")
"""What prices of several sizes of one machine share: the GPU, the place, the terms, and the list they were read from."""


def sizes_of(price: Price, prices: Iterable[Price]) -> tuple[Price, ...]:
    """The prices of the sizes of the machine of `price`, itself among them; none where it names no GPU."""
    if not price.gpu_model:
        return ()
    return tuple(other for other in prices if all(getattr(other, name) == getattr(price, name) for name in SAME))
