"""How long to wait before asking a provider again: as long as it says, else longer after each failure, and never all at one moment."""

from __future__ import annotations

import email.utils
import random
from collections.abc import Mapping
from typing import Final

from joulemark.timebase import datetime_ns
from joulemark.units import NS_PER_S

HEADERS: Final = ("Retry-After", "x-ms-ratelimit-retailprices-retry-after")
"""Where providers say how long to wait: RFC 9110, section 10.2.3, and the retail prices of Azure."""


def asked_wait_s(headers: Mapping[str, str], *, utc_ns: int) -> float | None:
    """Seconds that an answer asks to wait, the longest where it says so twice; None where it says nothing that can be understood.

    `Retry-After` is seconds or a date, which is taken against the clock's `utc_ns`.
    """
    waits = [wait for name in HEADERS if (wait := seconds(headers.get(name, ""), utc_ns=utc_ns)) is not None]
    return max(waits, default=None)


def seconds(text: str, *, utc_ns: int) -> float | None:
    """Seconds from now that `text` names, never below zero; None where it names none."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        then = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        return None
    return max(0.0, (datetime_ns(then, None, where="Retry-After") - utc_ns) / NS_PER_S)


def backoff_s(attempt: int, *, first_s: float, most_s: float, rng: random.Random) -> float:
    """Seconds after the failed `attempt` (from 1): twice as many each time up to `most_s`, less up to a half by chance."""
    longest = min(most_s, first_s * 2.0 ** (attempt - 1))
    return longest * (1.0 - 0.5 * rng.random())
