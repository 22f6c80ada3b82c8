"""What a look-up asks: what was rented and how, at which moment, as known at which other, and how old a price may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self

from joulemark.config import build, unknown
from joulemark.pricing.price import EVERYWHERE, Price, PriceModel

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
FOREVER_NS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """A price last seen up to `max_age_s` ago is fresh, up to `hard_limit_s` ago stale, and later not known."""

    max_age_s: int = 2 * DAY_S
    hard_limit_s: int = 30 * DAY_S

    def to_json(self) -> dict[str, int]:
        """Plain dictionary."""
        return {"max_age_s": self.max_age_s, "hard_limit_s": self.hard_limit_s}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "limits") -> Self:
        """Inverse of `to_json`. Raises ConfigError for an unknown key or a value of the wrong kind."""
        unknown(data, ["max_age_s", "hard_limit_s"], where)
        return build(cls, dict(data), where)


VOLATILE: Final = Limits(2 * HOUR_S, DAY_S)
"""Of prices that move by the hour, spot and marketplace."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was rented, and how. Upper and lower case are the same; a part that is None may be any, as long as there is only one.

    `zone`: part of the region; where no price is of that zone, the ones of the whole region hold. `tenancy`: shared machines by default.
    """

    provider: str
    instance_type: str
    region: str
    price_model: PriceModel = PriceModel.ON_DEMAND
    os: str = "linux"
    zone: str | None = None
    tenancy: str = ""
    term_months: int | None = None
    payment_option: str | None = None
    sku_id: str | None = None

    def __str__(self) -> str:
        """How a message calls it."""
        term = None if self.term_months is None else f"{self.term_months} months"
        kind = (self.provider, self.instance_type, self.region, self.zone, self.os, self.tenancy)
        return " ".join(part for part in (*kind, str(self.price_model), term, self.payment_option, self.sku_id) if part)

    def names(self, price: Price) -> bool:
        """Whether provider, machine and system are those of `price`, and the region is, or it holds in all of them."""
        ours = (self.provider, self.instance_type, self.os)
        alike = [part.lower() for part in ours] == [part.lower() for part in (price.provider, price.instance_type, price.os)]
        return alike and price.region.lower() in (self.region.lower(), EVERYWHERE)

    def fitting(self, prices: Iterable[Price]) -> list[Price]:
        """Those of `prices` that are of it."""
        open_to = {"term_months": self.term_months, "payment_option": self.payment_option, "sku_id": self.sku_id}
        said = {name: value for name, value in open_to.items() if value is not None}
        found = [
            price
            for price in prices
            if price.price_model is self.price_model
            and self.names(price)
            and shared(price.tenancy) == shared(self.tenancy)
            and all(getattr(price, name) == value for name, value in said.items())
        ]
        if self.zone is None:
            return found
        own = [price for price in found if price.zone.lower() == self.zone.lower()]
        return own or [price for price in found if not price.zone]

    def near(self, prices: Iterable[Price]) -> list[Price]:
        """Those of `prices` that are of it but for how it is rented, else those of the same machine elsewhere."""
        prices = list(prices)
        named = [price for price in prices if self.names(price)]
        return named or [price for price in prices if price.instance_type.lower() == self.instance_type.lower()]


@dataclass(frozen=True, slots=True)
class Question:
    """`wanted` at `valid_at_ns`, as known at `known_at_ns`. `limits` by feed, in place of those of the way of renting."""

    wanted: Wanted
    valid_at_ns: int
    known_at_ns: int = FOREVER_NS
    limits: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))

    def limits_of(self, price: Price) -> Limits:
        """How old `price` may be."""
        volatile = price.price_model in (PriceModel.SPOT, PriceModel.MARKETPLACE)
        return self.limits.get(price.feed) or (VOLATILE if volatile else Limits())


def shared(tenancy: str) -> str:
    """A tenancy in one spelling: empty for machines that are shared, which providers also call `Shared` or `default`."""
    return "" if tenancy.lower() in ("shared", "default") else tenancy.lower()
