"""Our own readings as they lie in a bundle: `t_ns,t_unc_ns,<quantity>_<unit>,quality[,t_read0_ns,t_read1_ns,t_device_ns][,reason]`.

Integers, one meter per file; a bundle from before the raw times were kept has none of them.

`meters.json` in the same folder or the one above describes the meters; the file of a meter is named after its
percent-encoded id. Without it the unit is taken from the column's name, and the boundary must be said.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from joulemark import document, foreign
from joulemark.energy.series import RAW_TIMES, Series
from joulemark.errors import FormatError
from joulemark.readings import Boundary, MeterInfo, Quality, Quantity
from joulemark.traces.recording import Recording
from joulemark.traces.stamps import in_range
from joulemark.units import SI_PREFIX

TIME_COLUMNS: Final = ("t_ns", "t_unc_ns")
VALUE_COLUMNS: Final = {
    f"{quantity.word}_{prefix}{quantity.unit}": (quantity, exponent) for quantity in Quantity for exponent, prefix in SI_PREFIX.items()
}
QUALITIES: Final = {str(q.value): q for q in Quality} | {q.name.lower(): q for q in Quality}
"""Quality as its code or its name."""
OF_SERIES: Final = ("file", "clock_bound_ns", "device_stamps")
"""Keys of an entry of `meters.json` that describe its file; the others describe the meter."""

WHOLE: Final = r"-?\d{1,20}"
VALUE: Final = re.compile(WHOLE, re.ASCII)
Row = tuple[int, int, int, Quality, list[int], str]
"""Time, its half-width, value, quality, raw times in the order of the header, reason."""


def matches(head: str) -> bool:
    """Whether a file that begins with the line `head` has our columns."""
    names = head.split(",")
    return tuple(names[:2]) == TIME_COLUMNS and len(names) > 3 and names[2] in VALUE_COLUMNS and names[3] == "quality"


def read(recording: Recording) -> list[Series]:
    """The one series of the file. Raises FormatError."""
    lines = recording.lines()
    _, head = next(lines)
    entry = _entry(recording)
    meter = MeterInfo.from_json({k: v for k, v in entry.items() if k not in OF_SERIES}) if entry else _undescribed(recording)
    bound_ns, stamped = entry.get("clock_bound_ns", 0), entry.get("device_stamps", False)
    if type(bound_ns) is not int or type(stamped) is not bool:
        raise FormatError(f"{recording.path}: meters.json has a wrong clock_bound_ns or device_stamps", "restore the bundle")
    column = head.split(",")[2]
    if VALUE_COLUMNS[column] != (meter.quantity, meter.exponent):
        raise FormatError(f"{recording.path}: column {column} is not {meter.value_column} of {meter.meter_id}", "restore the bundle")
    pattern, raw = row_pattern(head)
    rows = [_row(pattern, line, where=where) for where, line in lines]
    t_ns = np.array([row[0] for row in rows], dtype=np.int64)
    if len(rows) > 1 and bool(np.any(np.diff(t_ns) < 0)):
        raise FormatError(f"{recording.path}: times go backwards", "restore the bundle: its readings are written in time order")
    return [
        Series(
            replace(meter, accuracy=meter.accuracy or recording.accuracy),
            t_ns,
            np.array([row[2] for row in rows], dtype=np.int64),
            np.array([row[3] for row in rows], dtype=np.uint8),
            np.array([row[1] for row in rows], dtype=np.int64),
            {number: row[5] for number, row in enumerate(rows) if not row[3].integrable},
            bound_ns,
            stamped,
            **{name: np.array([row[4][place] for row in rows], dtype=np.int64) for place, name in enumerate(raw)},
        )
    ]


def row_pattern(head: str) -> tuple[re.Pattern[str], list[str]]:
    """What a row below the header `head` looks like, and the raw times in it.

    Integers as we write them: Python would also take `1_0` for one. The value of a gap is not looked at, and the reason is the rest.
    """
    names = head.split(",")
    raw = [name for name in RAW_TIMES if name in names]
    if names[4:] not in ([*raw, "reason"], raw):
        raw = []
    return re.compile(rf"({WHOLE}),({WHOLE}),([^,]*),(\w+)" + rf",(|{WHOLE})" * len(raw) + r"(?:,(.*))?", re.ASCII), raw


def _row(pattern: re.Pattern[str], line: str, *, where: str) -> Row:
    found = pattern.fullmatch(line)
    quality = QUALITIES.get(found[4].lower()) if found else None
    if found is None or quality is None or (quality is not Quality.GAP and not VALUE.fullmatch(found[3])):
        raise FormatError(f"{where}: not a reading: {line[:60]!r}", "restore the bundle: its rows are integers")
    t_ns, t_unc_ns, printed, _, *raw, reason = found.groups()
    value = 0 if quality is Quality.GAP else int(printed)
    if not -(2**63) <= value < 2**63:
        raise FormatError(f"{where}: value {printed[:30]} does not fit 64 bits", "restore the bundle")
    times = [in_range(int(text), where=where) for text in (t_ns, t_unc_ns, *(text or "0" for text in raw))]
    return times[0], times[1], value, quality, times[2:], reason or quality.name.lower()


def _entry(recording: Recording) -> dict[str, Any]:
    """What the nearest `meters.json` says of the meter whose file this is; empty where there is none."""
    for folder in (recording.path.parent, recording.path.parent.parent):
        path = folder / "meters.json"
        if foreign.inside(folder, path):
            seen = path.stat()
            found = _described(path, seen.st_ino, seen.st_mtime_ns, seen.st_size)
            if isinstance(found, FormatError):
                raise FormatError(found.what, found.next_step)
            if (entry := found.get(recording.path.stem)) is not None:
                return entry
    return {}


@functools.lru_cache(maxsize=4)
def _described(path: Path, *_state: int) -> Mapping[str, dict[str, Any]] | FormatError:
    """What the `meters.json` at `path` says, by name of file, or why it cannot be read.

    It is read once for all files beside it, as long as its state is the same: a thousand files would else read it a thousand times.
    """
    found: dict[str, dict[str, Any]] = {}
    try:
        for entry in _entries(document.load(path), where=str(path)):
            for name in (entry.get("file"), quote(str(entry.get("meter_id", "")), safe="")):
                if isinstance(name, str):
                    found.setdefault(name, entry)
    except FormatError as error:
        return error
    return found


def _entries(data: dict[str, Any], *, where: str) -> Iterator[dict[str, Any]]:
    meters = data.get("meters")
    if not isinstance(meters, list) or not all(isinstance(entry, dict) for entry in meters):
        raise FormatError(f"{where} has no list of meters", "restore the bundle")
    for entry in meters:
        file = entry.get("file")
        yield {**entry, "file": file.rsplit("/", 1)[-1].removesuffix(".csv")} if isinstance(file, str) else entry


def _undescribed(recording: Recording) -> MeterInfo:
    quantity, exponent = VALUE_COLUMNS[recording.head.split(",")[2]]
    return MeterInfo(
        meter_id=recording.meter_id("csv", quantity.word),
        kind="csv",
        quantity=quantity,
        exponent=exponent,
        boundary=recording.boundary or Boundary.SERVER_INPUT,
        accuracy=recording.accuracy,
        note="" if recording.boundary else f"{recording.path.name} does not say where it was measured: taken as server_input",
    )
