"""What a look-up asks: what was rented and how, at which moment, as known at which other, and how old a price may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self

from joulemark.config import build, unknown
from joulemark.errors import FormatError
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.price import BUNDLED, EVERYWHERE, MANUAL, Price, PriceModel

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
        return limits_of(price, self.limits)


@dataclass(frozen=True, slots=True)
class AsOf:
    """Under what prices were looked up, which is kept with them: what was known (None: all), and limits by feed."""

    known_at_ns: int | None = None
    limits: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))

    def asks(self, wanted: Wanted, valid_at_ns: int) -> Question:
        """The question for `wanted` at a moment."""
        return Question(wanted, valid_at_ns, FOREVER_NS if self.known_at_ns is None else self.known_at_ns, self.limits)

    def of(self, prices: Iterable[Price]) -> Self:
        """The same with the limits of the feeds of `prices` written out, which a later version may set otherwise."""
        aging = [price for price in prices if price.feed not in (MANUAL, BUNDLED)]
        said = {price.feed: limits_of(price, self.limits) for price in aging}
        return type(self)(self.known_at_ns, dict(sorted(said.items())))

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary: the date as RFC 3339, null for none."""
        known_at = None if self.known_at_ns is None else moment_text(self.known_at_ns)
        return {"known_at": known_at, "limits": {feed: limits.to_json() for feed, limits in self.limits.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "as_of") -> Self:
        """Inverse of `to_json`. Raises FormatError for a wrong date, ConfigError for an unknown key or a value of the wrong kind."""
        unknown(data, ["known_at", "limits"], where)
        known_at, limits = data.get("known_at"), data.get("limits", {})
        if not isinstance(limits, Mapping) or not all(isinstance(one, Mapping) for one in limits.values()):
            raise FormatError(f"{where}: limits is no object of objects", "take the file again from its source")
        known_at_ns = None if known_at is None else moment_ns(known_at, f"{where} known_at")
        return cls(known_at_ns, {str(feed): Limits.from_json(one, f"{where} limits {feed}") for feed, one in limits.items()})


def shared(tenancy: str) -> str:
    """A tenancy in one spelling: empty for machines that are shared, which providers also call `Shared` or `default`."""
    return "" if tenancy.lower() in ("shared", "default") else tenancy.lower()


def limits_of(price: Price, limits: Mapping[str, Limits]) -> Limits:
    """The limits of the feed of a price, else those of the way of renting."""
    volatile = price.price_model in (PriceModel.SPOT, PriceModel.MARKETPLACE)
    return limits.get(price.feed) or (VOLATILE if volatile else Limits())
