"""A CSV of anybody's: one time column and one power column in watts.

Time: Unix s, ms, us or ns (told apart by size), or a printed date, with its zone or in the zone the user names. The
boundary is the user's to say; a column `quality` or `reason` is not read.
"""

from __future__ import annotations

from typing import Final

from joulemark.energy.series import Series
from joulemark.readings import Boundary, Current, MeterInfo, Quantity
from joulemark.traces.recording import Recording, fields, header
from joulemark.traces.rows import Rows, watts
from joulemark.traces.stamps import moment_ns

TIME_COLUMNS: Final = (
    "t_ns",
    "time_ns",
    "timestamp_ns",
    "unix_ns",
    "t_s",
    "time_s",
    "unix_s",
    "timestamp_s",
    "unix",
    "epoch",
    "timestamp",
    "time",
    "datetime",
    "t",
)
POWER_COLUMNS: Final = ("power_w", "watts", "power_watts", "power_watt", "power [w]", "power (w)", "watt", "power", "active_power_w")


def matches(head: str) -> bool:
    """Whether a file that begins with the line `head` has a time and a power column."""
    names = [name.strip() for name in _plain(head).split(_delimiter(head))]
    return any(name in names for name in TIME_COLUMNS) and any(name in names for name in POWER_COLUMNS)


def read(recording: Recording) -> list[Series]:
    """The one series of the file, power in W. Raises FormatError, and NaiveTimeError without a zone."""
    lines = recording.lines()
    where, head = next(lines)
    names = header(_plain(head), where=where, delimiter=_delimiter(head))
    time_at = next(names.index(name) for name in TIME_COLUMNS if name in names)
    power_at = next(names.index(name) for name in POWER_COLUMNS if name in names)
    rows = Rows()
    for where, line in lines:
        if line == head:
            continue
        row = fields(line, len(names), where=where, delimiter=_delimiter(head))
        rows.add(moment_ns(row[time_at], recording.tz, where=where), *watts(row[power_at]))
    boundary = recording.boundary or Boundary.SERVER_INPUT
    meter = MeterInfo(
        meter_id=recording.meter_id("csv", "power"),
        kind="csv",
        quantity=Quantity.POWER,
        exponent=-3,
        boundary=boundary,
        current=Current.DC if boundary in (Boundary.GPU, Boundary.MODULE, Boundary.PACKAGE) else Current.AC,
        accuracy=recording.accuracy,
        covers=(recording.path.name,),
        note="" if recording.boundary else f"{recording.path.name} does not say where it was measured: taken as server_input",
    )
    return [rows.series(meter)]


def _delimiter(head: str) -> str:
    return next((mark for mark in ("\t", ";") if mark in head), ",")


def _plain(head: str) -> str:
    """The first line without its decoration."""
    return head.lstrip("#").replace('"', "").lower()
