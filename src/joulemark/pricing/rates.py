"""Exchange rates: what one unit of a currency was worth in another, and when and where that was read (Energy Standard v1, PRC-5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final, Self

from joulemark.config import build, unknown
from joulemark.errors import FormatError
from joulemark.pricing import canonical, money
from joulemark.pricing.dates import moment_ns, moment_text

REQUIRED: Final = ("base", "quote", "rate", "effective_from", "fetched_at", "source_url")
PIVOT: Final = "EUR"
"""The currency at which others are crossed: the rates that a central bank publishes are its own."""

SEEN: Final = ("effective_from", "fetched_at", "feed", "source_url", "note")


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of `base` is `rate` units of `quote` (both ISO 4217). Dates as in `Price`."""

    base: str
    quote: str
    rate: Decimal
    effective_from_ns: int
    fetched_at_ns: int
    source_url: str
    feed: str = "manual"
    note: str = ""

    def __post_init__(self) -> None:
        for code in (self.base, self.quote):
            if not (len(code) == 3 and code.isascii() and code.isupper()):
                raise FormatError(f"exchange rate: currency {code!r} is not an ISO 4217 code", "write for example USD")
        if self.base == self.quote or self.rate <= 0:
            raise FormatError(f"exchange rate: one {self.base} is {self.rate} {self.quote}", "give two currencies and a rate above 0")

    @property
    def known_ns(self) -> int:
        """Known time: when it was read."""
        return self.fetched_at_ns

    @property
    def pair(self) -> frozenset[str]:
        """The two currencies: a rate serves both ways."""
        return frozenset((self.base, self.quote))

    @property
    def point_id(self) -> str:
        """SHA-256 over what the rate is, without dates."""
        return canonical.digest({k: v for k, v in self.to_json().items() if k not in SEEN})

    def record(self) -> dict[str, Any]:
        """`to_json` plus `sha256`: what a card embeds."""
        return {**self.to_json(), "sha256": self.point_id}

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary: the rate as text, dates as RFC 3339, keys as in a price file."""
        return {
            "base": self.base,
            "quote": self.quote,
            "rate": money.text(self.rate),
            "effective_from": moment_text(self.effective_from_ns),
            "fetched_at": moment_text(self.fetched_at_ns),
            "feed": self.feed,
            "source_url": self.source_url,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "rate") -> Self:
        """The rate that an `[[fx]]` table describes. Raises FormatError for a missing or wrong value, ConfigError for an unknown key."""
        unknown(data, [*(f.name.removesuffix("_ns") for f in fields(cls)), "sha256"], where)
        values = {k: v for k, v in data.items() if k != "sha256" and v is not None}
        missing = [k for k in REQUIRED if k not in values]
        if missing:
            raise FormatError(f"{where}: {', '.join(missing)} missing", "add it; docs/reference/prices.md lists the keys")
        values["rate"] = money.amount(values["rate"], f"{where} rate")
        for name in ("effective_from", "fetched_at"):
            values[f"{name}_ns"] = moment_ns(values.pop(name), f"{where} {name}")
        rate = build(cls, values, where)
        if data.get("sha256") not in (None, rate.point_id):
            raise FormatError(f"{where}: sha256 does not match the record", "the record was changed; take it again from its source")
        return rate


def crossed(first: Rate, second: Rate) -> Rate:
    """The rate between the two currencies that `first` and `second`, both of one base, are quoted in; it names both in its note.

    Both are in force from the later of their days on. A quotient that does not end is cut to the digits of a stored figure.
    """
    rate = Decimal(money.stored(money.CONTEXT.divide(second.rate, first.rate)))
    parts = " and ".join(
        f"{r.base} {r.quote} {money.text(r.rate)} from {moment_text(r.effective_from_ns)} (sha256 {r.point_id})" for r in (first, second)
    )
    return Rate(
        base=first.quote,
        quote=second.quote,
        rate=rate,
        effective_from_ns=max(first.effective_from_ns, second.effective_from_ns),
        fetched_at_ns=max(first.fetched_at_ns, second.fetched_at_ns),
        source_url=first.source_url,
        feed=first.feed,
        note=f"crossed at {first.base}: {parts}",
    )
