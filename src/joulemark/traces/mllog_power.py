"""Power readings in the log of an MLPerf Training node: `:::MLLOG` lines with key `power_reading`, watts at `time_ms`.

Layout (MLPerf Training power, v4.0): one JSON object a line, `{"time_ms": 1715257324220, "key": "power_reading", "value": 2795, ...}`,
times in UTC milliseconds. `conversion_eff` stands for what the power supply takes: a log with it was read behind the supply. The log
may begin before the run and end after it; its `power_measurement_start` and `stop` are not the run's.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from joulemark import document
from joulemark.energy.series import Series
from joulemark.errors import FormatError
from joulemark.readings import Boundary, Current, MeterInfo, Quantity
from joulemark.traces.recording import Recording
from joulemark.traces.rows import Rows, watts
from joulemark.units import NS_PER_MS

MARK: Final = ":::MLLOG "
T_UNC_NS: Final = NS_PER_MS // 2
"""Half the last digit of a stamp."""
YEARS_MS: Final = (10**11, 10**13)
"""Milliseconds since the epoch lie between these from 1973 to 2286."""


def matches(head: str) -> bool:
    """Whether a file that begins with the line `head` is such a log."""
    return MARK in head and '"power_' in head


def read(recording: Recording) -> list[Series]:
    """The power of the node in W. Raises FormatError for a line that is no event, or a reading without time."""
    rows, behind_supply = Rows(), False
    for where, line in recording.lines():
        _, mark, rest = line.partition(MARK)
        if not mark:
            continue
        event = document.parse(rest, where=where)
        if not isinstance(event, dict):
            raise FormatError(f"{where}: an MLLOG line without an object", "each line holds one JSON object behind the mark")
        behind_supply |= event.get("key") == "conversion_eff"
        if event.get("key") == "power_reading":
            rows.add(_t_ns(event, where), *watts(_printed(event.get("value"))))
    return [rows.series(_meter(recording, behind_supply=behind_supply), t_unc_ns=T_UNC_NS)]


def _t_ns(event: dict[str, Any], where: str) -> int:
    time_ms = event.get("time_ms")
    if isinstance(time_ms, bool) or not isinstance(time_ms, int | float) or not YEARS_MS[0] < time_ms < YEARS_MS[1]:
        raise FormatError(f"{where}: {time_ms!r} is not a time", "time_ms holds UTC milliseconds since 1970")
    return int(Decimal(str(time_ms)) * NS_PER_MS)


def _printed(value: object) -> str:
    """The value as text, which `watts` judges; nothing for what is no number."""
    return str(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else ""


def _meter(recording: Recording, *, behind_supply: bool) -> MeterInfo:
    return MeterInfo(
        meter_id=recording.meter_id("mllog", "power"),
        kind="mllog",
        quantity=Quantity.POWER,
        exponent=-3,
        boundary=recording.boundary or Boundary.SERVER_INPUT,
        current=Current.DC if behind_supply else Current.AC,
        accuracy=recording.accuracy,
        note=f"power of the node in {recording.path.name}",
    )
