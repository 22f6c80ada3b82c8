"""Near a run: of years of hourly tariffs and daily rates, the rows of prices.db that a look-up in its time may need."""

from __future__ import annotations

from typing import Final

from joulemark.pricing.dates import moment_text
from joulemark.pricing.price import MANUAL
from joulemark.units import NS_PER_S

STRETCHES: Final = ("tariff", "carbon")
"""Kinds that may end, by their tables."""

RATES: Final = "fx"
REACH_NS: Final = 3 * 86_400 * NS_PER_S
"""So long before a look-up rows are read without asking when they end."""


def near(table: str, begin_ns: int, end_ns: int) -> tuple[str, tuple[int | str, ...]]:
    """The condition for rows of an observation `o`, and its values, that leaves out what no look-up in [begin_ns, end_ns) asks for.

    Kept is what an operator wrote, whose end may be the next entry; else what began not long before, what had not ended, and of exchange
    rates the last ones before. Prices are all kept.
    """
    early_ns = begin_ns - REACH_NS
    recent = f" AND o.effective_from_ns < ? AND (json_extract(o.body, '$.feed') = '{MANUAL}' OR o.effective_from_ns >= "
    if table == RATES:
        last = f"coalesce((SELECT max(effective_from_ns) FROM {table}_observation WHERE effective_from_ns <= ?), 0))"
        return f"{recent}{last}", (end_ns, early_ns)
    if table not in STRETCHES:
        return "", ()
    lasting = "? OR json_extract(o.body, '$.effective_to') IS NULL OR json_extract(o.body, '$.effective_to') > ?)"
    return f"{recent}{lasting}", (end_ns, early_ns, moment_text(max(early_ns, 0)))
