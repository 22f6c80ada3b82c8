"""Dates of prices: RFC 3339 text with Z in files, UTC nanoseconds in memory. A date alone is its midnight in UTC."""

from __future__ import annotations

import datetime
import re
from typing import Final

from joulemark import document
from joulemark.errors import FormatError, NaiveTimeError
from joulemark.timebase import datetime_ns, iso_utc

LAST_NS: Final = 2**62
FINER: Final = re.compile(r"[.,]\d{6}(\d{1,3})(?!\d)", re.ASCII)
"""The digits of a time below the microsecond, which Python's own reader drops."""


def moment_ns(value: object, where: str) -> int:
    """UTC nanoseconds of a date or a time as TOML or JSON gives it.

    Raises FormatError for what is no date or no believable one, NaiveTimeError for a time without a zone; `where` names the field.
    """
    finer_ns = 0
    if isinstance(value, str):
        finer = FINER.search(value)
        finer_ns = int(finer[1].ljust(3, "0")) if finer else 0
        try:
            value = datetime.date.fromisoformat(value) if len(value) == len("2025-06-01") else datetime.datetime.fromisoformat(value)
        except ValueError as error:
            raise FormatError(f"{where} = {value!r} is not a date", "write 2025-06-01 or 2025-06-01T12:00:00Z") from error
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise NaiveTimeError(f"{where}: {value.isoformat()} has no time zone", "add one, for example Z for UTC")
        return believable(datetime_ns(value, None, where=where) + finer_ns, where)
    if isinstance(value, datetime.date):
        midnight = datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)
        return believable(datetime_ns(midnight, None, where=where), where)
    raise FormatError(f"{where} = {document.shown(value)} is not a date", "write 2025-06-01 or 2025-06-01T12:00:00Z")


def believable(t_ns: int, where: str) -> int:
    """`t_ns` itself. Raises FormatError before 1970 and after 2116, which no price is from."""
    if not 0 <= t_ns < LAST_NS:
        raise FormatError(f"{where} lies before 1970 or after 2116", "correct the date")
    return t_ns


def moment_text(t_ns: int) -> str:
    """RFC 3339 with Z, whole seconds where they are whole: `2025-06-01T00:00:00Z`."""
    whole, fraction = iso_utc(t_ns).rstrip("Z").split(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"
