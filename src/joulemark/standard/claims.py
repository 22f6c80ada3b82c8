"""What a card claims, read with care: a hostile card may hold anything under any key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def part(data: Mapping[str, Any] | None, key: str) -> Mapping[str, Any]:
    """The object under `key`, an empty one where there is none."""
    value = None if data is None else data.get(key)
    return value if isinstance(value, Mapping) else {}


def number(value: Any) -> float | None:
    """`value` where it is a finite number, or text that spells one as amounts of money do; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def phase(card: Mapping[str, Any] | None, name: str, begin_ns: int) -> Mapping[str, Any]:
    """The phase of a card by its name and begin; empty where the card has none such."""
    phases = None if card is None else card.get("phases")
    entries = [entry for entry in phases if isinstance(entry, Mapping)] if isinstance(phases, list) else []
    return next((entry for entry in entries if (entry.get("name"), entry.get("begin_ns")) == (name, begin_ns)), {})
