"""SPEC PTDaemon's power log (`spl.txt`): one row a second of a wall analyser, the sum first, then each channel.

Layout: `Time,MM-DD-YYYY HH:MM:SS.mmm,Watts,W,Volts,V,Amps,A,PF,p,Mark,text[,Ch1,Watts,W,...]`, time without a zone (UTC or
local, as the tester's machine was set), -1 for what the analyser cannot tell. The first Watts is the meter's own sum over
its channels; the channels stand beside it as meters of their own and are never added to it or to each other.
"""

from __future__ import annotations

from typing import Final

from joulemark.energy.series import Series
from joulemark.errors import FormatError
from joulemark.readings import Averaging, Boundary, Current, MeterInfo, Quantity
from joulemark.traces.recording import Recording
from joulemark.traces.rows import Rows, watts
from joulemark.traces.stamps import wall_ns
from joulemark.units import NS_PER_MS, NS_PER_S

TOTAL: Final = "total"
WINDOW_S: Final = 1.0
"""PTDaemon asks the analyser for the mean of its last update interval, one second."""

T_UNC_NS: Final = NS_PER_S // 2 + NS_PER_MS // 2
"""The row does not say which end of that second its stamp marks: half the second, and half the last digit."""

EXPONENTS: Final = (-6, -9)
"""Watts are printed with six decimals."""


def matches(head: str) -> bool:
    """Whether a file that begins with the line `head` is a PTDaemon log."""
    return head.startswith("Time,") and ",Watts," in head


def read(recording: Recording) -> list[Series]:
    """The total, then each channel, as power in W. Raises FormatError, and NaiveTimeError without a zone."""
    rows: dict[str, Rows] = {TOTAL: Rows()}
    for where, line in recording.lines():
        fields = line.split(",")
        if not matches(line):
            raise FormatError(f"{where}: not a PTDaemon row: {line[:60]!r}", "each row begins with Time and holds Watts")
        t_ns = wall_ns(fields[1].strip(), recording.tz, where=where)
        printed = _watts_by_channel(fields[2:])
        for channel in printed.keys() - rows.keys():
            rows[channel] = Rows()
        for channel, channel_rows in rows.items():
            channel_rows.add(t_ns, *watts(printed.get(channel, "")))
    channels = tuple(channel for channel in sorted(rows) if channel != TOTAL)
    return [
        rows[channel].series(_meter(recording, channel, channels), t_unc_ns=T_UNC_NS, exponents=EXPONENTS) for channel in (TOTAL, *channels)
    ]


def _watts_by_channel(fields: list[str]) -> dict[str, str]:
    """The printed Watts, by channel name in lower case; the sum under `total`."""
    channel, found = TOTAL, {}
    rest = iter(fields)
    for name in rest:
        if name.startswith("Ch") and name[2:].isdecimal():
            channel = name.lower()
            continue
        value = next(rest, "")
        if name == "Watts":
            found[channel] = value
    return found


def _meter(recording: Recording, channel: str, channels: tuple[str, ...]) -> MeterInfo:
    return MeterInfo(
        meter_id=recording.meter_id("ptdaemon", channel),
        kind="ptdaemon",
        quantity=Quantity.POWER,
        exponent=EXPONENTS[0],
        boundary=Boundary.WALL_ANALYZER,
        current=Current.AC,
        averaging=Averaging.BOXCAR,
        averaging_window_s=WINDOW_S,
        accuracy=recording.accuracy,
        covers=(channels or (TOTAL,)) if channel == TOTAL else (channel,),
        note=f"{channel} of {recording.path.name}",
    )
