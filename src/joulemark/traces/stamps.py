"""Times as recorders print them, to UTC nanoseconds; a zone is never guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Final

from joulemark.errors import FormatError
from joulemark.timebase import datetime_ns
from joulemark.units import NS_PER_S

_CLOCK: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
MONTH_FIRST: Final = re.compile(rf"(?P<month>\d\d)-(?P<day>\d\d)-(?P<year>\d{{4}}) {_CLOCK}(?P<zone>)", re.ASCII)
"""PTDaemon and LoadGen: `07-17-2024 09:44:23.305`."""
YEAR_FIRST: Final = re.compile(rf"(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[ T]{_CLOCK}(?P<zone>Z|[+-]\d\d:?\d\d)?", re.ASCII)
"""nvidia-smi `2023/07/14 10:12:46.483`, and ISO 8601 with or without a zone."""

LAST_NS: Final = 2**62
"""The year 2116: later is a damaged stamp."""

EPOCH: Final = re.compile(r"\d{1,30}(\.\d{0,30})?([eE][+]?\d{1,2})?", re.ASCII)
EPOCH_UNITS: Final = ((10**11, NS_PER_S), (10**14, 10**6), (10**17, 10**3), (10**20, 1))
"""Upper limit of a Unix time and nanoseconds per unit: s, ms, us, ns cannot be mistaken between 1973 and 2116."""


def wall_ns(text: str, tz: tzinfo | None, *, where: str) -> int:
    """UTC nanoseconds of a printed time, month first or year first; one without a zone is read in `tz`.

    Raises NaiveTimeError when it has no zone and `tz` is None, UsageError when `tz` skipped or repeated that hour, and
    FormatError, naming `where`, when it is no time.
    """
    match = MONTH_FIRST.fullmatch(text) or YEAR_FIRST.fullmatch(text)
    if match is None:
        raise FormatError(f"{where}: {text[:40]!r} is not a time", "expected MM-DD-YYYY or YYYY-MM-DD, then HH:MM:SS.mmm")
    part = match.groupdict()
    try:
        year, month, day, hour, minute, second = (int(part[n]) for n in ("year", "month", "day", "hour", "minute", "second"))
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # its zone is in the text, or given
        if part["zone"]:
            moment = moment.replace(tzinfo=_zone(part["zone"]))
        fraction_ns = int((part["fraction"] or "0").ljust(9, "0"))
        return in_range(datetime_ns(moment, tz, where=where) + fraction_ns, where=where)
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{where}: {text!r} is not a time: {error}", "check that row of the file") from error


def epoch_ns(text: str, *, where: str) -> int:
    """UTC nanoseconds of a Unix time in s, ms, us or ns, told apart by its size. Raises FormatError for anything else."""
    value = Decimal(text) if EPOCH.fullmatch(text) else Decimal(-1)
    unit = next((ns for limit, ns in EPOCH_UNITS if 0 <= value < limit), None)
    if unit is None:
        raise FormatError(f"{where}: {text[:40]!r} is not a Unix time", "expected seconds, or ms, us, ns, since 1970")
    return in_range(int(value * unit), where=where)


def moment_ns(text: str, tz: tzinfo | None, *, where: str) -> int:
    """UTC nanoseconds of a Unix time or a printed one: see `epoch_ns` and `wall_ns`."""
    return wall_ns(text, tz, where=where) if ":" in text else epoch_ns(text, where=where)


def in_range(t_ns: int, *, where: str) -> int:
    """`t_ns` itself. Raises FormatError when it lies before 1970 or after 2116."""
    if not 0 <= t_ns < LAST_NS:
        raise FormatError(f"{where}: {t_ns} ns since 1970 is not a believable time", "check that row of the file")
    return t_ns


def _zone(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
