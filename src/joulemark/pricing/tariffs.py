"""Electricity tariff and PUE: what a kilowatt-hour at the meter cost, and how many the building drew for it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Final, Self

from joulemark.config import build, unknown
from joulemark.errors import FormatError
from joulemark.pricing import canonical, money
from joulemark.pricing.dates import moment_ns, moment_text


class Basis(enum.StrEnum):
    """Where a figure comes from: read from a bill or a meter, or taken as given (Energy Standard v1, PRC-4)."""

    MEASURED = "measured"
    ASSUMED = "assumed"


LARGEST_PUE: Final = 10
REQUIRED: Final = ("zone", "amount", "currency", "amount_basis", "effective_from", "fetched_at", "source_url")
SEEN: Final = ("effective_from", "effective_to", "fetched_at", "feed", "source_url", "note")
MOMENTS: Final = ("effective_from", "effective_to", "fetched_at")


@dataclass(frozen=True, slots=True)
class Tariff:
    """One tariff, flat from `effective_from_ns` until before `effective_to_ns` (None: until a later one begins).

    `amount`: money per kWh in `currency`, below zero where a market pays for taking it. `pue`: facility energy over IT energy, at least
    1; 1 and assumed when nothing is known of the building. `zone`: the place it holds for, as the operator names it. Dates as in
    `Price`. A tariff by the hour is one record for each hour.
    """

    zone: str
    amount: Decimal
    currency: str
    amount_basis: Basis
    effective_from_ns: int
    fetched_at_ns: int
    source_url: str
    effective_to_ns: int | None = None
    feed: str = "manual"
    pue: Decimal = Decimal(1)
    pue_basis: Basis = Basis.ASSUMED
    note: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.pue <= LARGEST_PUE:
            what = f"tariff {self.zone}: pue {self.pue} is below 1 or above {LARGEST_PUE}"
            raise FormatError(what, "PUE is facility energy over IT energy; check the two")
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            raise FormatError(f"tariff {self.zone}: currency {self.currency!r} is not an ISO 4217 code", "write for example USD")
        if self.effective_to_ns is not None and self.effective_to_ns <= self.effective_from_ns:
            raise FormatError(f"tariff {self.zone}: it ends before it begins", "correct effective_to")

    @property
    def known_ns(self) -> int:
        """Known time: when it was read."""
        return self.fetched_at_ns

    @property
    def point_id(self) -> str:
        """SHA-256 over what the tariff is, without dates."""
        return canonical.digest({k: v for k, v in self.to_json().items() if k not in SEEN})

    def record(self) -> dict[str, Any]:
        """`to_json` plus `sha256`: what a card embeds."""
        return {**self.to_json(), "sha256": self.point_id}

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary: amounts as text, dates as RFC 3339, keys as in a price file."""
        return {
            "zone": self.zone,
            "amount": money.text(self.amount),
            "currency": self.currency,
            "unit": "kWh",
            "amount_basis": str(self.amount_basis),
            "pue": money.text(self.pue),
            "pue_basis": str(self.pue_basis),
            "effective_from": moment_text(self.effective_from_ns),
            "effective_to": None if self.effective_to_ns is None else moment_text(self.effective_to_ns),
            "fetched_at": moment_text(self.fetched_at_ns),
            "feed": self.feed,
            "source_url": self.source_url,
            "note": self.note,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "tariff") -> Self:
        """The tariff that a `[[tariff]]` table describes.

        Raises FormatError for a missing value and for another unit than kWh, ConfigError for an unknown key or a value of the wrong
        kind.
        """
        unknown(data, [*(f.name.removesuffix("_ns") for f in fields(cls)), "unit", "sha256"], where)
        values = {k: v for k, v in data.items() if k not in ("sha256", "unit") and v is not None}
        missing = [k for k in REQUIRED if k not in values]
        if missing:
            raise FormatError(f"{where}: {', '.join(missing)} missing", "add it; docs/reference/prices.md lists the keys")
        if data.get("unit", "kWh") != "kWh":
            raise FormatError(f"{where}: unit {data['unit']!r} is not kWh", "convert the amount, for example EUR/MWh divided by 1000")
        values["amount"] = money.amount(values["amount"], f"{where} amount", signed=True)
        values["pue"] = money.amount(values.get("pue", "1"), f"{where} pue")
        for name in MOMENTS:
            if name in values:
                values[f"{name}_ns"] = moment_ns(values.pop(name), f"{where} {name}")
        tariff = build(cls, values, where)
        if data.get("sha256") not in (None, tariff.point_id):
            raise FormatError(f"{where}: sha256 does not match the record", "the record was changed; take it again from its source")
        return tariff
