"""Carbon intensity: grams of CO2-equivalent per kilowatt-hour of a zone, average or marginal, and when and where that was read."""

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

REQUIRED: Final = ("zone", "g_per_kwh", "kind", "effective_from", "fetched_at", "source_url")
SEEN: Final = ("effective_from", "effective_to", "fetched_at", "feed", "source_url", "note")
MOMENTS: Final = ("effective_from", "effective_to", "fetched_at")


class CarbonKind(enum.StrEnum):
    """Whether it is the mean of all generation, or of what would follow one more kilowatt-hour. The two are never compared."""

    AVERAGE = "average"
    MARGINAL = "marginal"


@dataclass(frozen=True, slots=True)
class Carbon:
    """`g_per_kwh` of `zone` from `effective_from_ns` until before `effective_to_ns` (None: until told otherwise).

    `estimated`: the source says that it will be revised. Dates as in `Price`.
    """

    zone: str
    g_per_kwh: Decimal
    kind: CarbonKind
    effective_from_ns: int
    fetched_at_ns: int
    source_url: str
    effective_to_ns: int | None = None
    estimated: bool = False
    feed: str = "manual"
    note: str = ""

    def __post_init__(self) -> None:
        if self.effective_to_ns is not None and self.effective_to_ns <= self.effective_from_ns:
            raise FormatError(f"carbon intensity of {self.zone}: it ends before it begins", "correct effective_to")

    @property
    def known_ns(self) -> int:
        """Known time: when it was read."""
        return self.fetched_at_ns

    @property
    def point_id(self) -> str:
        """SHA-256 over what the intensity is, without dates."""
        return canonical.digest({k: v for k, v in self.to_json().items() if k not in SEEN})

    def record(self) -> dict[str, Any]:
        """`to_json` plus `sha256`: what a card embeds."""
        return {**self.to_json(), "sha256": self.point_id}

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary: the intensity as text, dates as RFC 3339, keys as in a price file."""
        out: dict[str, Any] = {f.name.removesuffix("_ns"): getattr(self, f.name) for f in fields(self)}
        out["g_per_kwh"], out["kind"] = money.text(self.g_per_kwh), str(self.kind)
        for name in MOMENTS:
            t_ns = getattr(self, f"{name}_ns")
            out[name] = None if t_ns is None else moment_text(t_ns)
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = "carbon") -> Self:
        """The intensity that a `[[carbon]]` table describes. Raises FormatError for a wrong value, ConfigError for an unknown key."""
        unknown(data, [*(f.name.removesuffix("_ns") for f in fields(cls)), "sha256"], where)
        values = {k: v for k, v in data.items() if k != "sha256" and v is not None}
        missing = [k for k in REQUIRED if k not in values]
        if missing:
            raise FormatError(f"{where}: {', '.join(missing)} missing", "add it; docs/reference/prices.md lists the keys")
        values["g_per_kwh"] = money.amount(values["g_per_kwh"], f"{where} g_per_kwh")
        for name in MOMENTS:
            if name in values:
                values[f"{name}_ns"] = moment_ns(values.pop(name), f"{where} {name}")
        carbon = build(cls, values, where)
        if data.get("sha256") not in (None, carbon.point_id):
            raise FormatError(f"{where}: sha256 does not match the record", "the record was changed; take it again from its source")
        return carbon
