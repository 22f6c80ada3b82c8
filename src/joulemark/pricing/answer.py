"""The answer of a look-up: which price counts for a moment, how far it can be trusted, and what else is known of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from joulemark.pricing.dates import moment_text
from joulemark.pricing.price import Price


class Status(enum.StrEnum):
    """How far the answer of a look-up can be trusted. `missing` and `ambiguous` have no price.

    `bracketed`: seen at or before the moment, and the first time it was seen after that it was the same. `fresh`, `stale`: seen
    before, not yet again after, within the age at which a feed is fresh or within its hard limit. `changed`: seen before and after,
    and not the same. `late`: seen only after, by a provider who says since when it is charged. `bundled`: from the prices that come with
    Joulemark. `manual`: somebody wrote it down.
    """

    BRACKETED = "bracketed"
    FRESH = "fresh"
    STALE = "stale"
    LATE = "late"
    CHANGED = "changed"
    BUNDLED = "bundled"
    MANUAL = "manual"
    MISSING = "missing"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a look-up found: a price, or None with the `reason`.

    `after`: the price as it was first seen after the moment, None where it was not seen again. `stated`: what the newest list that was
    known says of the moment, None where none says since when its prices are charged. `seen_ns`: the last time that the price was seen
    at or before the moment, or the first after, where it was seen only then; `age_s`: the moment minus that. `trace`: which price was
    used and why, in sentences. `candidates`: the prices that were too many, that nearly fitted, or that were passed over.
    """

    status: Status
    price: Price | None = None
    reason: str = ""
    candidates: tuple[Price, ...] = ()
    after: Price | None = None
    stated: Price | None = None
    age_s: int | None = None
    seen_ns: int | None = None
    trace: tuple[str, ...] = ()

    @property
    def prices(self) -> tuple[Price, ...]:
        """All the prices it names, each once: a look-up over these alone finds the same answer."""
        named = (self.price, self.after, self.stated, *self.candidates)
        return tuple(dict.fromkeys(price for price in named if price is not None))

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary with whole records; `price` is null when `reason` is not empty."""
        return {
            "status": str(self.status),
            "price": record(self.price),
            "after": record(self.after),
            "stated": record(self.stated),
            "age_s": self.age_s,
            "seen_at": None if self.seen_ns is None else moment_text(self.seen_ns),
            "reason": self.reason,
            "trace": list(self.trace),
            "candidates": [c.record() for c in self.candidates],
        }


def record(price: Price | None) -> dict[str, Any] | None:
    """The whole record of a price, None for none."""
    return None if price is None else price.record()
