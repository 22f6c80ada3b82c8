"""Numbers as a file prints them, also as text: exact decimals, and None where there is none that can be believed.

For columns of CSV, which are all text, and for times in seconds, which a double would blur.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from joulemark.errors import FormatError
from joulemark.traces.stamps import LAST_NS
from joulemark.units import NS_PER_S

NUMBER: Final = re.compile(r"[+-]?(\d{1,60}\.?\d{0,60}|\.\d{1,60})([eE][+-]?\d{1,3})?", re.ASCII)
LARGEST: Final = Decimal(10**15)
"""No figure of a run is larger: beyond it is damage."""


def decimal(value: Any) -> Decimal | None:
    """The number that `value` is or spells, as printed."""
    if not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    return Decimal(text) if NUMBER.fullmatch(text) else None


def figure(value: Any) -> float | None:
    """A finite number that is not negative, such as an energy."""
    number = decimal(value)
    return float(number) if number is not None and 0 <= number < LARGEST else None


def seconds_ns(value: Any, *, where: str) -> int:
    """Nanoseconds of a Unix time or a duration in seconds, cut to whole ones and before 2116. Raises FormatError, naming `where`."""
    number = decimal(value)
    if number is None or not 0 <= number * NS_PER_S < LAST_NS:
        raise FormatError(f"{where}: {str(value)[:40]!r} is no time in seconds", "copy the file again; it may be damaged")
    return int(number * NS_PER_S)
