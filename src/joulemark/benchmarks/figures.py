"""Figures as benchmark tools print them: what is no figure, or none that can be true, is None and never 0."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

LARGEST_COUNT: Final = 2**63
LONGEST_S: Final = 1e8
"""Three years: a benchmark that lasted longer is a damaged number."""

ROUNDING: Final = 1e-6
"""A mean of whole numbers times how many there are is whole up to this, in double precision."""


def count(value: Any) -> int | None:
    """A whole number that is not negative, also where the tool printed it as text or with `.0`."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LARGEST_COUNT or value != int(value):
        return None
    return int(value)


def positive(value: Any, *, below: float = LARGEST_COUNT) -> float | None:
    """A number above zero and below `below`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < below:
        return None
    return float(value)


def seconds(value: Any) -> float | None:
    """A duration in s."""
    return positive(value, below=LONGEST_S)


def total(mean: Any, number: int | None) -> tuple[int | float | None, float]:
    """Sum of `number` whole counts whose mean is `mean`, and how far it can be off: half the last digit printed of each."""
    if number is None or (average := 0.0 if count(mean) == 0 else positive(mean)) is None:
        return None, 0.0
    digit = Decimal(str(mean)).as_tuple().exponent
    off = 0.5 * 10.0**digit * number if isinstance(digit, int) and digit < 0 else 0.0
    product = average * number
    nearest = round(product)
    return (nearest if abs(product - nearest) <= max(off, ROUNDING) else product), off


def facts(labels: dict[str, Any]) -> dict[str, str]:
    """The labels that are a text or a number, as text; what the tool left out or nested is no label."""
    return {name: str(value) for name, value in labels.items() if isinstance(value, str | int | float) and value != ""}
